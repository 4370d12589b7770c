// Redis errors of a server that cannot do its work. Each becomes an error with a code, and ends with the state.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Browser } from '../support/browser.js'
import { until } from '../support/gate.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { createService, failure, isHarmless, login, post } from './service.js'

const UNAVAILABLE = [503, 'FST_SESSION_UNAVAILABLE'] as const
const FULL = [503, 'FST_SESSION_STORE_FULL'] as const

async function begin(
  t: Test,
  server: RedisServer,
  redis: Redis | { host: string; port: number } | undefined
) {
  const app = await createService(t, { redis: redis ?? { host: '127.0.0.1', port: server.port } })
  return { app, browser: await login(t, app) }
}

const say = async (client: Redis, command: string): Promise<string> =>
  client.call(...(command.split(' ') as [string, ...string[]])).then(String, ({ message }) => message)

/** How many connections the server has accepted so far. */
async function connections({ client }: RedisServer): Promise<number> {
  return Number(/total_connections_received:(\d+)/.exec(await client.info('stats'))?.[1])
}

/** Runs the test with the client of the plugin, and with a client that it is given. */
function withEachClient(
  name: string,
  args: string[],
  test: (t: Test, server: RedisServer, redis: Redis | undefined) => Promise<void>
): void {
  t.test(name, async (t) => {
    const server = await startRedis(t, ...args)
    await t.test('through the client of the plugin', (t) => test(t, server, undefined))
    await t.test('through a client of the application', (t) => test(t, server, server.connect()))
  })
}

withEachClient('OOM: a server whose memory is full', [], async (t, server, redis) => {
  const { app, browser } = await begin(t, server, redis)
  await server.client.config('SET', 'maxmemory', '1')
  isHarmless(t, await post(new Browser(app), '/login'), ...FULL)
  isHarmless(t, await post(browser, '/count'), ...FULL)
  isHarmless(t, await post(browser, '/regenerate'), ...FULL)
  t.same(await browser.json('/'), { userId: 1, count: 0 }, 'sessions are still read')
  const other = new Browser(app)
  for (const [name, value] of browser.cookies) other.cookies.set(name, value)
  t.same(failure(await post(browser, '/logout')), [200, undefined], 'sessions can still end')
  t.same(await other.json('/'), {})
  await server.client.config('SET', 'maxmemory', '0')
  t.same(failure(await post(browser, '/login')), [200, undefined], 'writes work again')
})

withEachClient('eviction: a server that evicts sessions (allkeys-lru)', [], async (t, server, redis) => {
  const { client } = server
  const { browser } = await begin(t, server, redis)
  const [key = ''] = await client.keys('session:*')
  const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1])
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  await client.config('SET', 'maxmemory', String(used + 1_000_000))
  let others = 0
  await until(async () => {
    await client.set(`other:${others++}`, 'x'.repeat(100_000))
    return (await client.exists(key)) === 0
  })
  t.same(await browser.json('/'), {}, 'the browser is a new visitor')
  const [, before] = [...browser.cookies][0] ?? []
  await client.config('SET', 'maxmemory', '0')
  t.same(failure(await post(browser, '/login')), [200, undefined])
  t.not([...browser.cookies][0]?.[1], before, 'the visitor gets another id')
  t.same(await browser.json('/'), { userId: 1, count: 0 })
  await client.flushall()
})

withEachClient('MISCONF: a server that cannot save to its disk', [], async (t, server, redis) => {
  const { client } = server
  const { app, browser } = await begin(t, server, redis)
  const folder = String(Object.values(await client.config('GET', 'dir')).at(-1))
  // A file cannot replace a folder that is not empty.
  mkdirSync(join(folder, 'dump.rdb', 'taken'), { recursive: true })
  await client.config('SET', 'save', '3600 1000000')
  await client.bgsave()
  await until(async () => (await client.info('persistence')).includes('rdb_last_bgsave_status:err'))
  isHarmless(t, await post(new Browser(app), '/login'), ...FULL)
  isHarmless(t, await post(browser, '/count'), ...FULL)
  t.same(await browser.json('/'), { userId: 1, count: 0 }, 'sessions are still read')
  await client.config('SET', 'save', '')
  t.same(failure(await post(browser, '/count')), [200, undefined], 'writes work again')
})

