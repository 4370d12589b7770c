// Registration of the plugin: which routes, which property, which application have sessions.
import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import redisSession, {
  MemoryStore,
  type RedisSessionOptions,
  type Session as SessionOf
} from '../../lib/index.js'
import { createApp } from '../support/app.js'
import { Browser, sessionCookie } from '../support/browser.js'
import { startRedis } from '../support/redis-server.js'

declare module 'fastify' {
  interface FastifyRequest {
    admin: SessionOf<{ level: 1 | 2 }>
  }
}

function addRoutes(app: FastifyInstance): void {
  app.get('/login', async ({ session }) => {
    session.name = 'Ada'
    return {}
  })
  app.get('/data', async ({ session }) => session.data())
}

/** An application with cookies but without sessions. */
async function createBareApp(t: Test): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cookie)
  return app
}

/** The options given, with sessions in memory. */
function inMemory(t: Test, options: RedisSessionOptions = {}): RedisSessionOptions {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  return { store, ...options }
}

t.test('config.session: false gives the route no session', async (t) => {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url, touchAfter: 0 })
  addRoutes(app)
  const config = { session: false } as const
  app.get('/none', { config }, async () => ({}))
  app.get('/none/read', { config }, async ({ session }) => ({
    data: session.data(),
    has: session.has('name'),
    isNew: session.isNew,
    detached: session.detached
  }))
  app.get('/none/set', { config }, async ({ session }) => session.set('name', 'Eve'))
  app.get('/none/assign', { config }, async ({ session }) => {
    session.name = 'Eve'
  })
  app.get('/none/permanent', { config }, async ({ session }) => {
    session.permanent = true
  })
  app.get('/none/regenerate', { config }, async ({ session }) => session.regenerate())
  app.get('/none/save', { config }, async ({ session }) => session.save())
  app.get('/none/reload', { config }, async ({ session }) => session.reload())
  app.get('/none/destroy', { config }, async ({ session }) => session.destroy())
  const browser = new Browser(app)
  await browser.request('/login')
  await redis.commands()

  const response = await browser.request('/none')
  t.equal(response.statusCode, 200)
  t.equal(sessionCookie(response), undefined)
  t.same(await browser.json('/none/read'), { data: {}, has: false, isNew: true, detached: 'disabled' })
  for (const method of ['set', 'assign', 'permanent', 'regenerate', 'save', 'reload', 'destroy']) {
    const response = await browser.request(`/none/${method}`)
    t.match(response.json(), { statusCode: 500, code: 'FST_SESSION_DETACHED', message: /disabled/ }, method)
    t.equal(sessionCookie(response), undefined)
  }
  t.same(await redis.commands(), {})
  t.same(await browser.json('/data'), { name: 'Ada' }, 'other routes keep the session')
})

t.test('config.session: { touch: false } does not extend the session', async (t) => {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url, touchAfter: 0 })
  addRoutes(app)
  const config = { session: { touch: false } } as const
  app.get('/poll', { config }, async ({ session }) => ({ name: session.get('name') }))
  app.get('/poll/touch', { config }, async ({ session }) => session.touch())
  app.get('/poll/write', { config }, async ({ session }) => {
    session.count = 1
  })
  const browser = new Browser(app)
  await browser.request('/login')
  await redis.commands()

  t.same(await browser.json('/poll'), { name: 'Ada' })
  t.same(await redis.commands(), { get: 1 })
  await browser.request('/data')
  t.match(await redis.commands(), { pexpire: 1 }, 'another route extends it')
  await browser.request('/poll/touch')
  t.match(await redis.commands(), { pexpire: 1 }, 'touch() extends it')

  // Its change is stored, but the next touch is due when it was due before.
  const [key = ''] = await redis.client.keys('*')
  await redis.client.pexpire(key, 1_000_000)
  const touchedAt = (await redis.client.getBuffer(key))?.subarray(22, 28)
  await browser.request('/poll/write')
  t.same((await redis.client.getBuffer(key))?.subarray(22, 28), touchedAt)
  t.same(await browser.json('/data'), { name: 'Ada', count: 1 })
})

t.test('register() under a prefix: only routes below it have sessions', async (t) => {
  const redis = await startRedis(t)
  const app = await createBareApp(t)
  app.get('/outside', async (request) => ({ has: 'session' in request, value: request.session ?? null }))
  await app.register(
    async (area) => {
      await area.register(redisSession, { redis: redis.url })
      addRoutes(area)
    },
    { prefix: '/area' }
  )
  const browser = new Browser(app)
  await browser.request('/area/login')
  await redis.commands()
  t.same(await browser.json('/area/data'), { name: 'Ada' })
  await redis.commands()
  t.same(await browser.json('/outside'), { has: false, value: null }, 'no session outside the prefix')
  t.same(await redis.commands(), {})
})

