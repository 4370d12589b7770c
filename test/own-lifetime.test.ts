// `session.lifetime`: the idle timeout of one session, in the record, in Redis, in the browser, and beside other requests.
import t, { type Test } from 'tap'
import { MemoryStore, type RedisSessionOptions } from '../lib/index.js'
import { mergeDurations } from '../lib/records/expiry.js'
import { type Duration, openRecord } from '../lib/records/record.js'
import { createApp } from './support/app.js'
import { Browser, sessionCookie } from './support/browser.js'
import { until } from './support/gate.js'
import fc from './support/properties.js'
import { startRedis } from './support/redis-server.js'

const DAY = 86_400
/** Milliseconds that may pass between a commit and the check of its TTL. */
const SLACK = 20_000

async function serve(t: Test, options: RedisSessionOptions) {
  const app = await createApp(t, options)
  app.get('/login', async ({ session }) => session.set('userId', 42))
  app.get<{ Params: { seconds: string } }>('/lifetime/:seconds', async ({ session, params }) => {
    session.lifetime = params.seconds === 'none' ? undefined : Number(params.seconds)
    return {}
  })
  app.get('/remember', async ({ session }) => {
    session.permanent = true
    return {}
  })
  app.get('/who', async ({ session }) => ({
    userId: session.get('userId') ?? null,
    lifetime: session.lifetime ?? null
  }))
  app.get('/regenerate', async ({ session }) => session.regenerate())
  app.get('/keep', async ({ session }) => session.regenerate(['userId']))
  for (const [url, keep] of [
    ['/begin', false],
    ['/begin-list', ['name']]
  ] as const) {
    app.get(url, async ({ session }) => {
      await session.regenerate(keep)
      session.userId = 43
      return {}
    })
  }
  return app
}

/** A service in memory, which follows the clock of the test. */
async function inMemory(t: Test, options: RedisSessionOptions = {}) {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await serve(t, { store, ...options })
  const start = Date.now()
  let offset = 0
  t.intercept(Date, 'now', { value: () => start + offset, configurable: true })
  const browser = new Browser(app)
  return {
    app,
    browser,
    store,
    /** Sets the clock to this many seconds after the start. */
    at: (seconds: number) => {
      offset = Math.round(seconds * 1_000)
    },
    isAlive: async () => (await browser.json<{ userId: number | null }>('/who')).userId !== null
  }
}

async function onRedis(t: Test, options: RedisSessionOptions = {}) {
  const redis = await startRedis(t)
  const app = await serve(t, { redis: redis.url, ...options })
  const browser = new Browser(app)
  await browser.request('/login')
  return {
    app,
    browser,
    redis,
    records: async () => {
      const keys = await redis.client.keys('session:*')
      return Promise.all(
        keys.map(async (key) => {
          const { header } = openRecord((await redis.client.getBuffer(key)) as Buffer)
          return { header, ttl: (await redis.client.pttl(key)) / 1_000 }
        })
      )
    }
  }
}

t.test('a session lives as long as it says, unused, and not a millisecond longer', async (t) => {
  for (const [after, alive] of [
    [599.999, true],
    [600.001, false]
  ] as const) {
    const { at, browser, isAlive } = await inMemory(t)
    await browser.request('/login')
    await browser.request('/lifetime/600')
    at(after)
    t.equal(await isAlive(), alive, `after ${after} seconds`)
  }
})

t.test('use extends it, also if it is shorter than touchAfter', async (t) => {
  const { at, browser, isAlive } = await inMemory(t, { touchAfter: 3_600 })
  await browser.request('/login')
  await browser.request('/lifetime/60')
  for (let seconds = 20; seconds <= 600; seconds += 20) {
    at(seconds)
    t.equal(await isAlive(), true, `after ${seconds} seconds`)
  }
  at(661)
  t.equal(await isAlive(), false)
})

t.test('a longer one is extended no more often than touchAfter says', async (t) => {
  const { browser, redis } = await onRedis(t, { touchAfter: 1 })
  await browser.request('/lifetime/5')
  await redis.commands()
  await new Promise((resolve) => setTimeout(resolve, 600))
  await browser.request('/who')
  const early = await redis.commands()
  t.equal(early.setrange, 1, 'a tenth of its own lifetime has passed')
  await browser.request('/lifetime/100')
  await redis.commands()
  await new Promise((resolve) => setTimeout(resolve, 600))
  await browser.request('/who')
  t.same(await redis.commands(), { get: 1 })
})

