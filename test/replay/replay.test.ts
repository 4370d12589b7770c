// The option `onReplay`: an id that `regenerate()` replaced comes back after its grace period.
import { createHash } from 'node:crypto'
import t, { type Test } from 'tap'
import { SessionIds } from '../../lib/cookies/session-id.js'
import type { RedisSessionOptions } from '../../lib/index.js'
import type { TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { gate, until } from '../support/gate.js'
import { HeldStore } from '../support/held-store.js'
import { memory } from '../support/memory.js'
import { startRedis } from '../support/redis-server.js'
import { stopClock } from '../support/stopped-clock.js'
import { COOKIE, copyOf, deploy, GRACE, listen, look, SKEW, warnings } from './stage.js'

const AFTER = GRACE + SKEW + 1
const handles = new SessionIds(COOKIE, [])

/** A session that has moved: its browser, and a thief who has the cookie of before. */
async function robbed(app: TestApp, moves = 1) {
  const browser = new Browser(app)
  await browser.request('/login')
  const thief = copyOf(browser, app)
  const old = handles.handleOf(browser.cookies.get(COOKIE) ?? '')
  let current = ''
  for (let move = 0; move < moves; move++) current = (await browser.request('/move')).body
  return { browser, thief, old, current }
}

const stores: Record<string, (t: Test) => Promise<RedisSessionOptions>> = {
  memory: async (t) => ({ store: memory(t) }),
  'a store without end()': async (t) => ({ store: new HeldStore(memory(t)).store }),
  Redis: async (t) => ({ redis: (await startRedis(t)).url }),
  'Redis with users and signals': async (t) => ({
    redis: (await startRedis(t)).url,
    user: 'userId',
    signals: true
  })
}

for (const [name, open] of Object.entries(stores)) {
  t.test(`${name}: 'end' ends the session, however often it has moved`, async (t) => {
    const clock = stopClock(t)
    const app = await deploy(t, { ...(await open(t)), onReplay: 'end' })
    const events = listen(t, 'replay', 'destroyed')
    for (const moves of [1, 5]) {
      const { browser, thief, old, current } = await robbed(app, moves)
      clock.advance(AFTER * 1_000)
      t.same(await look(thief), { data: {}, detached: null, why: 'replayed' })
      t.equal(thief.cookies.size, 0, 'its cookie is cleared')
      t.same(await look(browser), { data: {}, detached: null, why: 'replayed' }, 'and so is the session')
      const [replay, destroyed] = events.splice(0)
      t.match(replay, { type: 'replay', handle: old, action: 'end' })
      t.same(destroyed, { type: 'destroyed', handle: current })
      if (name.includes('users')) t.same(await app.sessions.of(1), [])
    }
  })

  t.test(`${name}: 'report' says so, and everybody stays signed in`, async (t) => {
    const clock = stopClock(t)
    const app = await deploy(t, { ...(await open(t)), onReplay: 'report' })
    const events = listen(t, 'replay', 'destroyed')
    const { browser, thief, old, current } = await robbed(app)
    clock.advance(AFTER * 1_000)
    t.same(await look(thief), { data: {}, detached: null, why: null })
    t.equal(thief.cookies.size, 0)
    t.same((await look(browser)).data, { userId: 1 })
    t.same(events, [{ type: 'replay', handle: old, successor: current, action: 'report' }])
    const lines = warnings(app)
    t.equal(lines.length, 1)
    t.match(lines[0], old)
    t.match(lines[0], current)
  })
}

t.test('a request within the grace period is no replay, whatever the clocks say', async (t) => {
  for (const ahead of [0, 1, GRACE, GRACE + SKEW]) {
    const clock = stopClock(t)
    const app = await deploy(t, { store: memory(t), onReplay: 'end' })
    const events = listen(t, 'replay')
    const { browser, thief } = await robbed(app)
    clock.advance(ahead * 1_000)
    t.equal((await look(thief)).detached, 'moved', `after ${ahead} seconds`)
    t.equal(thief.cookies.size, 1, 'its response does not clear the new cookie')
    t.same((await look(browser)).data, { userId: 1 })
    t.same(events, [])
  }
})

t.test('a process whose clock is ten seconds behind or ahead calls no race a theft', async (t) => {
  const store = memory(t)
  const app = await deploy(t, { store, onReplay: 'end' })
  const events = listen(t, 'replay')
  const { now } = Date
  t.teardown(() => Object.assign(Date, { now }))
  for (const skew of [-SKEW, SKEW]) {
    Date.now = now
    const { browser, thief } = await robbed(app)
    Date.now = () => now() + (GRACE - 1 + skew) * 1_000
    await look(thief)
    t.same((await look(browser)).data, { userId: 1 })
  }
  t.same(events, [])
})

t.test(
  'the first process that replaces an id may have no option: its tombstones are forgotten',
  async (t) => {
    const clock = stopClock(t)
    const store = memory(t)
    const [without, watching] = [await deploy(t, { store }), await deploy(t, { store, onReplay: 'end' })]
    const events = listen(t, 'replay')
    const { browser, thief } = await robbed(without)
    thief.visit(watching)
    clock.advance(AFTER * 1_000)
    await look(thief)
    t.same((await look(browser)).data, { userId: 1 })
    t.same(events, [])
  }
)

t.test('a process without the option takes the id for an unknown one', async (t) => {
  const clock = stopClock(t)
  const store = memory(t)
  const [without, watching] = [await deploy(t, { store }), await deploy(t, { store, onReplay: 'end' })]
  const { browser, thief } = await robbed(watching)
  thief.visit(without)
  clock.advance(AFTER * 1_000)
  t.same(await look(thief), { data: {}, detached: null, why: null })
  t.equal(thief.cookies.size, 0, 'the browser is not stuck with it')
  t.same((await look(browser)).data, { userId: 1 })
})

t.test('window: after it the id is unknown', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: { action: 'end', window: 100 } })
  const events = listen(t, 'replay')
  const early = await robbed(app)
  const late = await robbed(app)
  clock.advance((GRACE + SKEW + 99) * 1_000)
  t.equal((await look(early.thief)).why, 'replayed')
  clock.advance(2 * 1_000)
  t.equal((await look(late.thief)).why, null)
  t.same((await look(late.browser)).data, { userId: 1 })
  t.equal(events.length, 1)
})