t.test('decorator: two kinds of sessions work side by side in one application', async (t) => {
  const redis = await startRedis(t)
  const app = await createBareApp(t)
  await app.register(redisSession, { redis: redis.url })
  await app.register(redisSession, { redis: redis.url, decorator: 'admin', cookie: { sameSite: 'strict' } })
  addRoutes(app)
  app.get('/admin', async ({ admin }) => {
    admin.level = 2
    return {}
  })
  app.get('/both', async ({ admin, session }) => ({ admin: admin.data(), session: session.data() }))
  app.get('/sign-out', async ({ admin }) => {
    await admin.destroy()
    return {}
  })
  const browser = new Browser(app)
  await browser.request('/login')
  await browser.request('/admin')
  t.same([...browser.cookies.keys()].sort(), ['__Host-admin', '__Host-session'])
  t.same(await browser.json('/both'), { admin: { level: 2 }, session: { name: 'Ada' } })
  const keys = (await redis.client.keys('*')).map((key) => key.split(':', 1)[0])
  t.same(keys.sort(), ['admin', 'session'])

  const swapped = new Browser(app)
  swapped.cookies.set('__Host-admin', browser.cookies.get('__Host-session') ?? '')
  swapped.cookies.set('__Host-session', browser.cookies.get('__Host-admin') ?? '')
  t.same(
    await swapped.json('/both'),
    { admin: {}, session: {} },
    'an id of one kind is not accepted by the other'
  )

  await browser.request('/sign-out')
  t.same(await browser.json('/both'), { admin: {}, session: { name: 'Ada' } })
})

t.test('decorator: two kinds set both their cookies in one response', async (t) => {
  const app = await createBareApp(t)
  await app.register(redisSession, inMemory(t))
  await app.register(redisSession, inMemory(t, { decorator: 'admin' }))
  app.get('/', async ({ admin, session }) => {
    session.name = 'Ada'
    admin.level = 1
    return {}
  })
  const response = await new Browser(app).request('/')
  t.same(response.cookies.map(({ name }) => name).sort(), ['__Host-admin', '__Host-session'])
  t.equal(response.headers.vary, 'Cookie')
})

t.test('register(): two applications in one process share nothing', async (t) => {
  const apps = await Promise.all([createApp(t, inMemory(t)), createApp(t, inMemory(t))])
  for (const app of apps) addRoutes(app)
  const [one, other] = apps
  const browser = new Browser(one)
  await browser.request('/login')
  t.same(await browser.json('/data'), { name: 'Ada' })
  const elsewhere = new Browser(other)
  for (const [name, value] of browser.cookies) elsewhere.cookies.set(name, value)
  t.same(await elsewhere.json('/data'), {})
  t.same(await browser.json('/data'), { name: 'Ada' })
})

t.test('register(): two areas of one application may have separate sessions', async (t) => {
  const app = await createBareApp(t)
  for (const area of ['one', 'other']) {
    await app.register(
      async (scope) => {
        const options = { prefix: `${area}:`, cookie: { name: area, path: `/${area}` } }
        await scope.register(redisSession, inMemory(t, options))
        addRoutes(scope)
      },
      { prefix: `/${area}` }
    )
  }
  const browser = new Browser(app)
  await browser.request('/one/login')
  t.same(await browser.json('/one/data'), { name: 'Ada' })
  t.same(await browser.json('/other/data'), {})
})

t.test('register(): overlapping registrations are refused by name, in any scope', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const name = /cookie\.name: \S+ belongs to another registration: set decorator or cookie\.name/
  const prefix = /prefix: session: belongs to another registration: set decorator or prefix/
  const admin = { store, decorator: 'admin' }
  const cases: [RedisSessionOptions, RegExp][] = [
    [{ store }, name],
    [{ ...admin, cookie: { name: '__Host-session' } }, name],
    [{ ...admin, cookie: { name: '__Host-session-next' } }, name],
    [inMemory(t, { prefix: 'other:' }), name],
    [{ ...admin, prefix: 'session:' }, prefix],
    [inMemory(t, { decorator: 'admin', prefix: 'session:' }), prefix]
  ]
  const inArea = (app: FastifyInstance, options: RedisSessionOptions) =>
    app.register(async (area) => void (await area.register(redisSession, options)), { prefix: '/area' })
  for (const [options, message] of cases) {
    const error = { code: 'FST_SESSION_OPTION', message }
    const app = await createBareApp(t)
    await app.register(redisSession, { store })
    await t.rejects(async () => app.register(redisSession, options), error, 'in the same scope')
    const outer = await createBareApp(t)
    await outer.register(redisSession, { store })
    await t.rejects(async () => inArea(outer, options), error, 'in a nested scope')
    const beside = await createBareApp(t)
    await inArea(beside, { store })
    await t.rejects(async () => inArea(beside, options), error, 'in a sibling scope')
  }
})

