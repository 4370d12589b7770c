// Redis failures: down, silent, back again, rolled back, without its replicas.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import redisSession, {
  MemoryStore,
  type RedisSessionOptions,
  RedisStore,
  type SessionEvent
} from '../lib/index.js'
import { createApp } from './support/app.js'
import { Browser, sessionCookie } from './support/browser.js'
import { FailingStore } from './support/failing-store.js'
import { until } from './support/gate.js'
import { startRedis } from './support/redis-server.js'

const secret = 'a secret of thirty-two characters, or more'

async function service(t: Test, options: RedisSessionOptions) {
  const app = await createApp(t, options)
  app.get('/login', async ({ session }) => session.set('userId', 42))
  app.get('/whoami', async ({ session }) => ({
    userId: session.get('userId') ?? null,
    detached: session.detached ?? null,
    rolledBack: session.rolledBack
  }))
  app.get('/count', async ({ session }) => session.set('count', (session.count ?? 0) + 1))
  app.get('/guest', { config: { session: { onUnavailable: 'anonymous' } } }, async ({ session }) => ({
    userId: session.get('userId') ?? null,
    detached: session.detached ?? null
  }))
  app.get('/guest-login', { config: { session: { onUnavailable: 'anonymous' } } }, async ({ session }) => {
    await session.regenerate()
    session.userId = 42
  })
  return { app, browser: new Browser(app) }
}

function collect(t: Test): SessionEvent[] {
  const events: SessionEvent[] = []
  const listen = (event: unknown) => void events.push(event as SessionEvent)
  subscribe('fastify-ioredis-session', listen)
  t.teardown(() => unsubscribe('fastify-ioredis-session', listen))
  return events
}

/** A server that accepts connections and never answers. */
async function silentPeer(t: Test): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

t.test('store down: 503 with Retry-After, and no user is logged out', async (t) => {
  const redis = await startRedis(t)
  const { browser } = await service(t, { redis: redis.url, timeout: 2_000 })
  await browser.request('/login')
  const cookies = [...browser.cookies]
  const [key = ''] = await redis.client.keys('session:*')
  const record = await redis.client.getBuffer(key)
  await redis.stop()
  for (const url of ['/whoami', '/count', '/login']) {
    const response = await browser.request(url)
    t.equal(response.statusCode, 503, url)
    t.match(response.json(), { code: /^FST_SESSION_UN(AVAILABLE|CERTAIN)$/ })
    t.equal(response.headers['retry-after'], '1')
    t.equal(sessionCookie(response), undefined)
  }
  t.same([...browser.cookies], cookies)
  await redis.restart()
  await redis.client.set(key, record ?? '', 'PX', 60_000)
  let response = await browser.request('/whoami')
  while (response.statusCode !== 200) {
    await sleep(20)
    response = await browser.request('/whoami')
  }
  t.match(response.json(), { userId: 42 }, 'the plugin recovers')
})

t.test(
  'timeout: applies to a server that accepts and never answers, whatever the client waits for',
  async (t) => {
    const port = await silentPeer(t)
    const redis = await startRedis(t)
    const patient = redis.connect({
      port,
      maxRetriesPerRequest: null,
      enableReadyCheck: false,
      lazyConnect: true
    })
    for (const option of [`redis://127.0.0.1:${port}`, patient]) {
      const { app, browser } = await service(t, { redis: option, timeout: 100 })
      const response = await browser.request('/login')
      t.equal(response.statusCode, 503)
      t.match(app.logLines.map(({ msg }) => msg).join(), 'sessions cannot be stored')
    }
  }
)

t.test('timeout: covers all store operations of a request', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  let delay = 0
  const slow = new Proxy(memory, {
    get: (target, name) => {
      const method = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return async (...args: unknown[]) => {
        await sleep(delay)
        return method.apply(target, args)
      }
    }
  })
  const { browser } = await service(t, { store: slow, timeout: 3_000 })
  await browser.request('/login')
  delay = 2_000
  const response = await browser.request('/count')
  t.equal(response.statusCode, 503, 'the second operation would end after 4 seconds')
  t.equal(response.json().code, 'FST_SESSION_UNCERTAIN', 'the outcome is uncertain')
})

