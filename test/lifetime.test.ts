// When sessions end, on both sides of every limit: in the header, in Redis and in the browser.
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { MemoryStore, type RedisSessionOptions } from '../lib/index.js'
import { openRecord } from '../lib/records/record.js'
import { createApp } from './support/app.js'
import { Browser, sessionCookie } from './support/browser.js'
import { type RedisServer, startRedis } from './support/redis-server.js'

/** Milliseconds that may pass between a commit and the check of its TTL. */
const SLACK = 20_000

/** A service with a MemoryStore, which follows the test's clock. */
async function inMemory(t: Test, options: RedisSessionOptions) {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  return serviceOf(t, { store, ...options })
}

/** The same on Redis. Its clock is real, and its TTL alone decides when an idle session ends. */
async function service(t: Test, redis: RedisServer, options: RedisSessionOptions) {
  return {
    ...(await serviceOf(t, { redis: redis.url, ...options })),
    header: async () => {
      const [key = ''] = await redis.client.keys('session:*')
      const record = await redis.client.getBuffer(key)
      return record === null ? undefined : openRecord(record).header
    },
    ttl: async () => {
      const [key = ''] = await redis.client.keys('session:*')
      return redis.client.pttl(key)
    }
  }
}

async function serviceOf(t: Test, options: RedisSessionOptions) {
  const app = await createApp(t, options)
  app.get('/login', async ({ session }) => session.set('userId', 42))
  app.get('/remember', async ({ session }) => {
    session.userId = 42
    session.permanent = true
    return {}
  })
  app.get('/forget-me', async ({ session }) => {
    session.permanent = false
    return {}
  })
  app.get('/whoami', async ({ session }) => ({ userId: session.get('userId') ?? null }))
  app.get('/write', async ({ session }) => session.set('count', Math.random()))
  app.get('/touch', async ({ session }) => session.touch())
  app.get(
    '/poll',
    { config: { session: { touch: false } } },
    async ({ session }) => session.get('userId') ?? null
  )
  app.get('/poll-write', { config: { session: { touch: false } } }, async ({ session }) =>
    session.set('count', Math.random())
  )
  app.get('/poll-touch', { config: { session: { touch: false } } }, async ({ session }) => session.touch())
  app.get('/renew', async ({ session }) => session.regenerate())
  app.get('/renew-user', async ({ session }) => session.regenerate(['userId']))
  app.get('/renew-empty', async ({ session }) => {
    await session.regenerate([])
    session.userId = 42
    return {}
  })
  const start = Date.now()
  let offset = 0
  t.intercept(Date, 'now', { value: () => start + offset, configurable: true })
  const browser = new Browser(app)
  return {
    app,
    browser,
    /** Sets the clock to this many milliseconds after the start. */
    at: (milliseconds: number) => {
      offset = milliseconds
    },
    isAlive: async () => (await browser.json<{ userId: number | null }>('/whoami')).userId === 42,
    start
  }
}

// OWASP ASVS 5.0: V7.3.1
t.test('idleTimeout: a session lives that long and not a millisecond longer', async (t) => {
  for (const [after, alive] of [
    [59_999, true],
    [60_000, true],
    [60_001, false]
  ] as const) {
    const { at, browser, isAlive } = await inMemory(t, { idleTimeout: 60, touchAfter: 59 })
    await browser.request('/login')
    at(after)
    t.equal(await isAlive(), alive, `after ${after} ms`)
  }
})

t.test('touchAfter: use extends a session once it has passed, in Redis too', async (t) => {
  const redis = await startRedis(t)
  const { at, browser, header, isAlive, start, ttl } = await service(t, redis, {
    idleTimeout: 100,
    touchAfter: 10
  })
  await browser.request('/login')
  await redis.commands()
  at(9_999)
  t.equal(await isAlive(), true)
  t.same(await redis.commands(), { get: 1 }, 'not due')
  t.equal((await header())?.touchedAt, start)
  at(10_000)
  await redis.commands()
  t.equal(await isAlive(), true)
  t.match(await redis.commands(), { get: 1, evalsha: 1, setrange: 1, pexpire: 1 }, 'due')
  t.equal((await header())?.touchedAt, start + 10_000)
  t.ok((await ttl()) <= 100_000 && (await ttl()) > 100_000 - SLACK)
  at(109_999)
  t.equal(await isAlive(), true)
})

