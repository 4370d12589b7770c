// The option `deviceBound`: what stops the start, and what it means for transports, routes and other parts.
import { readdirSync, readFileSync } from 'node:fs'
import cookie from '@fastify/cookie'
import csrf from '@fastify/csrf-protection'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import redisSession, { type MemoryStore, type RedisSessionOptions } from '../../lib/index.js'
import { Entry } from '../../lib/near-cache/entry.js'
import { openRecord } from '../../lib/records/record.js'
import { FailingStore } from '../support/failing-store.js'
import { memory } from '../support/memory.js'
import { DeviceBrowser, offerIn } from './browser.js'
import { SECRET, serve, turnableClock } from './service.js'

async function register(t: Test, options: RedisSessionOptions) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(redisSession, { store: memory(t), ...options })
  return app
}

t.test('what cannot be used stops the start, and is named', async (t) => {
  const host = /a cookie of one host over https/
  const refused: [RedisSessionOptions, string, RegExp][] = [
    [{ deviceBound: 'yes' as never }, 'deviceBound', /must be true, false or an object/],
    [{ deviceBound: null as never }, 'deviceBound', /must be true, false or an object/],
    [{ deviceBound: { maxAge: 1 } as never }, 'deviceBound.maxAge', /is not one of path, lifetime/],
    [{ deviceBound: true, cookie: { secure: 'auto' } }, 'deviceBound', host],
    [{ deviceBound: true, cookie: { secure: false } }, 'deviceBound', host],
    [{ deviceBound: true, cookie: { domain: 'example.com' } }, 'deviceBound', host],
    [{ deviceBound: true, cookie: { domain: () => 'example.com' } }, 'deviceBound', host],
    [{ deviceBound: true, cookie: { path: '/app' } }, 'deviceBound', host],
    [{ deviceBound: true, cookie: { partitioned: true } }, 'deviceBound', host],
    [{ deviceBound: true, transport: { header: 'x-session' } }, 'deviceBound', /needs cookies/],
    [{ deviceBound: { path: 'bound' } }, 'deviceBound.path', /must begin with \//],
    [{ deviceBound: { path: '/bound/' } }, 'deviceBound.path', /must not end with it/],
    [{ deviceBound: { path: '/"bound' } }, 'deviceBound.path', /must begin with \//],
    [{ deviceBound: { path: 7 as never } }, 'deviceBound.path', /must begin with \//],
    [{ deviceBound: { onMissing: 'no' as never } }, 'deviceBound.onMissing', /one of error, anonymous/],
    [{ deviceBound: { lifetime: 0 } }, 'deviceBound.lifetime', /a whole number from 1 to 86400/],
    [{ deviceBound: { lifetime: 1.5 } }, 'deviceBound.lifetime', /a whole number/],
    [{ deviceBound: { lifetime: 86_401 } }, 'deviceBound.lifetime', /a whole number/],
    [{ deviceBound: { registrationTimeout: 0 } }, 'deviceBound.registrationTimeout', /from 1/],
    [{ deviceBound: { skipTimeout: -1 } }, 'deviceBound.skipTimeout', /from 0/]
  ]
  for (const [options, option, message] of refused) {
    await t.rejects(
      register(t, { secret: SECRET, ...options }),
      { code: 'FST_SESSION_OPTION', message: new RegExp(`^option ${option}: .*${message.source}`) },
      JSON.stringify(options)
    )
  }
  await t.rejects(register(t, { deviceBound: true }), { message: /needs the option secret/ })
})

t.test(
  'without the option there are no routes, and a binding that is there is kept and not asked for',
  async (t) => {
    const clock = turnableClock(t)
    const store = memory(t)
    const browser = new DeviceBrowser(await serve(t, { store }))
    await browser.signIn()
    for (const deviceBound of [false, undefined]) {
      const app = await serve(t, { store, deviceBound } as RedisSessionOptions)
      const later = Object.assign(new DeviceBrowser(app), {
        jar: browser.jar,
        instructions: browser.instructions
      })
      clock.ahead += 700
      t.same((await later.get('/who')).json(), { userId: 42, deviceBound: null })
      t.equal((await later.get('/count')).statusCode, 200)
      t.equal((await later.refreshOnce()).statusCode, 404)
      t.equal(offerIn(await new DeviceBrowser(app).get('/login')), undefined)
    }
    t.equal((await browser.get('/who')).statusCode, 401)
    t.equal((await browser.refresh()).statusCode, 200)
    t.equal((await browser.get('/count')).json().count, 3)
  }
)

t.test('without the option nothing of it is loaded', async (t) => {
  const files = readdirSync('lib', { recursive: true, encoding: 'utf8' })
  const others = files.filter((file) => file.endsWith('.ts') && !file.startsWith('device-bound/'))
  t.ok(others.length > 100)
  for (const file of others) {
    const text = readFileSync(`lib/${file}`, 'utf8')
    // Types are erased. Its other imports are dynamic.
    const imports = text.match(/^(?:import|export)(?! type )[^'\n]*(?:\n[^'\n]*)*? from '[^']*'/gm) ?? []
    t.notOk(
      imports.some((each) => each.includes('/device-bound/')),
      file
    )
    t.equal(text.includes("import('../device-bound/"), file === 'plugin/open-device-bound.ts', file)
  }
})

t.test('path, route prefix and cookie name', async (t) => {
  const app = Fastify({ trustProxy: true })
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(
    async (scope) => {
      await scope.register(redisSession, {
        ...{
          store: memory(t),
          secret: SECRET,
          decorator: 'staff' as 'session',
          cookie: { name: 'sid', sameSite: 'strict' }
        },
        deviceBound: { path: '/keys' }
      })
      scope.get('/login', async (request) => {
        const { staff } = request as unknown as { staff: typeof request.session }
        await staff.regenerate(false)
        staff.userId = 42
        return {}
      })
    },
    { prefix: '/staff' }
  )
  const browser = new DeviceBrowser(app)
  const offer = offerIn(await browser.get('/staff/login'))
  t.equal(offer?.path, '/staff/keys/register')
  const answer = await browser.register(offer ?? { path: '', challenge: '' })
  t.match(answer.json(), {
    refresh_url: '/staff/keys/refresh',
    credentials: [{ name: '__Host-sid-bound', attributes: 'Path=/; Secure; HttpOnly; SameSite=Strict' }]
  })
  t.equal((await browser.refresh()).statusCode, 200)
})

t.test(
  'a header beside the cookie: its logins are not bound, and a stolen cookie is refused in it',
  async (t) => {
    const clock = turnableClock(t)
    const app = await serve(t, { store: memory(t), transport: ['cookie', { header: 'x-session' }] })
    const login = await new DeviceBrowser(app).get('/login', { 'x-session': '' })
    t.ok(login.headers['x-session'])
    t.equal(offerIn(login), undefined)
    const browser = new DeviceBrowser(app)
    await browser.signIn()
    const id = browser.jar.get('__Host-session') ?? ''
    clock.ahead += 31
    const stolen = await new DeviceBrowser(app).get('/who', { 'x-session': id })
    t.match(stolen.json(), { code: 'FST_SESSION_NOT_BOUND' })
  }
)

t.test('config.session.bound: other values are refused', async (t) => {
  const app = await register(t, {})
  t.throws(() => app.get('/', { config: { session: { bound: false as never } } }, async () => ({})), {
    message: /^option config.session.bound: must be 'error' or 'anonymous' \(route GET \/\)/
  })
})

t.test('a CSRF check of the whole application lets browsers register', async (t) => {
  const app = await serve(t, { store: memory(t) }, async (app) => {
    await app.register(csrf, { sessionPlugin: '@fastify/session' })
    app.addHook('preHandler', (request, reply, done) => {
      if (request.method === 'POST') app.csrfProtection(request, reply, done)
      else done()
    })
    app.post('/form', async () => ({}))
  })
  const browser = new DeviceBrowser(app)
  await browser.signIn()
  t.equal((await browser.send('POST', '/form')).statusCode, 403)
  t.equal((await browser.refresh()).statusCode, 200)
})

t.test('a registration whose answer from the store is lost is made once', async (t) => {
  const { plan, store } = new FailingStore(memory(t))
  const app = await serve(t, { store })
  const browser = new DeviceBrowser(app)
  const offer = offerIn(await browser.get('/login')) ?? { path: '', challenge: '' }
  plan.push('pass', 'lose')
  t.equal((await browser.register(offer)).statusCode, 200)
  t.equal((await browser.get('/who')).json().deviceBound, 'bound')
})

t.test(
  'a near cache: a copy of the record that is older than the registration does not end the key',
  async (t) => {
    const store = memory(t)
    let copy: Entry | undefined
    // The near cache itself would soon know.
    const cached = Object.assign(Object.create(store) as MemoryStore, { copyOf: () => copy })
    for (const name of ['read', 'create', 'update', 'touch', 'destroy'] as const)
      Object.assign(cached, { [name]: store[name].bind(store) })
    const app = await serve(t, { store: cached })
    const browser = new DeviceBrowser(app)
    const login = await browser.get('/login')
    const { bytes, header } = openRecord((await store.read(`session:${login.json().id}`)) ?? Buffer.alloc(0))
    const offer = offerIn(login) ?? { path: '', challenge: '' }
    t.equal((await browser.register(offer)).statusCode, 200)
    copy = new Entry(bytes, header, () => {})
    t.equal((await browser.get('/who')).json().deviceBound, null, 'the copy')
    t.equal((await browser.refreshOnce()).statusCode, 200)
  }
)