t.test('onUnavailable: a route may serve anonymous visitors while the store is down', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const failing = new FailingStore(memory)
  const { app, browser } = await service(t, { store: failing.store })
  await browser.request('/login')
  failing.plan.push('refuse')
  const response = await browser.request('/guest')
  t.same(response.json(), { userId: null, detached: 'unavailable' })
  t.equal(sessionCookie(response), undefined)
  failing.plan.push('refuse')
  t.match((await browser.request('/guest-login')).json(), { code: 'FST_SESSION_DETACHED' }, 'cannot sign in')
  failing.plan.push('refuse')
  t.equal((await browser.request('/whoami')).statusCode, 503, 'other routes')
  const { app: lenient } = await service(t, { store: failing.store, onUnavailable: 'anonymous' })
  browser.visit(lenient)
  failing.operations.length = 0
  failing.plan.push('refuse')
  t.equal((await browser.request('/count')).statusCode, 200, 'as an option of the plugin')
  t.same(failing.operations, ['read'], 'nothing is written after a failed read')
  const lost = lenient.logLines.some(({ msg }) => msg.includes('are lost: unavailable'))
  t.ok(lost, 'the lost change is reported')
  t.match(await browser.visit(app).json('/whoami'), { userId: 42 }, 'no user was logged out')
})

t.test('custom store: an error with status 503 means unavailable', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const { store } = new FailingStore(memory)
  let statusCode = 503
  const read = () => Promise.reject(Object.assign(new Error('away'), { statusCode }))
  const { browser } = await service(t, { store: { ...store, read } })
  await browser.request('/login')
  t.same(await browser.json('/guest'), { userId: null, detached: 'unavailable' })
  statusCode = 500
  t.equal((await browser.request('/guest')).statusCode, 500, 'status 500 does not')
})

t.test('circuitBreaker: stops requests to a store that is down, except for one probe', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const failing = new FailingStore(memory)
  const events = collect(t)
  const { app, browser } = await service(t, {
    store: failing.store,
    circuitBreaker: { failures: 2, openFor: 2_000 }
  })
  await browser.request('/login')
  failing.plan.push('refuse', 'refuse', 'refuse')
  failing.operations.length = 0
  for (const _ of [1, 2, 3, 4]) t.equal((await browser.request('/whoami')).statusCode, 503)
  t.equal(failing.operations.length, 2, 'no operation after two failures')
  await sleep(2_050)
  t.equal((await browser.request('/whoami')).statusCode, 503, 'the probe')
  t.equal(failing.operations.length, 3)
  t.equal((await browser.request('/whoami')).statusCode, 503, 'rejected again')
  t.equal(failing.operations.length, 3)
  await sleep(2_050)
  t.equal((await browser.request('/whoami')).statusCode, 200, 'recovered')
  t.equal((await browser.request('/whoami')).statusCode, 200)
  const states = events.filter(({ type }) => type === 'unavailable' || type === 'recovered')
  t.match(states, [{ type: 'unavailable', operation: 'read' }, { type: 'recovered' }])
  t.equal(app.logLines.filter(({ msg }) => msg.includes('answers again')).length, 1)
})

t.test('events: load and commit report their duration', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const events = collect(t)
  const { browser } = await service(t, { store: memory })
  await browser.request('/login')
  await browser.request('/count')
  t.match(events, [
    { type: 'commit', step: 'create', tries: 1, ms: Number },
    { type: 'load', found: true, ms: Number },
    { type: 'commit', step: 'update', tries: 1, ms: Number }
  ])
})

t.test('startup log: server, version, eviction policy and permissions', async (t) => {
  const redis = await startRedis(t)
  const lines = async (options: RedisSessionOptions) => {
    const { app } = await service(t, { redis: redis.url, ...options })
    return app.logLines.map(({ msg }) => msg).join('\n')
  }
  t.match(await lines({}), /sessions are kept in (Redis|Valkey|Redict) \d+\.\d+/)
  t.notMatch(await lines({}), /evicts|older/)
  await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  t.match(
    await lines({}),
    'Redis evicts keys under memory pressure (allkeys-lru), which logs people out: set maxmemory-policy noeviction'
  )
  await redis.client.acl(
    'SETUSER',
    'limited',
    'on',
    '>pw',
    '~session:*',
    '+get',
    '+set',
    '+evalsha',
    '+eval',
    '+getrange',
    '+setrange',
    '+pexpire',
    '+del'
  )
  t.match(
    await lines({ redis: `redis://limited:pw@127.0.0.1:${redis.port}` }),
    'version and eviction policy are unknown: allow INFO'
  )
  t.equal(await redis.client.dbsize(), 0, 'no key is left behind')
})

