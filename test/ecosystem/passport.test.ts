import { Authenticator, Strategy } from '@fastify/passport'
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { RedisSessionOptions } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser, sessionCookie } from '../support/browser.js'
import { gate } from '../support/gate.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'

interface User {
  id: number
  name: string
}
const USERS: readonly User[] = [
  { id: 1, name: 'ada' },
  { id: 2, name: 'grace' }
]

/** Signs in the user that the query names. */
class ByName extends Strategy {
  override authenticate(request: FastifyRequest): void {
    const { name } = request.query as { name?: string }
    const user = USERS.find((user) => user.name === name)
    if (user === undefined) this.fail({ type: 'error', message: 'no such user' }, 401)
    else this.success(user)
  }
}

async function createService(
  t: Test,
  redis: RedisServer,
  options: ConstructorParameters<typeof Authenticator>[0] = {},
  sessions: RedisSessionOptions = {}
): Promise<TestApp> {
  const app = await createApp(t, { redis: redis.url, ...sessions })
  const passport = new Authenticator(options)
  passport.use('name', new ByName('name'))
  passport.registerUserSerializer<User, number>(async ({ id }) => id)
  passport.registerUserDeserializer<number, User | null>(
    async (id) => USERS.find((user) => user.id === id) ?? null
  )
  await app.register(passport.initialize())
  await app.register(passport.secureSession())
  app.get('/cart/:item', async ({ session, params }) => {
    const { item } = params as { item: string }
    session.cart = { items: [...(session.cart?.items ?? []), item] }
    return session.data()
  })
  app.get('/login', { preValidation: passport.authenticate('name') }, async ({ user }) => user)
  app.get(
    '/login/keeping',
    { preValidation: passport.authenticate('name', { keepSessionInfo: true }) },
    async () => ({})
  )
  app.get(
    '/login/redirecting',
    {
      preValidation: passport.authenticate('name', {
        successRedirect: '/me',
        failureRedirect: '/failed',
        failureFlash: true
      })
    },
    async () => ({})
  )
  app.get('/failed', async (_request, reply) => ({ flash: reply.flash('error') }))
  app.get('/logout', async (request) => {
    await request.logout()
    return {}
  })
  const guard = async (request: FastifyRequest) => {
    if (request.isUnauthenticated()) throw Object.assign(new Error('sign in first'), { statusCode: 401 })
  }
  app.get('/me', { preValidation: guard }, async ({ user }) => user)
  app.get('/data', async ({ session }) => session.data())
  app.get('/merge', async ({ session }) => {
    session.name = 'kept'
    return {}
  })
  return app
}

t.test('passport: a signed-in user reaches protected routes, in every process', async (t) => {
  const redis = await startRedis(t)
  const app = await createService(t, redis)
  const browser = new Browser(app)
  t.equal((await browser.request('/me')).statusCode, 401)
  t.same(browser.cookies.size, 0, 'a refused request begins no session')
  t.same(await browser.json('/login?name=ada'), USERS[0])
  t.same(await browser.json('/me'), USERS[0])
  browser.visit(await createService(t, redis))
  t.same(await browser.json('/me'), USERS[0])
})

t.test('passport: a wrong name signs no user in', async (t) => {
  const redis = await startRedis(t)
  const browser = new Browser(await createService(t, redis))
  t.equal((await browser.request('/login?name=eve')).statusCode, 401)
  t.equal((await browser.request('/me')).statusCode, 401)
  t.equal(await redis.client.dbsize(), 0)
})

t.test('successRedirect: the user is signed in when the browser follows it', async (t) => {
  const browser = new Browser(await createService(t, await startRedis(t)))
  const response = await browser.request('/login/redirecting?name=grace')
  t.equal(response.headers.location, '/me')
  t.same(await browser.json('/me'), USERS[1])
})

t.test('failureFlash: the reason is shown once after the redirect', async (t) => {
  const browser = new Browser(await createService(t, await startRedis(t)))
  const response = await browser.request('/login/redirecting?name=eve')
  t.equal(response.headers.location, '/failed')
  t.same(await browser.json('/failed'), { flash: ['no such user'] })
  t.same(await browser.json('/failed'), { flash: [] })
})

t.test('passport: sign-in gives a new id, and the old one is worthless at once', async (t) => {
  const redis = await startRedis(t)
  const app = await createService(t, redis)
  const browser = new Browser(app)
  await browser.request('/cart/tea')
  const before = new Browser(app)
  for (const [name, value] of browser.cookies) before.cookies.set(name, value)
  const old = new Map(browser.cookies)

  const login = await browser.request('/login?name=ada')
  t.ok(sessionCookie(login), 'the response sets the new id')
  t.notSame(browser.cookies, old)
  t.equal((await before.request('/me')).statusCode, 401)
  t.same(await before.json('/data'), {}, 'the old id shows no earlier data')
  t.same(before.cookies, old, 'the response to the old id sets no cookie')
  t.equal((await before.request('/cart/poison')).statusCode, 200)
  t.same(await browser.json('/data'), { passport: 1 }, 'the old id changes nothing')
})

