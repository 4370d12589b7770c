// What a start reports about servers. A fake client stands in for servers that the tests do not have.
import { once } from 'node:events'
import { createServer } from 'node:net'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import t from 'tap'
import redisSession, { MemoryStore, type RedisClient, type Store } from '../lib/index.js'
import { checkAtStart } from '../lib/plugin/start-up.js'
import { until } from './support/gate.js'
import { freePort, startRedis } from './support/redis-server.js'

async function linesFor(client: object, broken: Partial<Store> = {}, replicas = 0): Promise<string> {
  const memory = new MemoryStore()
  const store = new Proxy(memory, {
    get(target, name) {
      const method = broken[name as keyof Store] ?? Reflect.get(target, name)
      return typeof method === 'function' ? method.bind(target) : method
    }
  })
  const lines: string[] = []
  const line = (_details: object, message: string) => void lines.push(message)
  await checkAtStart({
    store,
    client: client as RedisClient,
    prefix: 'session:',
    replicas,
    timeout: 1_000,
    startUp: 'go',
    closing: new AbortController().signal,
    log: { error: line, warn: line, info: line }
  })
  await memory.close()
  return lines.join('\n')
}

t.test('startup check: a server that is too old', async (t) => {
  const info = async () => 'redis_version:6.0.16\r\nmaxmemory_policy:noeviction\r\n'
  t.equal(
    await linesFor({ info }),
    'Redis 6.0.16 at localhost:6379 is older than 6.2, so sessions may fail: upgrade it'
  )
})

// The first lines of INFO, as each server sends them.
t.test('startup check: the server is reported with its own name and version', async (t) => {
  const servers = {
    'Redis 7.0.15': 'redis_version:7.0.15',
    'Valkey 8.1.1': 'redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1',
    'Redict 7.3.6': 'redict_version:7.3.6\r\nredict_mode:standalone\r\nredis_version:7.2.4',
    'Dragonfly 1.40.1': 'redis_version:7.4.0\r\ndragonfly_version:df-v1.40.1',
    'KeyDB 6.3.4': 'redis_version:6.3.4\r\nrole:master\r\nmvcc_depth:0'
  }
  for (const [name, lines] of Object.entries(servers)) {
    const info = async () => `# Server\r\n${lines}\r\nmaxmemory_policy:noeviction\r\n`
    t.equal(await linesFor({ info }), `sessions are kept in ${name} at localhost:6379`)
  }
})

t.test('startup check: a maxmemory-policy that removes sessions', async (t) => {
  const info = async () => 'redis_version:7.2.4\r\nmaxmemory_policy:volatile-lru\r\n'
  t.match(await linesFor({ info }), /Redis evicts .*\(volatile-lru\)/)
})

t.test('startup check: a server whose scripts are not atomic', async (t) => {
  const garnet = async () => 'garnet_version:1.0.84\r\nredis_version:7.4.3\r\n'
  t.match(
    await linesFor({ info: garnet }),
    /^Garnet runs scripts atomically only with --lua-transaction-mode: /
  )
  const keydb = async () => 'redis_version:6.3.4\r\nrole:active-replica\r\nmvcc_depth:0\r\n'
  t.match(await linesFor({ info: keydb }), /^this KeyDB is an active replica: .* a logout can be undone; /)
})

t.test('startup check: Dragonfly cannot wait for replicas', async (t) => {
  const info = async () => 'redis_version:7.4.0\r\ndragonfly_version:df-v1.40.1\r\n'
  t.match(await linesFor({ info }), /Dragonfly/)
  await t.rejects(linesFor({ info }, {}, 1), {
    code: 'FST_SESSION_OPTION',
    message: 'option replicas: Dragonfly has no WAIT: leave it out'
  })
})

t.test('startup check: a client that cannot send INFO', async (t) => {
  t.match(await linesFor({}), 'version and eviction policy are unknown')
})

t.test('startup check: log lines name the server, without user and password', async (t) => {
  const addresses = {
    '10.0.0.1:6380': { options: { host: '10.0.0.1', port: 6380, username: 'barley', password: 'barley' } },
    '[::1]:6379': { options: { host: '::1', port: 6379 } },
    '/run/redis.sock': { options: { path: '/run/redis.sock', host: 'localhost', port: 6379 } },
    'sessions of the sentinels at a:26379, b:26380': {
      options: {
        sentinels: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 26380 }
        ],
        name: 'sessions',
        password: 'barley'
      }
    },
    'the cluster at a:1, b:2, localhost:3 and 2 more': {
      startupNodes: ['redis://barley:b@rley@a:1/0', { host: 'b', port: 2 }, 3, 'd:4', 'e:5']
    }
  }
  for (const [address, client] of Object.entries(addresses)) {
    const lines = await linesFor(client)
    t.ok(lines.includes(`at ${address};`), `${address}: ${lines}`)
    t.notMatch(lines, 'barley')
  }
})