t.test('startUp: without Redis a start goes on, waits or fails', async (t) => {
  const redis = await startRedis(t)
  let looks = 0
  const start = async (startUp: 'go' | 'wait' | 'fail') => {
    const write = (line: string) => {
      if (line.includes('cannot be stored')) looks++
    }
    const app = Fastify({ logger: { stream: { write } } })
    t.teardown(() => app.close())
    await app.register(cookie)
    await app.register(redisSession, { redis: redis.url, timeout: 200, startUp })
  }
  await redis.stop()
  await t.rejects(start('fail'), { code: /^FST_SESSION_UN(AVAILABLE|CERTAIN)$/ })
  await t.resolves(start('go'))
  looks = 0
  const waiting = start('wait')
  while (looks < 1) await sleep(10)
  await redis.restart()
  await t.resolves(waiting)
})

t.test('replicas: a commit waits for them or fails with NOT_REPLICATED', async (t) => {
  const redis = await startRedis(t)
  const hasty = await service(t, { redis: redis.url, replicas: 1, replicaTimeout: 50 })
  const alone = await hasty.browser.request('/login')
  t.match(alone.json(), { code: 'FST_SESSION_NOT_REPLICATED', message: /0 of 1 replicas/ })
  t.equal(sessionCookie(alone), undefined)
  // Redis checks the time of WAIT ten times a second, and a busy machine needs time too.
  const short = await service(t, { redis: redis.url, replicas: 1, timeout: 900 })
  const waits: number[] = []
  const monitor = await redis.connect().monitor()
  monitor.on('monitor', (_, [command, , milliseconds]: string[]) => {
    if (command === 'wait') waits.push(Number(milliseconds))
  })
  t.match((await short.browser.request('/login')).json(), { code: 'FST_SESSION_NOT_REPLICATED' })
  await until(() => waits.length > 0)
  monitor.disconnect()
  const [half = 0] = waits
  t.ok(half > 0 && half <= 450, `half of the timeout is left for the answer: ${waits}`)
  const replica = await startRedis(t, '--replicaof', '127.0.0.1', String(redis.port))
  while (!(await redis.client.info('replication')).includes('state=online')) await sleep(20)
  while (!(await replica.client.info('replication')).includes('master_link_status:up')) await sleep(20)
  const { browser } = await service(t, {
    redis: redis.url,
    replicas: 1,
    replicaTimeout: 20_000,
    timeout: 30_000
  })
  await redis.commands()
  t.equal((await browser.request('/login')).statusCode, 200)
  t.match(await redis.commands(), { set: 1, wait: 1 })
  await browser.request('/count')
  await redis.commands()
  t.equal((await browser.request('/count')).statusCode, 200)
  t.match(await redis.commands(), { evalsha: 1, wait: 1 })
  const [key = ''] = (await redis.client.keys('session:*')).slice(-1)
  t.equal(await replica.client.exists(key), 1)
  await redis.client.script('FLUSH')
  t.equal((await browser.request('/count')).statusCode, 200, 'even if the script is unknown')

  const { browser: patient } = await service(t, {
    redis: redis.url,
    replicas: 1,
    replicaTimeout: 2_000,
    timeout: 3_000
  })
  await patient.request('/login')
  await replica.stop()
  while (!(await redis.client.info('replication')).includes('connected_slaves:0')) await sleep(20)
  await redis.client.script('FLUSH')
  const late = await patient.request('/count')
  t.match(
    late.json(),
    { code: 'FST_SESSION_NOT_REPLICATED' },
    'waiting for replicas does not exceed the timeout'
  )
})