t.test(
  'cookie.name: equal names with another path or domain are refused, since browsers send both',
  async (t) => {
    for (const cookie of [{ path: '/area' }, { domain: 'example.com' }]) {
      const app = await createBareApp(t)
      await app.register(redisSession, inMemory(t, { cookie: { name: 'session' } }))
      const other = inMemory(t, { decorator: 'admin', cookie: { name: 'session', ...cookie } })
      await t.rejects(async () => app.register(redisSession, other), {
        message: /cookie\.name: session belongs/
      })
    }
  }
)

t.test('register(): without @fastify/cookie the error names it', async (t) => {
  const app = Fastify()
  await t.rejects(async () => app.register(redisSession, inMemory(t)), {
    message: /'@fastify\/cookie' of plugin 'fastify-ioredis-session' is not registered/
  })
})

t.test('decorator: a name that is taken is refused', async (t) => {
  for (const decorator of ['taken', 'body']) {
    const app = await createBareApp(t)
    app.decorateRequest('taken')
    await t.rejects(async () => app.register(redisSession, inMemory(t, { decorator })), {
      message: new RegExp(`'${decorator}' has already been added`)
    })
  }
})

t.test(
  'config.session: checked when the route is registered, with option and route in the message',
  async (t) => {
    const app = await createBareApp(t)
    await app.register(redisSession, inMemory(t))
    const wrong: [unknown, string][] = [
      [true, 'option config.session: must be false or an object (route GET /poll)'],
      [null, 'option config.session: must be false or an object (route GET /poll)'],
      [
        { tuch: false },
        'option config.session.tuch: is not one of touch, onUnavailable, fresh, bound (route GET /poll)'
      ],
      [
        { constructor: 1 },
        'option config.session.constructor: is not one of touch, onUnavailable, fresh, bound (route GET /poll)'
      ],
      [{ touch: 'no' }, 'option config.session.touch: must be true or false (route GET /poll)'],
      [
        { onUnavailable: 'empty' },
        "option config.session.onUnavailable: must be 'error' or 'anonymous' (route GET /poll)"
      ]
    ]
    for (const [session, message] of wrong) {
      const config = { session: session as false }
      t.throws(() => app.get('/poll', { config }, async () => ({})), { code: 'FST_SESSION_OPTION', message })
    }
    t.throws(
      () => app.route({ method: ['PUT', 'POST'], url: '/', config: { session: 0 as never }, handler() {} }),
      {
        message: 'must be false or an object (route PUT, POST /)'
      }
    )
    for (const [index, session] of [undefined, false, {}, { touch: true }, { touch: undefined }].entries()) {
      app.get(`/${index}`, { config: { session: session as false } }, async () => ({}))
    }
    t.equal((await app.inject('/1')).statusCode, 200)
  }
)

t.test('options: what autoload and fastify-cli pass to every plugin is harmless', async (t) => {
  const redis = await startRedis(t)
  const foreign = { prefix: '/area', skipOverride: true, logLevel: 'info', logSerializers: {} }
  const app = await createApp(t, { redis: redis.url, ...foreign })
  addRoutes(app)
  await new Browser(app).request('/login')
  t.match(await redis.client.keys('*'), [/^session:/])
  t.match(
    app.logLines.map(({ msg }) => msg),
    ['option prefix: /area is a route prefix, so keys begin with session:; to set another key prefix']
  )
  for (const prefix of ['', undefined]) {
    const { logLines } = await createApp(t, inMemory(t, { ...foreign, prefix: prefix as string }))
    t.notOk(logLines.some(({ msg }) => msg.includes('prefix')))
  }
})

t.test('onRequest: a request that an earlier hook refuses is answered as usual', async (t) => {
  const app = await createBareApp(t)
  app.addHook('onRequest', async () => {
    throw Object.assign(new Error('closed'), { statusCode: 403 })
  })
  await app.register(redisSession, inMemory(t))
  app.get('/', async ({ session }) => session.data())
  t.equal((await new Browser(app).request('/')).statusCode, 403)
})

t.test('exports: the default and the named export are the plugin', async (t) => {
  const { default: byDefault, redisSession: byName } = await import('../../lib/index.js')
  t.equal(byDefault, byName)
  const app = await createBareApp(t)
  await app.register(byName, inMemory(t))
  t.ok(app.hasPlugin('fastify-ioredis-session'))
  t.ok(app.hasRequestDecorator('session'))
})
