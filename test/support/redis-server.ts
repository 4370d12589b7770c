// A Redis server for one test: free port, loopback, no persistence, its own folder.
import type { ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'
import type { Test } from 'tap'
import { findRedisServer } from '../../scripts/redis-binary.js'
import { halt, spawnWithLifeline } from './lifeline.js'

export interface RedisServer {
  port: number
  url: string
  /** A client of this server that closes with the test. */
  client: Redis
  /** Opens another client with these options, which closes with the test. */
  connect(options?: Omit<RedisOptions, 'replyMapping'>): Redis
  /** How often each command was executed since the last call, without the commands of this counter. */
  commands(): Promise<Record<string, number>>
  /** Kills the server. */
  stop(): Promise<void>
  /** Starts it again on the same port, without data. */
  restart(): Promise<void>
}

/** Starts a server that ends with the test, even if the test process is killed. */
export async function startRedis(t: Test, ...args: string[]): Promise<RedisServer> {
  const binary = findRedisServer()
  if (binary === undefined)
    throw new Error('No Redis server: run the tests by `npm test`, which provides one.')
  let port = await freePort()
  let child = await launch(binary, port, args).catch(async () => {
    port = await freePort()
    return launch(binary, port, args)
  })
  const clients: Redis[] = []
  const connect = (options: Omit<RedisOptions, 'replyMapping'> = {}): Redis => {
    const client = new Redis({ port, host: '127.0.0.1', ...options })
    client.on('error', () => {})
    clients.push(client)
    return client
  }
  const client = connect()
  let seen: Record<string, number> = {}
  t.teardown(async () => {
    for (const open of clients) open.disconnect()
    await halt(child)
  })
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    client,
    connect,
    async commands() {
      const now = await commandCounts(client)
      const fresh = Object.entries(now)
        .map(([name, calls]) => [name, calls - (seen[name] ?? 0)] as const)
        .filter(([name, calls]) => calls > 0 && !BOOKKEEPING.has(name))
      seen = now
      return Object.fromEntries(fresh)
    },
    stop: () => halt(child),
    async restart() {
      child = await launch(binary, port, args)
    }
  }
}

const BOOKKEEPING = new Set(['info', 'config|get', 'client|setinfo', 'hello', 'ping', 'select'])

async function commandCounts(client: Redis): Promise<Record<string, number>> {
  const stats = await client.info('commandstats')
  const lines = [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
  return Object.fromEntries(lines.map(([, name, calls]) => [name, Number(calls)]))
}

async function launch(binary: string, port: number, args: string[]): Promise<ChildProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'session-redis-'))
  const settings = [
    `--port ${port} --bind 127.0.0.1 --appendonly no --dir`.split(' '),
    folder,
    '--save',
    ''
  ].flat()
  const child = spawnWithLifeline(folder, binary, [...settings, ...args])
  const probe = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 20, maxRetriesPerRequest: null })
  probe.on('error', () => {})
  const failed = async (work: Promise<unknown>, why: string): Promise<never> => {
    await work
    throw new Error(`${binary} ${why}`)
  }
  try {
    const answer = await Promise.race([
      probe.config('GET', 'dir'),
      failed(once(child, 'exit'), 'did not start'),
      failed(sleep(20_000, undefined, { ref: false }), 'does not answer')
    ])
    // Another process may have taken the port since it was found free.
    if (!JSON.stringify(answer).includes(basename(folder)))
      throw new Error(`port ${port} is another server's`)
  } catch (error) {
    await halt(child)
    throw error
  } finally {
    probe.disconnect()
  }
  return child
}

/** How far from the port of a node is the one on which it talks to the other nodes of its cluster. */
const BUS = 10_000
/** Above the ports of well-known servers. With the second ports, below those that systems give to outgoing connections. */
const [FIRST_PORT, END_OF_PORTS] = [10_240, 32_768 - BUS]
const BLOCK = 64
/** The ports of this process that it has not used. */
const ports: number[] = []

/** A port on loopback that was free just now, and that no other process gets from here until this one ends. */
export async function freePort(): Promise<number> {
  for (;;) {
    if (ports.length === 0) await claimBlock()
    const port = ports.shift()
    if (port !== undefined && (await isFree(port)) && (await isFree(port + BUS))) return port
  }
}

// Whoever listens on the first port of a block has the others. Replicas and nodes of a cluster look for a server that a
// test has killed, and would follow one of another process that got its port.
async function claimBlock(): Promise<void> {
  const first = FIRST_PORT + BLOCK * randomInt(Math.floor((END_OF_PORTS - FIRST_PORT) / BLOCK))
  const claim = createServer()
  if (await listens(claim, first)) {
    claim.unref()
    for (let port = first + 1; port < first + BLOCK; port++) ports.push(port)
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  if (!(await listens(server, port))) return false
  server.close()
  await once(server, 'close')
  return true
}

function listens(server: Server, port: number): Promise<boolean> {
  return once(server.listen(port, '127.0.0.1'), 'listening').then(
    () => true,
    () => false
  )
}