t.test('detectRollback: reports commits that a failover lost', async (t) => {
  const redis = await startRedis(t)
  const events = collect(t)
  const { app, browser } = await service(t, { redis: redis.url, secret, detectRollback: true })
  await browser.request('/login')
  const [key = ''] = await redis.client.keys('session:*')
  const old = await redis.client.getBuffer(key)
  const commit = await browser.request('/count')
  const sent = commit.cookies.map(({ name }) => name)
  t.same(sent, ['__Host-session-seen'], 'a commit sends its number but not the session cookie')
  t.same((await browser.request('/whoami')).cookies, [], 'a read does not')
  t.match(await browser.json('/whoami'), { rolledBack: false })
  const before = new Map(browser.cookies)
  await browser.request('/count')
  const ahead = new Map(browser.cookies)
  for (const [name, value] of before) browser.cookies.set(name, value)
  t.match(await browser.json('/whoami'), { rolledBack: false }, 'a late response is no rollback')
  for (const [name, value] of ahead) browser.cookies.set(name, value)
  await redis.client.set(key, old ?? '', 'PX', 60_000)
  t.match(await browser.json('/whoami'), { userId: 42, rolledBack: true })
  t.match(events.at(-1), { type: 'rollback', handle: key.slice(8), expected: 3, found: 1 })
  t.ok(app.logLines.some(({ msg }) => msg.includes('has lost commits')))
  const other = new Map(before)
  const { browser: elsewhere } = await service(t, { redis: redis.url, secret, detectRollback: true })
  for (const [name, value] of other) elsewhere.cookies.set(name, value)
  await elsewhere.request('/count')
  await elsewhere.request('/count')
  /** The answer of another process, which has not reported yet, to the cookies that are ahead. */
  const askAnother = async () => {
    const another = await service(t, { redis: redis.url, secret, detectRollback: true })
    for (const [name, value] of ahead) another.browser.cookies.set(name, value)
    return { ...(await another.browser.json<object>('/whoami')), logLines: another.app.logLines }
  }
  const { logLines, ...answer } = await askAnother()
  t.match(answer, { rolledBack: true }, 'even if as many commits followed since')
  t.match(events.at(-1), { type: 'rollback', expected: 3, found: 3 })
  t.ok(
    logLines.some(({ msg }) => msg.includes('commit 3 was acknowledged, the store holds another commit 3'))
  )
  await redis.client.del(key)
  t.match(await askAnother(), { userId: null, rolledBack: true })
  t.match(events.at(-1), { type: 'rollback', found: undefined })
  const { browser: unsigned } = await service(t, { redis: redis.url, secret })
  await unsigned.request('/login')
  browser.cookies.clear()
  for (const [name, value] of unsigned.cookies) browser.cookies.set(name, value)
  t.match(
    await browser.json('/whoami'),
    { userId: 42, rolledBack: false },
    'a cookie from before the option was set'
  )
})

t.test('timeout: ends parallel requests that wait for each other', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const stuck = { ...new FailingStore(memory).store, update: () => new Promise<never>(() => {}) }
  const { browser } = await service(t, { store: stuck, timeout: 200 })
  await browser.request('/login')
  const responses = await Promise.all(Array.from({ length: 10 }, () => browser.request('/count')))
  for (const response of responses) t.equal(response.statusCode, 503)
  const codes = new Set(responses.map((response) => response.json().code))
  t.same([...codes].sort(), ['FST_SESSION_UNAVAILABLE', 'FST_SESSION_UNCERTAIN'], 'only one was sent')
})

t.test('timeout: also applies to a RedisStore that the application creates', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect({
    port: await silentPeer(t),
    enableReadyCheck: false,
    maxRetriesPerRequest: null
  })
  const { browser } = await service(t, { store: new RedisStore(client), timeout: 100 })
  t.match((await browser.request('/login')).json(), { code: 'FST_SESSION_UNCERTAIN' })
})

t.test('events: the commit event of an ended session has its handle', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const events = collect(t)
  const app = await createApp(t, { store: memory })
  app.get('/begin', async ({ session }) => session.set('count', 0))
  app.get('/empty', async ({ session }) => session.delete('count'))
  const browser = new Browser(app)
  await browser.request('/begin')
  await browser.request('/empty')
  const commits = events.filter(({ type }) => type === 'commit')
  t.match(commits, [{ step: 'create' }, { step: 'remove' }])
  t.equal(new Set(commits.map((event) => 'handle' in event && event.handle)).size, 1)
})