// The server loads a real file. A debug setting of Redis slows down each key.
const SLOW = ['--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024']
withEachClient('LOADING: a server that loads its data', SLOW, async (t, server, redis) => {
  const { client } = server
  const { app, browser } = await begin(t, server, redis)
  await client.mset(Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`k${n}`, 'x'.repeat(100)])))
  await client.config('SET', 'key-load-delay', '10000')
  const reloaded = say(server.connect(), 'DEBUG RELOAD')
  await until(async () => (await say(client, 'GET k1')).startsWith('LOADING'))
  isHarmless(t, await browser.request('/'), ...UNAVAILABLE)
  isHarmless(t, await post(new Browser(app), '/login'), ...UNAVAILABLE)
  await client.config('SET', 'key-load-delay', '0')
  t.equal(await reloaded, 'OK')
  t.same(await browser.json('/'), { userId: 1, count: 0 }, 'the session is back')
})

withEachClient('BUSY: a server that runs a long script', [], async (t, server, redis) => {
  const { client } = server
  const { app, browser } = await begin(t, server, redis)
  await client.config('SET', 'lua-time-limit', '20')
  const script = server
    .connect()
    .eval('while true do end', 0)
    .catch(() => {})
  await until(async () => (await say(client, 'PING')).startsWith('BUSY'))
  isHarmless(t, await browser.request('/'), ...UNAVAILABLE)
  isHarmless(t, await post(new Browser(app), '/login'), ...UNAVAILABLE)
  t.equal(await say(client, 'SCRIPT KILL'), 'OK')
  await script
  t.same(await browser.json('/'), { userId: 1, count: 0 })
})

withEachClient('READONLY: a server that became a replica', [], async (t, server, redis) => {
  const primary = await startRedis(t, '--repl-diskless-sync-delay', '0')
  const { app, browser } = await begin(t, server, redis)
  await server.client.replicaof('127.0.0.1', primary.port)
  await until(async () => (await server.client.info('replication')).includes('master_link_status:up'))
  const before = await connections(server)
  for (let request = 1; request <= 20; request++) {
    isHarmless(t, await post(new Browser(app), '/login'), ...UNAVAILABLE)
  }
  const more = (await connections(server)) - before
  t.ok(more < 10, `${more} connections for 20 requests`)
  t.same(await browser.json('/'), {}, 'the server has the sessions of its primary')
  await server.client.replicaof('NO', 'ONE')
  await until(async () => (await post(browser, '/login')).statusCode === 200)
  t.same(await browser.json('/'), { userId: 1, count: 0 })
})

withEachClient('MASTERDOWN: a replica that lost its primary', [], async (t, server, redis) => {
  const primary = await startRedis(t)
  const { browser } = await begin(t, server, redis)
  await server.client.config('SET', 'replica-serve-stale-data', 'no')
  await server.client.replicaof('127.0.0.1', primary.port)
  await primary.stop()
  await until(async () => (await say(server.client, 'GET k')).startsWith('MASTERDOWN'))
  isHarmless(t, await browser.request('/'), ...UNAVAILABLE)
  await server.client.replicaof('NO', 'ONE')
  await until(async () => (await post(browser, '/login')).statusCode === 200)
  t.same(await browser.json('/'), { userId: 1, count: 0 })
})

withEachClient('WRONGTYPE: a session key that holds another type', [], async (t, server, redis) => {
  const { client } = server
  const { browser } = await begin(t, server, redis)
  const [key = ''] = await client.keys('session:*')
  await client.del(key)
  await client.rpush(key, 'foreign')
  isHarmless(t, await browser.request('/'), 500, 'FST_SESSION_FOREIGN_KEY')
  isHarmless(t, await post(browser, '/count'), 500, 'FST_SESSION_FOREIGN_KEY')
  t.same(await client.lrange(key, 0, -1), ['foreign'], 'the key is unchanged')
  await client.del(key)
})