t.test('touch(): extends a session at once', async (t) => {
  const redis = await startRedis(t)
  const { at, browser, header, start } = await service(t, redis, { idleTimeout: 100, touchAfter: 10 })
  await browser.request('/login')
  at(1)
  await browser.request('/touch')
  t.equal((await header())?.touchedAt, start + 1)
  at(2)
  await browser.request('/poll-touch')
  t.equal((await header())?.touchedAt, start + 2, 'even if the route does not touch by itself')
})

t.test('touch: false in the route: neither polling nor writing extends a session', async (t) => {
  const redis = await startRedis(t)
  const options = { idleTimeout: 100, touchAfter: 10 }
  const { at, browser, header, start, ttl } = await service(t, redis, options)
  await browser.request('/login')
  at(50_000)
  await browser.request('/poll')
  t.equal((await header())?.touchedAt, start)
  await browser.request('/poll-write')
  t.equal((await header())?.touchedAt, start)
  t.ok((await ttl()) <= 50_000, 'a write does not move the deadline in Redis either')
  const other = await inMemory(t, options)
  await other.browser.request('/login')
  other.at(50_000)
  await other.browser.request('/poll-write')
  other.at(100_001)
  t.equal(await other.isAlive(), false)
})

t.test('touchAfter: a write always extends a session', async (t) => {
  const redis = await startRedis(t)
  const { at, browser, isAlive } = await service(t, redis, { idleTimeout: 100, touchAfter: 99 })
  await browser.request('/login')
  at(50_000)
  await browser.request('/write')
  at(149_999)
  t.equal(await isAlive(), true)
})

// OWASP ASVS 5.0: V7.3.2
t.test('absoluteTimeout: a session ends then, however much it is used', async (t) => {
  const redis = await startRedis(t)
  const { at, browser, isAlive, ttl } = await service(t, redis, {
    idleTimeout: 60,
    absoluteTimeout: 100,
    touchAfter: 1
  })
  await browser.request('/login')
  at(50_000)
  await browser.request('/write')
  t.ok((await ttl()) <= 50_000, 'Redis ends it at the same time')
  at(99_999)
  t.equal(await isAlive(), true)
  at(100_000)
  t.equal(await isAlive(), false)
})

t.test('absoluteTimeout: a new id does not reset it, unless regenerate([]) drops all data', async (t) => {
  const redis = await startRedis(t)
  const options = { idleTimeout: 99, absoluteTimeout: 100 }
  const first = await service(t, redis, options)
  await first.browser.request('/login')
  first.at(50_000)
  await first.browser.request('/renew')
  first.at(100_000)
  t.equal(await first.isAlive(), false)
  const third = await service(t, redis, options)
  await third.browser.request('/login')
  third.at(50_000)
  await third.browser.request('/renew-user')
  third.at(100_000)
  t.equal(await third.isAlive(), false, 'a list of keys keeps its age')
  const second = await service(t, redis, options)
  await second.browser.request('/login')
  second.at(50_000)
  await second.browser.request('/renew-empty')
  second.at(100_000)
  t.equal(await second.isAlive(), true)
})

t.test('permanent: Max-Age and TTL agree; other sessions end with the browser', async (t) => {
  const redis = await startRedis(t)
  const { browser, ttl } = await service(t, redis, { permanentLifetime: 1_000 })
  t.equal(sessionCookie(await browser.request('/login'))?.maxAge, undefined)
  t.ok((await ttl()) > 86_400_000 - SLACK)
  const remembered = await browser.request('/remember')
  t.equal(sessionCookie(remembered)?.maxAge, 1_000)
  t.ok((await ttl()) <= 1_000_000 && (await ttl()) > 1_000_000 - SLACK)
  const forgotten = await browser.request('/forget-me')
  t.ok(sessionCookie(forgotten), 'the cookie is sent again')
  t.equal(sessionCookie(forgotten)?.maxAge, undefined)
  t.ok((await ttl()) > 86_400_000 - SLACK)
})

t.test('permanent: use extends cookie and record together', async (t) => {
  const redis = await startRedis(t)
  const { at, browser, isAlive, ttl } = await service(t, redis, { permanentLifetime: 1_000, touchAfter: 10 })
  await browser.request('/remember')
  at(9_999)
  t.equal(sessionCookie(await browser.request('/whoami')), undefined)
  at(500_000)
  t.equal(sessionCookie(await browser.request('/whoami'))?.maxAge, 1_000)
  t.ok((await ttl()) > 1_000_000 - SLACK)
  at(1_499_999)
  t.equal(await isAlive(), true)
  at(2_400_000)
  t.equal(sessionCookie(await browser.request('/write'))?.maxAge, 1_000, 'a write extends it too')
})

