// Sessions that are bound to a device, with a browser that has a real key.
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { openRecord } from '../../lib/records/record.js'
import { command } from '../cli/command.js'
import { HeldStore } from '../support/held-store.js'
import { memory } from '../support/memory.js'
import { startRedis } from '../support/redis-server.js'
import { DeviceBrowser, newKeys, offerIn } from './browser.js'
import { serve, turnableClock } from './service.js'

const NOT_BOUND = { code: 'FST_SESSION_NOT_BOUND', statusCode: 401 }

t.test('a login offers registration, and the session is bound from then on', async (t) => {
  const clock = turnableClock(t)
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  const visit = await browser.get('/count')
  t.equal(offerIn(visit), undefined, 'a session without a login is not bound')
  const login = await browser.get('/login')
  const offer = offerIn(login)
  t.equal(offer?.path, '/.session/bound/register')
  t.same(
    (await browser.get('/who')).json(),
    { userId: 42, deviceBound: null },
    'the browser is about to register'
  )
  const registered = await browser.register(offer ?? { path: '', challenge: '' })
  t.equal(registered.statusCode, 200)
  const { session_identifier: name } = registered.json()
  t.match(name, login.json().id)
  t.same(registered.json(), {
    session_identifier: name,
    refresh_url: '/.session/bound/refresh',
    scope: { include_site: false },
    credentials: [
      { type: 'cookie', name: '__Host-session-bound', attributes: 'Path=/; Secure; HttpOnly; SameSite=Lax' }
    ],
    allowed_refresh_initiators: ['*']
  })
  const [bound = '', last = ''] = [registered.headers['set-cookie'] ?? []].flat()
  t.match(bound, /^__Host-session-bound=[\w.-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  t.match(last, /^__Host-session-bound-last=[\w.-]+; Max-Age=1200; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  t.match(registered.headers['secure-session-challenge'], `";id="${name}"`)
  t.equal(registered.headers['cache-control'], 'no-store')
  t.same((await browser.get('/who')).json(), { userId: 42, deviceBound: 'bound' })
  for (let times = 0; times < 3; times++) {
    clock.ahead += 590
    t.equal((await browser.refreshOnce()).statusCode, 200, 'the challenge of the last answer is current')
    t.same((await browser.get('/count')).json(), { count: 2 + times })
  }
})

t.test('encrypted records keep what binds them', async (t) => {
  const clock = turnableClock(t)
  const store = memory(t)
  const [newest, oldest] = [randomBytes(32), randomBytes(32)]
  const before = await serve(t, { store, encryption: { keys: [oldest], required: true } })
  const app = await serve(t, { store, encryption: { keys: [newest, oldest], required: true } })
  const first = new DeviceBrowser(before)
  await first.signIn()
  t.same((await first.get('/who')).json(), { userId: 42, deviceBound: 'bound' })
  const { challenge, instructions, jar, keys } = first
  const browser = Object.assign(new DeviceBrowser(app), { challenge, instructions, jar, keys })
  t.same((await browser.get('/count')).json(), { count: 1 }, 'sealed by the newest key')
  clock.ahead += 590
  t.equal((await browser.refreshOnce()).statusCode, 200)
  t.same((await browser.get('/who')).json(), { userId: 42, deviceBound: 'bound' })
  const cookie = `__Host-session=${jar.get('__Host-session')}`
  t.match((await new DeviceBrowser(app).get('/who', { cookie })).json(), NOT_BOUND)
  await browser.get('/logout')
  t.equal((await browser.refreshOnce()).statusCode, 401)
})

t.test('a browser without the capability works as before', async (t) => {
  const clock = turnableClock(t)
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  await browser.get('/login')
  for (let times = 0; times < 3; times++) {
    clock.ahead += 3_600
    t.same((await browser.get('/who')).json(), { userId: 42, deviceBound: null })
  }
  await browser.get('/renew')
  t.equal((await browser.get('/who')).json().userId, 42)
})

t.test('a stolen session cookie is refused on another device', async (t) => {
  const clock = turnableClock(t)
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  await browser.signIn()
  const session = browser.jar.get('__Host-session') ?? ''
  const withSessionOnly = () => new DeviceBrowser(app).get('/who', { cookie: `__Host-session=${session}` })
  t.equal((await withSessionOnly()).json().deviceBound, 'pending', 'for requests under way')
  clock.ahead += 31
  const refused = await withSessionOnly()
  t.match(refused.json(), NOT_BOUND)
  t.notMatch(refused.body, session)
  t.equal(refused.headers['set-cookie'], undefined)

  const thief = browser.steal()
  t.equal((await thief.get('/who')).json().deviceBound, 'bound', 'all cookies, before the proof expires')
  clock.ahead += 580
  t.match((await thief.get('/who')).json(), NOT_BOUND, 'and afterwards')
  t.equal((await thief.refresh()).statusCode, 403, 'its own key is not the key of the session')
  t.equal((await browser.refresh()).statusCode, 200)
  t.same((await browser.get('/who')).json(), { userId: 42, deviceBound: 'bound' })
})

t.test('a refused request neither uses, changes nor extends the session', async (t) => {
  const redis = await startRedis(t)
  const clock = turnableClock(t)
  const app = await serve(t, { redis: redis.url }, (app) =>
    app.setErrorHandler(async (_error, { session }) => {
      session.count = 99
      return { userId: session.userId ?? null, keys: Object.keys(session), deviceBound: session.deviceBound }
    })
  )
  const browser = new DeviceBrowser(app)
  const { id } = (await browser.signIn()).json()
  const before = await redis.client.getBuffer(`session:${id}`)
  clock.ahead += 700
  const refused = await browser.get('/who')
  t.same(refused.json(), { userId: null, keys: ['count'], deviceBound: 'refused' })
  t.same(await redis.client.getBuffer(`session:${id}`), before)
})

t.test("bound: 'anonymous': the session is empty and new, and a login begins another one", async (t) => {
  const clock = turnableClock(t)
  const store = memory(t)
  for (const [options, path] of [
    [{}, '/public'],
    [{ deviceBound: { onMissing: 'anonymous' as const } }, '/who']
  ] as const) {
    const app = await serve(t, { store, ...options })
    const browser = new DeviceBrowser(app)
    await browser.signIn()
    t.same((await browser.get(path)).json(), { userId: 42, deviceBound: 'bound' })
    clock.ahead += 700
    const first = browser.jar.get('__Host-session')
    const visit = await browser.get(path)
    t.same(visit.json(), { userId: null, deviceBound: 'refused' })
    t.equal(
      visit.headers['set-cookie'],
      undefined,
      'the browser keeps its cookie, and may still prove itself'
    )
    t.equal((await browser.refresh()).statusCode, 200)
    t.same((await browser.get(path)).json(), { userId: 42, deviceBound: 'bound' })
    clock.ahead += 700
    const login = await browser.signIn('/public/login')
    t.ok(offerIn(login))
    t.not(browser.jar.get('__Host-session'), first)
    t.same((await browser.get(path)).json(), { userId: 43, deviceBound: 'bound' })
  }
})

t.test('a logout is possible without a proof, and ends the session', async (t) => {
  const clock = turnableClock(t)
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  await browser.signIn()
  clock.ahead += 700
  t.match((await browser.get('/logout')).json(), NOT_BOUND)
  const out = await browser.get('/public/logout')
  t.equal(out.statusCode, 200)
  t.equal(browser.jar.get('__Host-session'), undefined)
  t.equal((await browser.refreshOnce()).statusCode, 401)
})

t.test('logout: clears the cookies, and ends the binding', async (t) => {
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  await browser.signIn()
  const thief = browser.steal()
  await browser.get('/logout')
  t.equal(browser.jar.header('/'), undefined, 'no cookie is left')
  t.equal((await browser.refreshOnce()).statusCode, 401)
  t.same((await thief.get('/who')).json(), { userId: null, deviceBound: null })
  t.equal(thief.jar.header('/'), undefined, 'nor in a browser that did not know')
})

t.test('a new id ends the binding, and offers registration again', async (t) => {
  const store = memory(t)
  const app = await serve(t, { store })
  const browser = new DeviceBrowser(app)
  const { id } = (await browser.signIn()).json()
  const before = browser.instructions
  const renewed = await browser.get('/renew')
  t.equal(browser.jar.get('__Host-session-bound'), undefined)
  t.same((await browser.get('/who')).json(), { userId: 42, deviceBound: null })
  t.equal((await browser.refreshOnce()).statusCode, 401, 'the key of the old id is forgotten')
  const { header } = openRecord((await store.read(`session:${id}`)) ?? Buffer.alloc(0))
  t.match(header, { moved: true, binding: undefined }, 'its tombstone does not hold the key')
  const offer = offerIn(renewed)
  t.ok(offer)
  t.equal((await browser.register(offer ?? { path: '', challenge: '' })).statusCode, 200)
  t.not(browser.instructions?.session_identifier, before?.session_identifier)
  t.same((await browser.get('/who')).json(), { userId: 42, deviceBound: 'bound' })
})

t.test('two logins: the key of the first is answered with 401, and the second is bound', async (t) => {
  const clock = turnableClock(t)
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  await browser.signIn()
  const first = { instructions: browser.instructions, challenge: browser.challenge }
  await browser.signIn()
  const second = { instructions: browser.instructions, challenge: browser.challenge }
  Object.assign(browser, first)
  t.equal((await browser.refreshOnce()).statusCode, 401)
  Object.assign(browser, second)
  clock.ahead += 600
  t.equal((await browser.refresh()).statusCode, 200)
  t.same((await browser.get('/who')).json(), { userId: 42, deviceBound: 'bound' })
})

t.test('a browser that says that it could not renew its proof is served for a while', async (t) => {
  const clock = turnableClock(t)
  const app = await serve(t, { store: memory(t) })
  const browser = new DeviceBrowser(app)
  const { id } = (await browser.signIn()).json()
  const session = `__Host-session=${browser.jar.get('__Host-session')}`
  const skipped = (reason: string, of = id) => ({
    'secure-session-skipped': `server_error;session_identifier="x", ${reason};session_identifier="${of}"`
  })
  clock.ahead += 610
  t.match((await browser.get('/who')).json(), NOT_BOUND, 'without that header')
  for (const reason of ['quota_exceeded', 'server_error', 'unreachable']) {
    t.same(
      (await browser.get('/who', skipped(reason))).json(),
      { userId: 42, deviceBound: 'pending' },
      reason
    )
  }
  t.match((await browser.get('/who', skipped('because'))).json(), NOT_BOUND, 'an unknown reason')
  t.match((await browser.get('/who', skipped('quota_exceeded', 'y'))).json(), NOT_BOUND, 'of another session')
  const claimed = await browser.get('/who', { ...skipped('quota_exceeded'), cookie: session })
  t.match(claimed.json(), NOT_BOUND, 'without the cookie of an earlier proof')
  // As Chromium keeps cookies: the last proof is still there, and has expired.
  const { cookie = '' } = { cookie: browser.jar.header('/') }
  clock.ahead += 580
  t.equal((await browser.get('/who', { ...skipped('quota_exceeded'), cookie })).json().deviceBound, 'pending')
  clock.ahead += 20
  t.match(
    (await browser.get('/who', { ...skipped('quota_exceeded'), cookie })).json(),
    NOT_BOUND,
    'not for ever'
  )

  const strict = await serve(t, { store: memory(t), deviceBound: { skipTimeout: 0 } })
  const other = new DeviceBrowser(strict)
  const login = await other.signIn()
  t.equal(other.jar.get('__Host-session-bound-last'), undefined)
  clock.ahead += 610
  t.match((await other.get('/who', skipped('quota_exceeded', login.json().id))).json(), NOT_BOUND, 'never')
})

t.test(
  'the data of a bound session is its own, with every serializer, and the binding outlives changes',
  async (t) => {
    const clock = turnableClock(t)
    const redis = await startRedis(t)
    for (const serializer of ['json', 'superjson', 'msgpack'] as const) {
      const app = await serve(t, { redis: redis.url, serializer, prefix: `${serializer}:` })
      app.get('/keys', async ({ session }) => ({ keys: Object.keys(session), data: session.data() }))
      app.get('/clear', async ({ session }) => {
        for (const key of Object.keys(session)) session.delete(key as 'userId')
        session.count = 7
        return {}
      })
      app.get('/assign', async ({ session }) => {
        const fields = session as unknown as Record<string, unknown>
        try {
          fields.deviceBound = 'bound'
          return { assigned: true }
        } catch (error) {
          return { code: (error as { code: string }).code }
        }
      })
      const browser = new DeviceBrowser(app)
      await browser.signIn()
      t.same((await browser.get('/keys')).json(), { keys: ['userId'], data: { userId: 42 } })
      t.same((await browser.get('/assign')).json(), { code: 'FST_SESSION_KEY' })
      await browser.get('/clear')
      t.same((await browser.get('/keys')).json(), { keys: ['count'], data: { count: 7 } })
      clock.ahead += 300
      t.equal((await browser.get('/who')).json().deviceBound, 'bound', 'after a touch')
      clock.ahead += 400
      t.match((await browser.get('/who')).json(), NOT_BOUND, 'still bound')
      t.equal((await browser.refresh()).statusCode, 200)
    }
  }
)

t.test('another process with the same secret, or a new one beside an older, knows the proofs', async (t) => {
  const clock = turnableClock(t)
  const store = memory(t)
  const browser = new DeviceBrowser(await serve(t, { store }))
  await browser.signIn()
  const rotated = await serve(t, {
    store,
    secret: ['another secret of at least 32 characters', 'a secret of at least thirty-two characters']
  })
  const later = browser.steal()
  const after = Object.assign(new DeviceBrowser(rotated), {
    jar: later.jar,
    keys: browser.keys,
    instructions: browser.instructions,
    challenge: browser.challenge
  })
  t.same((await after.get('/who')).json(), { userId: 42, deviceBound: 'bound' })
  clock.ahead += 590
  t.equal((await after.refreshOnce()).statusCode, 200)
  const other = await serve(t, { store, secret: 'another secret of at least 32 characters' })
  const at = Object.assign(new DeviceBrowser(other), { jar: after.jar })
  t.equal((await at.get('/who')).json().userId, 42, 'signed with the new secret by now')
})

t.test(
  'costs: a registration is one read and one script, a refresh one read, a request nothing more',
  async (t) => {
    const redis = await startRedis(t)
    const clock = turnableClock(t)
    const app = await serve(t, { redis: redis.url })
    const browser = new DeviceBrowser(app)
    const offer = offerIn(await browser.get('/login'))
    await redis.commands()
    await browser.register(offer ?? { path: '', challenge: '' })
    t.same(await redis.commands(), { get: 1, evalsha: 1, getrange: 1, set: 1 })
    await browser.get('/who')
    t.same(await redis.commands(), { get: 1 })
    clock.ahead += 300
    t.equal((await browser.refreshOnce()).statusCode, 200)
    t.same(await redis.commands(), { get: 1 }, 'not even a touch')
  }
)

t.test('costs: the bytes of a bound record', async (t) => {
  const redis = await startRedis(t)
  const app = await serve(t, { redis: redis.url })
  for (const [algorithm, bytes] of [
    ['ES256', 99],
    ['RS256', 302]
  ] as const) {
    const browser = new DeviceBrowser(app)
    browser.keys = newKeys(algorithm)
    const login = await browser.get('/login')
    const length = () => redis.client.strlen(`session:${login.json().id}`)
    const before = await length()
    await browser.register(offerIn(login) ?? { path: '', challenge: '' })
    t.equal((await length()) - before, bytes + 4, 'and the number of the commit before it')
  }
})

t.test('while the store is down, the browser keeps its key', async (t) => {
  const redis = await startRedis(t)
  for (const onUnavailable of ['error', 'anonymous'] as const) {
    const app = await serve(t, { redis: redis.url, timeout: 300, onUnavailable })
    const browser = new DeviceBrowser(app)
    await browser.signIn()
    const next = new DeviceBrowser(app)
    const offer = offerIn(await next.get('/login')) ?? { path: '', challenge: '' }
    await redis.stop()
    t.equal((await browser.refreshOnce()).statusCode, 503)
    t.equal((await next.register(offer)).statusCode, 503)
    await redis.restart()
  }
})

t.test('over plain http nothing is offered, and the log says so once', async (t) => {
  const app = await serve(t, { store: memory(t) })
  for (let times = 0; times < 2; times++) {
    const login = await app.inject('/login')
    t.equal(login.headers['secure-session-registration'], undefined)
  }
  const warnings = app.logLines.filter(({ msg }) => msg.includes('not bound to a device'))
  t.match(warnings, [{ level: 40, msg: /set trustProxy in Fastify/ }])
})

t.test('save(): a login whose headers are sent early offers registration too', async (t) => {
  const app = await serve(t, { store: memory(t) })
  app.get('/stream', async ({ session }, reply) => {
    await session.regenerate(false)
    session.userId = 42
    await session.save()
    reply.hijack()
    reply.raw.end('{}')
  })
  const browser = new DeviceBrowser(app)
  const login = await browser.signIn('/stream')
  t.ok(offerIn(login))
  t.same((await browser.get('/who')).json(), { userId: 42, deviceBound: 'bound' })
})

t.test('save(): if the headers leave while it is under way, nothing is offered', async (t) => {
  const held = new HeldStore(memory(t))
  const app = await serve(t, { store: held.store })
  let saved = Promise.resolve()
  app.get('/late', async ({ session }, reply) => {
    const creating = held.hold('create')
    await session.regenerate(false)
    session.userId = 42
    saved = session.save()
    const release = await creating
    reply.hijack()
    reply.raw.end('{}')
    release()
  })
  t.equal(offerIn(await new DeviceBrowser(app).get('/late')), undefined)
  await t.resolves(saved)
})

t.test('a refused request is an event', async (t) => {
  const { subscribe, unsubscribe } = await import('node:diagnostics_channel')
  const events: unknown[] = []
  const listener = (event: unknown) => void events.push(event)
  subscribe('fastify-ioredis-session', listener)
  t.teardown(() => unsubscribe('fastify-ioredis-session', listener))
  const clock = turnableClock(t)
  const browser = new DeviceBrowser(await serve(t, { store: memory(t) }))
  const { id } = (await browser.signIn()).json()
  clock.ahead += 700
  await browser.get('/who')
  t.match(events.at(-1), { type: 'unproven', handle: id })
})

t.test('whoever ends the session ends the binding, and the command line keeps it', async (t) => {
  const clock = turnableClock(t)
  const redis = await startRedis(t)
  const app = await serve(t, { redis: redis.url, user: 'userId' })
  const [browser, other] = [new DeviceBrowser(app), new DeviceBrowser(app)]
  const { id } = (await browser.signIn()).json()
  await other.signIn()
  t.match(await command(redis.url, ['convert', '--to', 'msgpack', '--yes', '--json']), { code: 0 })
  t.equal((await redis.client.getBuffer(`session:${id}`))?.[2], 3, 'the tag of msgpack')
  clock.ahead += 700
  t.match((await browser.get('/who')).json(), NOT_BOUND)
  t.equal((await browser.refresh()).statusCode, 200)
  t.same((await browser.get('/who')).json(), { userId: 42, deviceBound: 'bound' })
  await app.sessions.end(id)
  t.equal((await browser.refresh()).statusCode, 401)
  t.equal((await other.refresh()).statusCode, 200)
  await app.sessions.endAllOf(42)
  t.equal((await other.refresh()).statusCode, 401)
})