t.test('startup check: a Redis clock that is far off', async (t) => {
  const ahead = (milliseconds: number) => ({
    time: async () => [String(Math.floor((Date.now() + milliseconds) / 1_000)), '0']
  })
  t.match(await linesFor(ahead(60_000)), /clocks of this process and of Redis differ by (59|60) seconds/)
  t.match(await linesFor(ahead(-60_000)), /clocks of this process and of Redis differ by (59|60) seconds/)
  t.notMatch(await linesFor(ahead(0)), 'clocks')
  t.notMatch(await linesFor({ time: () => Promise.reject(new Error('NOPERM')) }), 'clocks')
})

// Fakes, since no real server is so wrong.
t.test('startup check: a store that answers wrongly is reported before the first request', async (t) => {
  const text = (bytes: Uint8Array) => Buffer.from(Buffer.from(bytes).toString('utf8'))
  const broken: [what: string, store: Partial<Store>][] = [
    ['create did not store a record', { create: async () => false }],
    ['create did not leave a record alone', { create: async () => true }],
    ['read did not return every byte', { read: async () => undefined }],
    [
      'update did not answer a conflict with the record',
      {
        async update(this: MemoryStore, key, revision, record, end) {
          const outcome = await MemoryStore.prototype.update.call(this, key, revision, record, end)
          return outcome instanceof Uint8Array ? text(outcome) : outcome
        }
      }
    ],
    [
      'update did not replace a record',
      {
        async update(this: MemoryStore, key) {
          return (await this.read(key)) ?? 'missing'
        }
      }
    ],
    ['touch did not patch a record', { touch: async () => 'missing' }],
    ['destroy did not answer a conflict with the record', { destroy: async () => 'missing' }]
  ]
  for (const [what, store] of broken) {
    t.match(await linesFor({}, store), `the session store answers wrongly: ${what};`)
  }
})

t.test("startUp: 'fail' names the server that could not be reached", async (t) => {
  const port = await freePort()
  for (const redis of [`redis://barley:barley@127.0.0.1:${port}`, { host: '127.0.0.1', port }]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(cookie)
    const error = await Promise.resolve(app.register(redisSession, { redis, startUp: 'fail' })).then(
      () => undefined,
      (error: Error) => error
    )
    t.match(error, {
      code: 'FST_SESSION_UNAVAILABLE',
      message: `the connection to 127.0.0.1:${port} failed with ECONNREFUSED`
    })
    t.notMatch(error?.message, 'barley')
  }
})

t.test('startup check: a client that only imitates Redis is named, with the way out', async (t) => {
  const broken = { update: () => Promise.reject(new Error('no script')) }
  const imitation = await linesFor({ options: {} }, broken)
  t.match(
    imitation,
    /^sessions cannot be stored: no script \(localhost:6379\)\. The client is no client of ioredis/
  )
  t.match(imitation, /if it imitates Redis for tests, use store: new MemoryStore\(\) instead$/)
  for (const real of [{ connector: {} }, { connectionPool: {} }]) {
    t.equal(await linesFor(real, broken), 'sessions cannot be stored: no script (localhost:6379)')
  }
})

t.test("startUp: 'wait' stops when the application closes, and logs its reason once", async (t) => {
  const redis = await startRedis(t)
  await redis.stop()
  const lines: string[] = []
  const app = Fastify({
    pluginTimeout: 700,
    logger: { stream: { write: (line: string) => void lines.push(JSON.parse(line).msg) } }
  })
  await app.register(cookie)
  app.register(redisSession, { redis: redis.url, timeout: 200, startUp: 'wait' })
  await t.rejects(Promise.resolve(app.ready()), { code: 'FST_ERR_PLUGIN_TIMEOUT' })
  await app.close()
  t.equal(lines.filter((line) => line.startsWith('sessions cannot be stored')).length, 1)
  t.equal(lines.filter((line) => line.startsWith('the connection to')).length, 1)
  // If it still waited, it would find this server.
  await redis.restart()
  await until(async () => (await redis.client.ping()) === 'PONG')
  t.equal((await redis.commands()).set, undefined)
})

t.test('close(): works at once while a frozen Redis is starting', async (t) => {
  const frozen = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
  await once(frozen, 'listening')
  t.teardown(() => frozen.close())
  const { port } = frozen.address() as { port: number }
  const app = Fastify()
  await app.register(cookie)
  app.register(redisSession, { redis: { host: '127.0.0.1', port }, timeout: 100 })
  await app.close()
  const connections = () =>
    new Promise<number>((resolve) => frozen.getConnections((_error, count) => resolve(count)))
  await until(async () => (await connections()) === 0)
  t.equal(await connections(), 0, 'no connection stays open')
})