t.test('it is stored once, in the header and as the expiry in Redis', async (t) => {
  const { browser, records, redis } = await onRedis(t)
  await redis.commands()
  await browser.request('/lifetime/900')
  t.match(await redis.commands(), { get: 1, evalsha: 1 })
  const [record] = await records()
  t.match(record?.header, { lifetime: 900, idleTimeout: 900 })
  t.ok(Number(record?.ttl) <= 900 && Number(record?.ttl) > 900 - SLACK / 1_000)
  await redis.commands()
  await browser.request('/lifetime/900')
  t.same(await redis.commands(), { get: 1 }, 'unchanged, so nothing is written')
  t.same(await browser.json('/who'), { userId: 42, lifetime: 900 })
  await browser.request('/lifetime/none')
  t.match((await records())[0]?.header, { lifetime: undefined, idleTimeout: DAY })
  t.same(await browser.json('/who'), { userId: 42, lifetime: null })
})

t.test('a touch keeps it, and other options do not change it', async (t) => {
  const { at, browser, store } = await inMemory(t, { idleTimeout: 1_000 })
  await browser.request('/login')
  await browser.request('/lifetime/500')
  const later = await serve(t, { store, idleTimeout: 100, touchAfter: 10 })
  at(400)
  t.same(await browser.visit(later).json('/who'), { userId: 42, lifetime: 500 }, 'and is touched')
  at(899)
  t.same(await browser.json('/who'), { userId: 42, lifetime: 500 })
})

t.test('regenerate() keeps it unless the session begins anew', async (t) => {
  const { browser, records } = await onRedis(t)
  const expected = [
    ['/regenerate', 42, 900],
    ['/keep', 42, 900],
    ['/begin', 43, null],
    ['/begin-list', 43, null]
  ] as const
  for (const [url, userId, lifetime] of expected) {
    await browser.request('/lifetime/900')
    await browser.request(url)
    t.same(await browser.json('/who'), { userId, lifetime }, url)
  }
  const tombstones = (await records()).filter(({ header }) => header.moved)
  t.equal(tombstones.length, expected.length)
  for (const { header } of tombstones) t.equal(header.lifetime, undefined, 'earlier versions can read it')
})

t.test('regenerate(): a lifetime that is set afterwards counts, and a second call keeps it', async (t) => {
  const { app, browser } = await inMemory(t)
  app.get('/twice', async ({ session }) => {
    session.lifetime = 100
    await session.regenerate(false)
    t.equal(session.lifetime, undefined)
    session.lifetime = 200
    session.userId = 1
    await session.regenerate(['userId'])
    return {}
  })
  await browser.request('/login')
  await browser.request('/twice')
  t.same(await browser.json('/who'), { userId: 1, lifetime: 200 })
})

t.test('the cookie of a permanent session lives as long, longer or shorter', async (t) => {
  const { at, browser, isAlive } = await inMemory(t)
  await browser.request('/login')
  const ages: (number | undefined)[] = []
  const visit = async (url: string) => ages.push(sessionCookie(await browser.request(url))?.maxAge)
  await visit('/lifetime/3600')
  t.same(ages, [undefined], 'a cookie that ends with the browser has no Max-Age')
  await visit('/remember')
  await visit('/lifetime/7200')
  await visit('/lifetime/1800')
  await visit('/lifetime/none')
  await visit('/lifetime/30')
  t.same(ages.slice(1), [3_600, 7_200, 1_800, 31 * DAY, 30])
  for (let seconds = 2; seconds <= 40; seconds += 2) {
    at(seconds)
    const cookie = sessionCookie(await browser.request('/who'))
    t.equal(cookie?.maxAge, seconds % 4 === 0 ? 30 : undefined, 'renewed after a tenth')
  }
  t.equal(await isAlive(), true)
})

t.test('rolling: false: use extends a permanent session not even then', async (t) => {
  const { at, browser, isAlive } = await inMemory(t, { rolling: false })
  await browser.request('/login')
  await browser.request('/remember')
  await browser.request('/lifetime/60')
  at(50)
  t.equal(await isAlive(), true)
  at(61)
  t.equal(await isAlive(), false)
})