t.test('passport: an id planted before sign-in gives no access after it', async (t) => {
  const redis = await startRedis(t)
  const app = await createService(t, redis)
  const attacker = new Browser(app)
  await attacker.request('/cart/bait')
  const victim = new Browser(app)
  for (const [name, value] of attacker.cookies) victim.cookies.set(name, value)
  await victim.request('/login?name=ada')
  t.same(await victim.json('/me'), USERS[0])
  t.equal((await attacker.request('/me')).statusCode, 401)
  // If the attacker signs in with the planted id, the victim's session does not change either.
  await attacker.request('/login?name=grace')
  t.same(await victim.json('/me'), USERS[0])
})

t.test('passport: sign-in drops earlier data', async (t) => {
  const browser = new Browser(await createService(t, await startRedis(t)))
  await browser.request('/cart/tea')
  await browser.request('/login?name=ada')
  t.same(await browser.json('/data'), { passport: 1 })
})

t.test('keepSessionInfo: keeps earlier data under the new id', async (t) => {
  const browser = new Browser(await createService(t, await startRedis(t)))
  await browser.request('/cart/tea')
  const old = new Map(browser.cookies)
  await browser.request('/login/keeping?name=ada')
  t.notSame(browser.cookies, old)
  t.same(await browser.json('/data'), { cart: { items: ['tea'] }, passport: 1 })
})

t.test('clearSessionIgnoreFields: keeps these keys', async (t) => {
  const redis = await startRedis(t)
  const browser = new Browser(await createService(t, redis, { clearSessionIgnoreFields: ['cart'] }))
  await browser.request('/cart/tea')
  await browser.request('/merge')
  await browser.request('/login?name=ada')
  t.same(await browser.json('/data'), { cart: { items: ['tea'] }, passport: 1 })
})

t.test('clearSessionOnLogin: false keeps all data under a new id', async (t) => {
  const redis = await startRedis(t)
  const browser = new Browser(await createService(t, redis, { clearSessionOnLogin: false }))
  await browser.request('/cart/tea')
  const old = new Map(browser.cookies)
  await browser.request('/login?name=ada')
  t.notSame(browser.cookies, old)
  t.same(await browser.json('/data'), { cart: { items: ['tea'] }, passport: 1 })
  const signedIn = new Map(browser.cookies)
  await browser.request('/logout')
  t.notSame(browser.cookies, signedIn)
  t.same(await browser.json('/data'), { cart: { items: ['tea'] } })
})

t.test("user: 'passport' lists and ends the sessions of a user", async (t) => {
  const redis = await startRedis(t)
  const app = await createService(t, redis, {}, { user: 'passport' as never })
  const [one, two, other] = [new Browser(app), new Browser(app), new Browser(app)]
  await one.request('/cart/tea')
  for (const browser of [one, two]) await browser.request('/login?name=ada')
  await other.request('/login?name=grace')
  t.equal((await app.sessions.of(1)).length, 2)
  await two.request('/logout')
  t.equal((await app.sessions.of(1)).length, 1)
  t.equal(await app.sessions.endAllOf(1), 1)
  t.equal((await one.request('/me')).statusCode, 401)
  t.same(await other.json('/me'), USERS[1])
  t.same(await one.json('/login?name=ada'), USERS[0])
})

t.test('logout(): signs out everywhere and leaves nothing of the session', async (t) => {
  const redis = await startRedis(t)
  const app = await createService(t, redis)
  const browser = new Browser(app)
  await browser.request('/login?name=ada')
  const stolen = new Browser(await createService(t, redis))
  for (const [name, value] of browser.cookies) stolen.cookies.set(name, value)
  t.same(await stolen.json('/me'), USERS[0])

  const logout = await browser.request('/logout')
  t.match(sessionCookie(logout), { value: '', maxAge: 0 })
  t.equal(browser.cookies.size, 0)
  t.equal(await redis.client.dbsize(), 0)
  t.equal((await stolen.request('/me')).statusCode, 401)
  t.equal((await browser.request('/me')).statusCode, 401)
})

t.test('logout(): a session with other data continues under a new id', async (t) => {
  const redis = await startRedis(t)
  const app = await createService(t, redis)
  const browser = new Browser(app)
  await browser.request('/login?name=ada')
  await browser.request('/cart/tea')
  const stolen = new Browser(app)
  for (const [name, value] of browser.cookies) stolen.cookies.set(name, value)
  await browser.request('/logout')
  t.equal((await browser.request('/me')).statusCode, 401)
  t.same(await browser.json('/data'), { cart: { items: ['tea'] } })
  t.same(await stolen.json('/data'), {})
  await stolen.request('/cart/poison')
  t.same(await browser.json('/data'), { cart: { items: ['tea'] } })
})

t.test('logout(): a request in flight does not undo it', async (t) => {
  const redis = await startRedis(t)
  const app = await createService(t, redis)
  const [started, released] = [gate(), gate()]
  app.get('/slow', async ({ session }) => {
    session.count = 1
    started.open()
    await released.passed
    return {}
  })
  const browser = new Browser(app)
  await browser.request('/login?name=ada')
  const slow = browser.request('/slow')
  await started.passed
  await browser.request('/logout')
  released.open()
  t.equal(sessionCookie(await slow), undefined)
  t.equal(await redis.client.dbsize(), 0)
  t.equal((await browser.request('/me')).statusCode, 401)
})