t.test('absoluteTimeout: the tombstone outlives the session that it replaces', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: 'end', absoluteTimeout: 3_600 })
  const browser = new Browser(app)
  await browser.request('/visit')
  const thief = copyOf(browser, app)
  clock.advance(3_590 * 1_000)
  await browser.request('/login')
  clock.advance(AFTER * 1_000)
  await look(thief)
  t.equal((await look(browser)).why, 'replayed')
})

t.test('Redis: how long tombstones remain, with the option and without', async (t) => {
  const redis = await startRedis(t)
  const rows: [RedisSessionOptions, number][] = [
    [{}, GRACE],
    [{ onReplay: 'report' }, GRACE + SKEW + 86_400],
    [{ onReplay: 'end', idleTimeout: 600 }, GRACE + SKEW + 600],
    [{ onReplay: { action: 'end', window: 7 } }, GRACE + SKEW + 7],
    [{ onReplay: { action: 'report' }, idleTimeout: 900 }, GRACE + SKEW + 900]
  ]
  for (const [options, seconds] of rows) {
    const app = await deploy(t, { redis: redis.url, ...options })
    const { old } = await robbed(app)
    const left = await redis.client.pttl(`session:${old}`)
    t.ok(left <= seconds * 1_000 && left > (seconds - 20) * 1_000, `${left} ms of ${seconds} s`)
  }
})

t.test('a new id without data, of a visitor who has not signed in, is watched too', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: 'end' })
  const browser = new Browser(app)
  await browser.request('/visit')
  const thief = copyOf(browser, app)
  await browser.request('/move')
  clock.advance(AFTER * 1_000)
  await look(thief)
  t.equal((await look(browser)).why, 'replayed')
})