t.test('absoluteTimeout limits it', async (t) => {
  const { at, browser, isAlive } = await inMemory(t, { absoluteTimeout: 1_000 })
  await browser.request('/login')
  await browser.request('/lifetime/5000')
  t.equal(sessionCookie(await browser.request('/remember'))?.maxAge, 1_000)
  at(999)
  t.equal(await isAlive(), true)
  at(1_000)
  t.equal(await isAlive(), false)
})

t.test('other values are refused with a code, and change nothing', async (t) => {
  const { app, browser } = await inMemory(t)
  const values = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 400 * DAY + 1, '60', true, {}, 1n]
  app.get('/wrong', async ({ session }) => {
    for (const value of values) {
      t.throws(
        () => {
          session.lifetime = value as number
        },
        {
          code: 'FST_SESSION_LIFETIME',
          message: /set a whole number of seconds from 1 to 34560000, or undefined to return to the options/
        }
      )
    }
    session.lifetime = 400 * DAY
    return session.isModified()
  })
  app.get('/null', async ({ session }) => {
    session.lifetime = null
    return { isModified: session.isModified() }
  })
  await browser.request('/login')
  t.equal((await browser.request('/wrong')).body, 'true')
  t.same(await browser.json('/who'), { userId: 42, lifetime: 400 * DAY })
  t.same(await browser.json('/null'), { isModified: true })
  t.same(await browser.json('/who'), { userId: 42, lifetime: null })
})

t.test('a session that is not stored yet may have one', async (t) => {
  const { app, browser } = await inMemory(t)
  app.get('/new', async ({ session }) => {
    session.lifetime = 77
    session.userId = 1
    return {}
  })
  await browser.request('/lifetime/5')
  t.equal(browser.cookies.size, 0, 'a lifetime alone is no data')
  await browser.request('/new')
  t.same(await browser.json('/who'), { userId: 1, lifetime: 77 })
})

t.test('a key of this name is reached by get() and set(), and is something else', async (t) => {
  const { app, browser } = await inMemory(t)
  app.get('/key', async ({ session }) => {
    session.set('lifetime' as 'anything', 'a life')
    return { key: session.get('lifetime' as 'anything'), property: session.lifetime ?? null }
  })
  t.same(await browser.json('/key'), { key: 'a life', property: null })
})

/** What one request does while another one does something else, and what is left of both. */
const PARALLEL: [slow: Change, quick: Change, left: object][] = [
  [{ lifetime: 500 }, { permanent: true, name: 'Ada' }, { name: 'Ada', permanent: true, lifetime: 500 }],
  [
    { lifetime: 500, count: 1 },
    { permanent: true, name: 'Ada' },
    { name: 'Ada', count: 1, permanent: true, lifetime: 500 }
  ],
  [
    { permanent: true, count: 1 },
    { lifetime: 500, name: 'Ada' },
    { name: 'Ada', count: 1, permanent: true, lifetime: 500 }
  ],
  [{ count: 1 }, { lifetime: 500 }, { count: 1, permanent: false, lifetime: 500 }],
  [
    { lifetime: 500, count: 1 },
    { lifetime: 600, name: 'Ada' },
    { name: 'Ada', count: 1, permanent: false, lifetime: 500 }
  ],
  [{ keep: ['userId'] }, { lifetime: 500, name: 'Ada' }, { permanent: false, lifetime: 500 }],
  [
    { keep: false, count: 1 },
    { lifetime: 500, name: 'Ada' },
    { userId: undefined, count: 1, permanent: false }
  ],
  [
    { keep: false, count: 1, lifetime: 700 },
    { lifetime: 500 },
    { userId: undefined, count: 1, permanent: false, lifetime: 700 }
  ]
]

interface Change {
  keep?: ['userId'] | false
  lifetime?: number
  permanent?: true
  name?: string
  count?: number
}

