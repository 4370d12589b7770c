// The client of a command: one server, Sentinel or a cluster, from its options and the environment.
import { Cluster, type RedisOptions } from 'ioredis'
import { pause } from '../clock.js'
import type { Log } from '../events.js'
import { checkRedis } from '../plugin/options.js'
import type { Connection, RedisClient } from '../stores/redis.js'
import { createClient } from '../stores/redis-client.js'
import { UsageError } from './io.js'

export interface ConnectionOptions {
  /** URLs. Several are nodes of a cluster. */
  redis?: readonly string[]
  cluster?: true
  /** The name of the primary, and the addresses of sentinels, separated by commas. */
  sentinel?: string
  /** Milliseconds. */
  timeout: number
}

export interface OwnClient {
  client: RedisClient
  connection: Connection | undefined
  close(): Promise<void>
}

type Account = Omit<RedisOptions, 'replyMapping'>

const DEFAULT_URL = 'redis://localhost:6379'
const SENTINEL_PORT = 26_379
/** Maximum milliseconds to wait for the answer to QUIT. */
const MAX_QUIT = 100

export function openClient(options: ConnectionOptions, env: NodeJS.ProcessEnv, log: Log): OwnClient {
  const { cluster, sentinel, timeout } = options
  const urls = options.redis ?? [env.REDIS_URL ?? DEFAULT_URL]
  for (const url of urls) checkRedis(url)
  const [first = DEFAULT_URL] = urls
  if (cluster && sentinel !== undefined) {
    throw new UsageError('--cluster and --sentinel exclude each other: leave one of them out')
  }
  if (cluster) return openCluster(urls, timeout)
  if (urls.length > 1) throw new UsageError('--redis is given several times: add --cluster, or keep one')
  if (sentinel === undefined) return createClient(first, timeout, log)
  return createClient({ ...accountOf(first), ...sentinelsOf(sentinel) }, timeout, log)
}

function openCluster(urls: readonly string[], timeout: number): OwnClient {
  const [first = DEFAULT_URL] = urls
  const client = new Cluster(urls.map(addressOf), {
    redisOptions: { ...accountOf(first), connectTimeout: timeout, commandTimeout: timeout }
  })
  // The failure of a command says why. Without a listener, the client writes to the console.
  client.on('error', () => {})
  return {
    client,
    connection: undefined,
    async close() {
      await Promise.race([Promise.allSettled([client.quit()]), pause(MAX_QUIT)])
      client.disconnect()
    }
  }
}

function sentinelsOf(text: string): Account {
  const [name = '', ...addresses] = text.split(',')
  if (name === '' || addresses.length === 0) {
    throw new UsageError('--sentinel needs a name and addresses: --sentinel mymaster,host:26379,host:26379')
  }
  return { name, sentinels: addresses.map((address) => addressOf(`redis://${address}`, SENTINEL_PORT)) }
}

// The brackets of an IPv6 address belong to URLs only.
function addressOf(url: string, defaultPort = 6379): { host: string; port: number } {
  try {
    const { hostname, port } = new URL(url)
    return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) || defaultPort }
  } catch {
    throw new UsageError('a server must be an address with a port, such as localhost:6379')
  }
}

/** What a URL says about the account, the database and TLS, whatever its host. */
function accountOf(url: string): Account {
  const { username, password, pathname, protocol } = new URL(url)
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(pathname.length > 1 && { db: Number(pathname.slice(1)) }),
    ...(protocol === 'rediss:' && { tls: {} })
  }
}