// The server loads a real file. A debug setting of Redis slows down each key.
const SLOW = ['--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024']
t.test('store down or loading: a refused write is not stored later', async (t) => {
  const redis = await startRedis(t, ...SLOW)
  const { client } = redis
  const { app } = await service(t, { redis: redis.url, timeout: 500 })
  await client.mset(Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`k${n}`, 'x'.repeat(100)])))
  await client.config('SET', 'key-load-delay', '2000')
  const reloaded = redis.connect().call('DEBUG', 'RELOAD')
  const isLoading = async () => (await client.get('k1').catch(({ message }) => message)).startsWith('LOADING')
  await until(isLoading)
  // New connections have to wait for the data.
  await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes').catch(() => {})
  const statuses = new Map<string, number>()
  const count = (code: string) => statuses.set(code, (statuses.get(code) ?? 0) + 1)
  const login = async () => {
    const response = await new Browser(app).request('/login')
    count(response.statusCode === 200 ? 'ok' : response.json().code)
    return response.statusCode
  }
  while (await isLoading()) await Promise.all([login(), login(), login()])
  await reloaded.catch(() => {})
  await until(async () => (await login()) === 200)
  t.ok((statuses.get('FST_SESSION_UNAVAILABLE') ?? 0) > 0)
  const stored = (await client.keys('session:*')).filter((key) => !key.includes('start-up')).length
  const uncertain = statuses.get('FST_SESSION_UNCERTAIN') ?? 0
  const acknowledged = statuses.get('ok') ?? 0
  t.ok(stored >= acknowledged && stored <= acknowledged + uncertain, `${stored}: ${[...statuses]}`)

  await client.config('SET', 'key-load-delay', '0')
  await redis.stop()
  for (const response of await Promise.all(
    Array.from({ length: 10 }, () => new Browser(app).request('/login'))
  )) {
    t.match(response.json(), { code: 'FST_SESSION_UNAVAILABLE', message: `127.0.0.1:${redis.port}` })
  }
  await redis.restart()
  await until(async () => (await login()) === 200)
  t.equal((await client.keys('session:*')).filter((key) => !key.includes('start-up')).length, 1)
})

t.test('reconnect: a short one fails no request', async (t) => {
  const redis = await startRedis(t)
  const { app, browser } = await service(t, { redis: redis.url, timeout: 10_000 })
  await browser.request('/login')
  for (let round = 0; round < 5; round++) {
    await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    const responses = [browser.request('/whoami'), new Browser(app).request('/login')]
    for (const response of await Promise.all(responses)) t.equal(response.statusCode, 200)
  }
})

t.test('outage log: one line per outage, with the name of the server', async (t) => {
  const redis = await startRedis(t)
  const { app, browser } = await service(t, { redis: redis.url, timeout: 1_500 })
  await browser.request('/login')
  await redis.stop()
  for (let attempt = 0; attempt < 8; attempt++) t.equal((await browser.request('/whoami')).statusCode, 503)
  const warnings = app.logLines.filter(({ level }) => level === 40)
  t.ok(warnings.length > 0)
  t.equal(new Set(warnings.map(({ redis: kind }) => kind)).size, warnings.length, 'each kind once')
  const line = `the connection to 127.0.0.1:${redis.port} failed: check the server and the option redis`
  for (const { msg } of warnings) t.equal(msg, line)
  await redis.restart()
  // Redis restarts empty, so the session's cookie is cleared.
  await until(async () => (await browser.request('/login')).statusCode === 200)
  await redis.stop()
  await until(async () => (await browser.request('/whoami')).statusCode === 503)
  await until(() => app.logLines.filter(({ level }) => level === 40).length > warnings.length)
})

t.test('errors: only the first word of a Redis error is passed on, or more if it is harmless', async (t) => {
  const redis = await startRedis(t, '--rename-command', 'EVALSHA', '')
  const message = async (options: RedisSessionOptions) => {
    const { browser } = await service(t, { redis: redis.url, ...options })
    await browser.request('/login')
    return (await browser.request('/count')).json().message as string
  }
  t.match(await message({}), /EVALSHA was refused with|EVALSHA failed with ERR unknown command; /)
  const at = `127.0.0.1:${redis.port}`
  const elsewhere = await message({ redis: { host: '127.0.0.1', port: redis.port, db: 99 } })
  t.match(elsewhere, `the connection to ${at} failed with ERR DB index is out of range`)
  const cluster = await startRedis(t, '--cluster-enabled', 'yes')
  await cluster.client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '1')
  t.match(await message({ redis: cluster.url }), /failed with (CLUSTERDOWN|MOVED); /)
})