for (const where of ['memory', 'Redis']) {
  t.test(
    `parallel requests: each keeps what it has set, beside the changes of the other (${where})`,
    async (t) => {
      const store = new MemoryStore()
      t.teardown(() => store.close())
      const app = await serve(t, where === 'memory' ? { store } : { redis: (await startRedis(t)).url })
      const gates: Promise<void>[] = []
      let arrived = 0
      app.get<{ Querystring: { change: string; gate?: string } }>('/change', async ({ session, query }) => {
        const { keep, lifetime, permanent, ...data } = JSON.parse(query.change) as Change
        if (keep !== undefined) await session.regenerate(keep)
        for (const [key, value] of Object.entries(data)) session.set(key as 'anything', value)
        if (lifetime !== undefined) session.lifetime = lifetime
        if (permanent !== undefined) session.permanent = permanent
        if (query.gate === undefined) return {}
        arrived++
        await gates[Number(query.gate)]
        return {}
      })
      app.get('/all', async ({ session }) => ({
        ...session,
        permanent: session.permanent,
        lifetime: session.lifetime
      }))
      for (const [index, [slow, quick, left]] of PARALLEL.entries()) {
        let go = () => {}
        const gone = new Promise<void>((resolve) => {
          go = resolve
        })
        const browser = new Browser(app)
        await browser.request('/login')
        const other = new Browser(app)
        for (const [name, value] of browser.cookies) other.cookies.set(name, value)
        gates.push(gone)
        const answer = browser.request(
          `/change?change=${encodeURIComponent(JSON.stringify(slow))}&gate=${index}`
        )
        await until(() => arrived === index + 1)
        await other.request(`/change?change=${encodeURIComponent(JSON.stringify(quick))}`)
        go()
        t.equal((await answer).statusCode, 200)
        t.same(
          await browser.json('/all'),
          JSON.parse(JSON.stringify({ userId: 42, ...left })),
          `case ${index}`
        )
      }
    }
  )
}

const durations: fc.Arbitrary<Duration> = fc.record({
  permanent: fc.boolean(),
  lifetime: fc.constantFrom(undefined, 60, 3_600)
})

t.test(
  'mergeDurations(): what I changed is mine, what I left alone is theirs, in either order',
  async (t) => {
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(durations, durations, durations, (base, mine, theirs) => {
          const merged = mergeDurations(base, mine, theirs)
          const isRight = (key: keyof Duration) =>
            merged[key] === (mine[key] === base[key] ? theirs[key] : mine[key])
          const isContested = (key: keyof Duration) => mine[key] !== base[key] && theirs[key] !== base[key]
          const reverse = mergeDurations(base, theirs, mine)
          const commutes = (key: keyof Duration) => isContested(key) || reverse[key] === merged[key]
          return (['permanent', 'lifetime'] as const).every((key) => isRight(key) && commutes(key))
        })
      )
    )
  }
)

t.test('app.sessions tells and changes it', async (t) => {
  const { app, at, browser, isAlive } = await inMemory(t, { user: 'userId' })
  await browser.request('/login')
  const [listed] = await app.sessions.of(42)
  const id = String(listed?.id)
  const found = await app.sessions.find(id)
  t.equal(found?.lifetime, undefined)
  if (found !== undefined) found.lifetime = 60
  await found?.save()
  t.equal((await app.sessions.find(id))?.lifetime, 60)
  const [shorter] = await app.sessions.of(42)
  t.equal(shorter?.expiresAt, Date.now() + 60_000)
  at(61)
  t.same(await app.sessions.of(42), [])
  t.equal(await isAlive(), false)
})

t.test('user: the index remembers a session as long as it lives, longer than the options say', async (t) => {
  const redis = await startRedis(t)
  const app = await serve(t, { redis: redis.url, user: 'userId', idleTimeout: 100, permanentLifetime: 100 })
  const browser = new Browser(app)
  await browser.request('/login')
  await browser.request('/lifetime/1000000')
  // The check at the start leaves a key for a few seconds.
  const [key = ''] = (await redis.client.keys('session:user:*')).filter((each) => !each.includes('start-up'))
  const [, score] = await redis.client.zrange(key, '-1', '-1', 'WITHSCORES')
  const left = (Number(score) - Date.now()) / 1_000
  t.ok(left > 1_000_000, `its entry is remembered for ${left} seconds`)
  t.ok((await redis.client.pttl(key)) > 1_000_000_000)
  t.equal(await app.sessions.endAllOf(42), 1, 'it is found')
  t.same(await browser.json('/who'), { userId: null, lifetime: null })
})
