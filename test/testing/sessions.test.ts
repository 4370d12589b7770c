// What the tests of an application use: signedIn, sessionOf and a browser.
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import redisSession, { type RedisSessionOptions } from '../../lib/index.js'
import { Browser, sessionOf, signedIn } from '../../lib/testing/index.js'
import { createApp } from '../support/app.js'
import { memory } from '../support/memory.js'
import { startRedis } from '../support/redis-server.js'

async function appWith(t: Test, options: RedisSessionOptions) {
  const app = await createApp(t, options)
  app.get('/', async ({ session }) => ({ ...session.data(), permanent: session.permanent }))
  app.post('/login', async ({ session }) => {
    await session.regenerate(false)
    session.userId = 42
    return {}
  })
  app.post('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return {}
  })
  app.post('/logout', async ({ session }) => {
    await session.destroy()
    return {}
  })
  return app
}

const secret = 'a secret of the tests, long enough'

const OPTIONS: Record<string, (t: Test) => Promise<RedisSessionOptions>> = {
  'in memory': async (t) => ({ store: memory(t) }),
  'in Redis, signed, with msgpack': async (t) => {
    const { url } = await startRedis(t)
    return { redis: url, secret, serializer: 'msgpack', detectRollback: true }
  },
  'with another path and name': async (t) => ({
    store: memory(t),
    cookie: { name: 'visitor', path: '/count' }
  })
}

for (const [name, optionsOf] of Object.entries(OPTIONS)) {
  t.test(`signedIn: the route sees the data, and changes are kept (${name})`, async (t) => {
    const app = await appWith(t, await optionsOf(t))
    const headers = await signedIn(app, { count: 7, cart: { items: ['pear'] } })
    const response = await app.inject({ method: 'POST', url: '/count', headers })
    t.equal(response.statusCode, 200)
    t.strictSame(await sessionOf(app, response), { count: 8, cart: { items: ['pear'] } })
    t.strictSame(await sessionOf(app, headers), { count: 8, cart: { items: ['pear'] } })
    t.same(
      app.logLines.filter(({ level }) => level > 30),
      []
    )
  })
}

t.test('signedIn: each call is another session', async (t) => {
  const app = await appWith(t, { store: memory(t) })
  const [one, other] = [await signedIn(app, { userId: 1 }), await signedIn(app, { userId: 2 })]
  t.equal((await app.inject({ url: '/', headers: one })).json().userId, 1)
  t.equal((await app.inject({ url: '/', headers: other })).json().userId, 2)
})

t.test('signedIn: permanent', async (t) => {
  const app = await appWith(t, { store: memory(t) })
  const headers = await signedIn(app, { userId: 1 }, { permanent: true })
  t.same((await app.inject({ url: '/', headers })).json(), { userId: 1, permanent: true })
})

t.test('signedIn: without data it is an error, since nothing would be stored', async (t) => {
  const app = await appWith(t, { store: memory(t) })
  await t.rejects(signedIn(app, {}), { code: 'FST_SESSION_OPTION', message: /option data: has no keys/ })
})

t.test('signedIn: data that cannot be stored is an error', async (t) => {
  const app = await appWith(t, { store: memory(t) })
  await t.rejects(signedIn(app, { anything: 1n }), { code: 'FST_SESSION_ENCODE' })
})

t.test('sessionOf: what a login, a read and a logout left', async (t) => {
  const app = await appWith(t, { store: memory(t) })
  const before = await app.inject('/')
  t.equal(await sessionOf(app, before), undefined, 'a visitor has no session')
  const login = await app.inject({ method: 'POST', url: '/login' })
  t.strictSame(await sessionOf(app, login), { userId: 42 })
  const { name = '', value = '' } = login.cookies[0] ?? {}
  const headers = { cookie: `theme=dark; ${name}=${value}` }
  const read = await app.inject({ url: '/', headers })
  t.same(read.cookies, [])
  t.strictSame(await sessionOf(app, read), { userId: 42 }, 'the response sets no cookie')
  const again = await app.inject({ method: 'POST', url: '/login', headers })
  t.strictSame(await sessionOf(app, again), { userId: 42 }, 'under a new id')
  t.equal(await sessionOf(app, headers), undefined, 'the old id leads to nothing')
  const logout = await app.inject({ method: 'POST', url: '/logout', headers: { cookie: cookieOf(again) } })
  t.equal(await sessionOf(app, logout), undefined)
  t.equal(await sessionOf(app, again), undefined)
})