t.test('what was destroyed, or has expired, is no replay', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: 'end', idleTimeout: 100 })
  const events = listen(t, 'replay')
  const browser = new Browser(app)
  await browser.request('/login')
  const copies = [copyOf(browser, app), copyOf(browser, app)]
  await browser.request('/logout')
  clock.advance(AFTER * 1_000)
  t.same(await look(copies[0] as Browser), { data: {}, detached: null, why: null })
  await browser.request('/login')
  const expired = copyOf(browser, app)
  clock.advance(101 * 1_000)
  t.same(await look(expired), { data: {}, detached: null, why: null })
  t.same(events, [])
})

t.test('a replay after the logout finds nothing to end', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: 'end' })
  const events = listen(t, 'replay', 'destroyed')
  const { browser, thief } = await robbed(app)
  await browser.request('/logout')
  events.length = 0
  clock.advance(AFTER * 1_000)
  t.equal((await app.inject({ url: '/look', headers: cookiesOf(thief) })).statusCode, 200)
  t.match(events, [{ type: 'replay' }])
})

t.test('the log has one line for each replayed id, however often it is sent', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: 'report' })
  const events = listen(t, 'replay')
  const { thief } = await robbed(app)
  clock.advance(AFTER * 1_000)
  for (let n = 0; n < 3; n++) await app.inject({ url: '/look', headers: cookiesOf(thief) })
  t.equal(events.length, 3)
  t.equal(warnings(app).length, 1)
})

t.test(
  'a browser that has an old cookie beside the new one, for another path, stays signed in',
  async (t) => {
    const clock = stopClock(t)
    const app = await deploy(t, { store: memory(t), onReplay: 'end' })
    const events = listen(t, 'replay', 'ambiguous')
    const { browser, thief } = await robbed(app, 2)
    clock.advance(AFTER * 1_000)
    const pair = [thief, browser].map(({ cookies }) => `${COOKIE}=${cookies.get(COOKIE)}`)
    for (const cookie of [pair.join('; '), pair.reverse().join('; ')]) {
      const response = await app.inject({ url: '/look', headers: { cookie } })
      t.same(response.json().data, { userId: 1 })
      t.same(response.cookies, [])
    }
    t.same(events, [])
  }
)

t.test('the same while its session is just getting another id', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: 'end' })
  const events = listen(t, 'replay')
  const { browser, thief } = await robbed(app)
  clock.advance(AFTER * 1_000)
  const before = browser.cookies.get(COOKIE)
  await browser.request('/move')
  const cookie = `${COOKIE}=${thief.cookies.get(COOKIE)}; ${COOKIE}=${before}`
  t.equal((await app.inject({ url: '/look', headers: { cookie } })).json().detached, 'moved')
  t.same((await look(browser)).data, { userId: 1 })
  t.same(events, [])
})

t.test('an old cookie beside one that leads nowhere is a replay', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: 'end' })
  const { browser, thief } = await robbed(app)
  clock.advance(AFTER * 1_000)
  const cookie = `${COOKIE}=${handles.create()}; ${COOKIE}=${thief.cookies.get(COOKIE)}`
  t.equal((await app.inject({ url: '/look', headers: { cookie } })).json().why, 'replayed')
  t.equal((await look(browser)).why, 'replayed')
})

t.test('the session ends even if it gets a new id at that moment', async (t) => {
  for (const [operation, where] of [
    ['create', 'after'],
    ['update', 'before'],
    ['update', 'after']
  ] as const) {
    const clock = stopClock(t)
    const held = new HeldStore(memory(t))
    const app = await deploy(t, { store: held.store, onReplay: 'end' })
    const { browser, thief } = await robbed(app)
    clock.advance(AFTER * 1_000)
    const paused = held.hold(operation, where)
    const moving = browser.request('/move')
    const release = await paused
    t.equal((await look(thief)).why, 'replayed')
    release()
    await moving
    t.same((await look(browser)).data, {}, `${operation}, ${where}`)
  }
})

t.test('a request of the session that is under way stores nothing any more', async (t) => {
  const clock = stopClock(t)
  const held = new HeldStore(memory(t))
  const app = await deploy(t, { store: held.store, onReplay: 'end' })
  const { browser, thief } = await robbed(app)
  clock.advance(AFTER * 1_000)
  const paused = held.hold('update', 'before')
  const visit = browser.request('/visit')
  const release = await paused
  await look(thief)
  release()
  await visit
  t.same((await look(browser)).data, {})
})