t.test('rolling: false extends neither the cookie nor the record of a permanent session', async (t) => {
  const redis = await startRedis(t)
  const options = { permanentLifetime: 1_000, touchAfter: 10, rolling: false }
  const { at, browser, ttl } = await service(t, redis, options)
  await browser.request('/remember')
  at(500_000)
  for (const url of ['/whoami', '/write', '/touch']) {
    t.equal(sessionCookie(await browser.request(url)), undefined, url)
    t.ok((await ttl()) <= 1_000_000, url)
  }
  const other = await inMemory(t, options)
  await other.browser.request('/remember')
  other.at(500_000)
  await other.browser.request('/write')
  other.at(999_999)
  t.equal(await other.isAlive(), true)
  other.at(1_000_001)
  t.equal(await other.isAlive(), false)
})

t.test('absoluteTimeout: limits Max-Age of a permanent session', async (t) => {
  const redis = await startRedis(t)
  const { browser, ttl } = await service(t, redis, { permanentLifetime: 1_000, absoluteTimeout: 300 })
  t.equal(sessionCookie(await browser.request('/remember'))?.maxAge, 300)
  t.ok((await ttl()) <= 300_000)
})

// OWASP ASVS 5.0: V7.4.1, expiry
t.test('idleTimeout: an expired session is gone and its id is not used again', async (t) => {
  const { at, browser } = await inMemory(t, { idleTimeout: 60 })
  await browser.request('/login')
  const before = browser.cookies.get('__Host-session')
  at(60_001)
  const response = await browser.request('/whoami')
  t.match(sessionCookie(response), { value: '', maxAge: 0 })
  browser.cookies.set('__Host-session', before ?? '')
  await browser.request('/login')
  t.not(browser.cookies.get('__Host-session'), before)
})

t.test('idleTimeout: Redis deletes an expired session itself', async (t) => {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url, idleTimeout: 1 })
  app.get('/', async ({ session }) => session.set('userId', 1))
  await app.inject('/')
  t.equal(await redis.client.dbsize(), 1)
  while ((await redis.client.dbsize()) > 0) await sleep(50)
  t.equal((await redis.client.info('stats')).match(/expired_keys:(\d+)/)?.[1], '1')
})

t.test('clocks: minutes apart end no session early; a day apart makes no old id readable', async (t) => {
  const redis = await startRedis(t)
  const processes = []
  for (const _ of [0, 1]) processes.push(await service(t, redis, { idleTimeout: 600, touchAfter: 60 }))
  const [one, two] = processes
  if (one === undefined || two === undefined) throw new Error('no processes')
  for (const skew of [-86_400_000, -590_000, -120_000, 120_000, 590_000, 86_400_000]) {
    await redis.client.flushall()
    const browser = new Browser(one.app)
    one.at(0)
    await browser.request('/login')
    const old = new Browser(two.app)
    for (const [name, value] of browser.cookies) old.cookies.set(name, value)
    two.at(skew)
    t.same(await old.json('/whoami'), { userId: 42 }, `${skew} ms: alive`)
    t.ok((await two.ttl()) > 600_000 - SLACK, 'extended, or as new')
    await old.request('/poll-write')
    t.ok((await two.ttl()) > 600_000 - SLACK, 'a write does not shorten it')
    one.at(0)
    await browser.request('/renew')
    two.at(skew)
    const response = await old.request('/whoami')
    t.same(response.json(), { userId: null }, 'the old id gives no session')
    t.same(response.cookies, [], 'the response leaves the new cookie alone')
    await old.request('/login')
    t.same(await browser.json('/whoami'), { userId: 42 })
    t.equal((await redis.client.keys('session:*')).length, 2, 'only the session and its tombstone')
  }
})

t.test('clocks: a session from a process whose clock was ahead can still be extended', async (t) => {
  const redis = await startRedis(t)
  const { at, browser, header, start } = await service(t, redis, { idleTimeout: 600, touchAfter: 60 })
  at(500_000)
  await browser.request('/login')
  at(0)
  await browser.request('/whoami')
  t.equal((await header())?.touchedAt, start)
})

t.test('regenerate(keys): a session that drops data is no longer permanent', async (t) => {
  for (const url of ['/renew-user', '/renew-empty']) {
    const { browser } = await inMemory(t, {})
    await browser.request('/remember')
    t.equal(sessionCookie(await browser.request(url))?.maxAge, undefined, url)
    t.equal(sessionCookie(await browser.request('/touch')), undefined)
  }
})
