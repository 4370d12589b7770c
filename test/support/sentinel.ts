// A primary with replicas and sentinels on loopback, for one test.
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { findRedisServer } from '../../scripts/redis-binary.js'
import { until } from './gate.js'
import { halt, spawnWithLifeline } from './lifeline.js'
import { freePort, type RedisServer, startRedis } from './redis-server.js'
import { caughtUp } from './replication.js'

export interface SentinelOptions {
  /** Default 1. */
  replicas?: number
  /** Default 1. A majority of them must agree that a primary is down. */
  sentinels?: number
  /** Milliseconds after which a silent primary counts as down. Default 1,000. */
  downAfter?: number
}

export interface TestSentinel {
  /** The name of the primary. */
  name: string
  /** The addresses of the sentinels, for clients. */
  sentinels: { host: string; port: number }[]
  /** The first primary, then its replicas. */
  servers: RedisServer[]
  /** The server that the sentinels currently call primary. */
  primary(): Promise<RedisServer>
  /** Waits until the replicas have what the primary has. A failover may lose the rest. */
  replicated(): Promise<void>
  /** Orders a failover, and waits until the promoted replica accepts writes and the sentinels have announced it. */
  failover(): Promise<RedisServer>
  /** Waits until another server than this one is primary and accepts writes. */
  promotion(old: RedisServer): Promise<RedisServer>
}

const NAME = 'sessions'

/** Starts a primary, replicas and sentinels that end with the test. */
export async function startSentinel(t: Test, options: SentinelOptions = {}): Promise<TestSentinel> {
  const { replicas = 1, sentinels: count = 1, downAfter = 1_000 } = options
  const servers = await Promise.all(
    Array.from({ length: 1 + replicas }, () => startRedis(t, '--repl-diskless-sync-delay', '0'))
  )
  const [first, ...others] = servers
  if (first === undefined) throw new Error('no server')
  await Promise.all(others.map(({ client }) => client.replicaof('127.0.0.1', first.port)))
  // Sentinel discovers replicas when it starts, and then every ten seconds.
  await until(async () => {
    const info = await first.client.info('replication')
    return [...info.matchAll(/^slave\d+:.*state=online/gm)].length === replicas
  })
  const settings = [
    `sentinel monitor ${NAME} 127.0.0.1 ${first.port} ${Math.floor(count / 2) + 1}`,
    `sentinel down-after-milliseconds ${NAME} ${downAfter}`,
    `sentinel failover-timeout ${NAME} ${downAfter * 4}`
  ]
  const clients = await Promise.all(Array.from({ length: count }, () => startOne(t, settings)))
  for (const client of clients) {
    await until(async () => {
      const state = fields(await client.call('SENTINEL', 'MASTER', NAME))
      const isComplete = state['num-slaves'] === String(replicas)
      return isComplete && state['num-other-sentinels'] === String(count - 1)
    })
    await until(async () => {
      const known = (await client.call('SENTINEL', 'REPLICAS', NAME)) as unknown[]
      return known.every((replica) => fields(replica)['master-link-status'] === 'ok')
    })
  }
  const [asked] = clients
  const primary = async (): Promise<RedisServer> => {
    const address = (await asked?.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)) as string[]
    const found = servers.find(({ port }) => String(port) === address[1])
    if (found === undefined) throw new Error('the sentinels name a primary that is none of ours')
    return found
  }
  const promotion = async (old: RedisServer): Promise<RedisServer> => {
    await until(async () => (await primary()) !== old)
    const next = await primary()
    await until(async () => (await next.client.info('replication')).includes('role:master'))
    return next
  }
  return {
    name: NAME,
    sentinels: clients.map(({ options: { port = 0 } }) => ({ host: '127.0.0.1', port })),
    servers,
    primary,
    promotion,
    replicated: async () => caughtUp(await primary(), servers),
    async failover() {
      const old = await primary()
      // INPROG: on a slow machine the sentinels may already have started one.
      await asked?.call('SENTINEL', 'FAILOVER', NAME).catch((error: Error) => {
        if (!error.message.startsWith('INPROG')) throw error
      })
      const next = await promotion(old)
      // They name the promoted server before they announce it. A client that connects in between is disconnected again.
      for (const client of clients) {
        await until(async () => {
          const { flags, port } = fields(await client.call('SENTINEL', 'MASTER', NAME))
          return flags === 'master' && port === String(next.port)
        })
      }
      return next
    }
  }
}

async function startOne(t: Test, settings: string[]): Promise<Redis> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'session-sentinel-'))
  const file = join(folder, 'sentinel.conf')
  const lines = [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, ...settings]
  writeFileSync(file, `${lines.join('\n')}\n`)
  const child = spawnWithLifeline(folder, findRedisServer() ?? 'redis-server', [file, '--sentinel'])
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 20, maxRetriesPerRequest: null })
  client.on('error', () => {})
  t.teardown(async () => {
    client.disconnect()
    await halt(child)
  })
  await Promise.race([
    client.ping(),
    once(child, 'exit').then(() => {
      throw new Error('the sentinel did not start')
    })
  ])
  return client
}

/** The fields of a reply by name. RESP2 lists names and values; RESP3 has maps. */
function fields(reply: unknown): Record<string, string> {
  if (!Array.isArray(reply)) return reply as Record<string, string>
  const pairs = reply.flatMap((name, index) => (index % 2 === 0 ? [[name, reply[index + 1]]] : []))
  return Object.fromEntries(pairs)
}