t.test('a session that has moved more often than sessions.end() follows ends as well', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: 'end' })
  const { browser, thief } = await robbed(app, 150)
  clock.advance(AFTER * 1_000)
  await look(thief)
  t.equal((await look(browser)).why, 'replayed')
})

t.test('if the store fails meanwhile, the request fails, and the next one ends the session', async (t) => {
  const clock = stopClock(t)
  const store = memory(t)
  let isBroken = false
  const end = store.end.bind(store)
  store.end = async (key, mark) => {
    if (isBroken) throw Object.assign(new Error('away'), { statusCode: 503 })
    return end(key, mark)
  }
  const app = await deploy(t, { store, onReplay: 'end' })
  const { browser, thief } = await robbed(app)
  clock.advance(AFTER * 1_000)
  isBroken = true
  t.equal((await thief.request('/look')).statusCode, 503)
  isBroken = false
  t.same((await look(browser)).data, { userId: 1 })
  t.equal((await look(thief)).why, 'replayed')
  t.equal((await look(browser)).data.userId, undefined)
})

t.test('sessions.find() and sessions.end() with an old handle are no replay', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: 'end' })
  const events = listen(t, 'replay')
  const { browser, old } = await robbed(app)
  clock.advance(AFTER * 1_000)
  t.equal(await app.sessions.find(old), undefined)
  t.same((await look(browser)).data, { userId: 1 })
  t.same(events, [])
  t.equal(await app.sessions.end(old), true, 'it ends what the session has become')
  t.same((await look(browser)).data, {})
})

t.test('detectRollback: a replayed id is no lost commit', async (t) => {
  const clock = stopClock(t)
  const secret = 'a secret of the tests, long enough'
  const app = await deploy(t, { store: memory(t), secret, onReplay: 'report', detectRollback: true })
  const events = listen(t, 'replay', 'rollback')
  const { thief } = await robbed(app)
  clock.advance(AFTER * 1_000)
  await look(thief)
  t.match(events, [{ type: 'replay' }])
  t.equal(events.length, 1)
})

t.test('users: the index forgets the session that a replay ends', async (t) => {
  const clock = stopClock(t)
  const redis = await startRedis(t)
  const app = await deploy(t, { redis: redis.url, user: 'userId', onReplay: 'end' })
  const { thief, current } = await robbed(app)
  const key = `session:user:${createHash('sha256').update('1').digest('base64url')}`
  t.not(await redis.client.zscore(key, current), null)
  clock.advance(AFTER * 1_000)
  await look(thief)
  t.equal(await redis.client.zscore(key, current), null)
})

t.test('signals: a new id aborts nothing, the end by a replay does', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), signals: true, onReplay: 'end' })
  const signals: AbortSignal[] = []
  const done = gate()
  app.get('/wait', async ({ session }) => {
    signals.push(session.signal)
    await done.passed
    return {}
  })
  const browser = new Browser(app)
  await browser.request('/login')
  const [thief, tab] = [copyOf(browser, app), copyOf(browser, app)]
  const waiting = tab.request('/wait')
  await until(() => signals.length > 0)
  await browser.request('/move')
  const again = browser.request('/wait')
  await until(() => signals.length > 1)
  t.same(
    signals.map(({ aborted }) => aborted),
    [false, false]
  )
  clock.advance(AFTER * 1_000)
  await look(thief)
  await until(() => signals.every(({ aborted }) => aborted))
  done.open()
  await Promise.all([waiting, again])
})

t.test('ids in a header are watched too', async (t) => {
  const clock = stopClock(t)
  const app = await deploy(t, { store: memory(t), onReplay: 'end', transport: { header: 'x-session' } })
  const login = await app.inject('/login')
  const old = login.headers['x-session'] as string
  const moved = await app.inject({ url: '/move', headers: { 'x-session': old } })
  clock.advance(AFTER * 1_000)
  await app.inject({ url: '/look', headers: { 'x-session': old } })
  const headers = { 'x-session': moved.headers['x-session'] as string }
  t.equal((await app.inject({ url: '/look', headers })).json().why, 'replayed')
})

function cookiesOf(browser: Browser): { cookie: string } {
  return { cookie: [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ') }
}