function cookieOf({ cookies }: { cookies: { name: string; value: string }[] }): string {
  return cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
}

t.test('sessionOf: a record that cannot be decoded is no session', async (t) => {
  const store = memory(t)
  const tag = 40
  const own = {
    name: 'own',
    tag,
    encode: JSON.stringify,
    decode: (bytes: Uint8Array) => JSON.parse(`${bytes}`)
  }
  const writer = await appWith(t, { store, serializer: own })
  const reader = await appWith(t, { store })
  const headers = await signedIn(writer, { userId: 1 })
  t.same(await sessionOf(writer, headers), { userId: 1 })
  t.equal(await sessionOf(reader, headers), undefined)
})

t.test('sessionOf: does not count as use', async (t) => {
  const app = await appWith(t, { store: memory(t), touchAfter: 0, idleTimeout: 100 })
  const headers = await signedIn(app, { userId: 1 })
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => now() + 90_000
  t.same(await sessionOf(app, headers), { userId: 1 })
  Date.now = () => now() + 101_000
  t.equal(await sessionOf(app, headers), undefined)
})

t.test('decorator: chooses among the registrations of one application, also of a child', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(redisSession, { store: memory(t) })
  app.register(async (child) => {
    await child.register(redisSession, { store: memory(t), decorator: 'staff' })
    child.get('/staff', async (request) => (request as unknown as { staff: { data(): object } }).staff.data())
  })
  const headers = await signedIn<{ badge: string }>(app, { badge: 'A1' }, { decorator: 'staff' })
  const response = await app.inject({ url: '/staff', headers })
  t.same(response.json(), { badge: 'A1' })
  t.same(await sessionOf<{ badge: string }>(app, response, { decorator: 'staff' }), { badge: 'A1' })
  t.equal(await sessionOf(app, response), undefined)
})

t.test('decorator: an error says what is missing', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cookie)
  const code = 'FST_SESSION_OPTION'
  for (const name of ['one', 'two']) {
    app.register(async (child) => {
      const options = { store: memory(t), decorator: 'staff', prefix: `${name}:`, cookie: { name } }
      await child.register(redisSession, options)
    })
  }
  await t.rejects(signedIn(app, { userId: 1 }), {
    code,
    message: /session is no session of this application: register fastify-ioredis-session on it first/
  })
  await t.rejects(sessionOf(app, { cookie: '' }, { decorator: 'staff' }), {
    code,
    message: /staff names several registrations: give each a decorator/
  })
})

t.test('Browser: keeps and sends cookies', async (t) => {
  const app = await appWith(t, { store: memory(t), secret })
  const browser = new Browser(app)
  await browser.inject({ method: 'POST', url: '/count' })
  await browser.inject({ method: 'POST', url: { pathname: '/count' } })
  t.equal((await browser.inject('/')).json().count, 2)
  t.match(browser.cookie('__Host-session'), /\./)
  await browser.inject({ method: 'POST', path: '/logout' })
  t.equal((await browser.inject('/')).json().count, undefined)
  t.equal(browser.cookie('__Host-session'), undefined)
})

t.test('Browser: begins with the cookies of signedIn', async (t) => {
  const app = await appWith(t, { store: memory(t) })
  const browser = new Browser(app, await signedIn(app, { userId: 1 }))
  await browser.inject({ method: 'POST', url: '/count' })
  const response = await browser.inject('/')
  t.same(response.json(), { userId: 1, count: 1, permanent: false })
  await browser.inject({ method: 'POST', url: '/login' })
  t.same(await sessionOf(app, await browser.inject('/')), { userId: 42 })
})
