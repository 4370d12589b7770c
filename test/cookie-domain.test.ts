// `cookie.domain` as a function of the request, for the domains of many customers.
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { MemoryStore, type RedisSessionOptions } from '../lib/index.js'
import { createApp } from './support/app.js'
import { Browser, sessionCookie } from './support/browser.js'

const SECRET = 'a secret of at least thirty-two characters'
const OLD_SECRET = 'another secret of at least 32 characters'

type DomainOf = (request: FastifyRequest) => string | undefined

const customers: DomainOf = ({ hostname }) => /(^|\.)(shop-[ab]\.example)$/.exec(hostname)?.[2]

/** Counts how often the function is called. */
async function serve(t: Test, domain: DomainOf, options: RedisSessionOptions = {}) {
  const store = options.store ?? new MemoryStore()
  t.teardown(() => (store as MemoryStore).close())
  const calls = { count: 0 }
  const counted: DomainOf = (request) => {
    calls.count++
    return domain(request)
  }
  const app = await createApp(t, { store, ...options, cookie: { domain: counted, ...options.cookie } })
  app.get('/login', async ({ session }) => {
    await session.regenerate()
    session.userId = 42
    session.permanent = true
    return {}
  })
  app.get('/who', async ({ session }) => ({ userId: session.get('userId') ?? null }))
  app.get('/write', async ({ session }) => session.set('count', Math.random()))
  app.get('/empty', async ({ session }) => {
    session.delete('userId')
    return {}
  })
  app.get('/strict', async ({ session }) => {
    session.options({ sameSite: 'strict' })
    return {}
  })
  app.get('/logout', async ({ session }) => session.destroy())
  app.get('/plain', async () => ({}))
  return { app, browser: new Browser(app), calls, store: store as MemoryStore }
}

const at = (host: string) => ({ headers: { host } })

t.test('each host gets a cookie for its own domain, or for itself alone', async (t) => {
  const { app } = await serve(t, customers)
  for (const [host, domain] of [
    ['www.shop-a.example', 'shop-a.example'],
    ['shop-b.example', 'shop-b.example'],
    ['elsewhere.example', undefined]
  ] as const) {
    const browser = new Browser(app)
    const cookie = sessionCookie(await browser.request('/login', at(host)))
    t.equal(cookie?.name, 'session', 'no prefix __Host-, which excludes a domain')
    t.equal(cookie?.domain, domain)
    t.same(await browser.json('/who', at(host)), { userId: 42 })
    const strict = sessionCookie(await browser.request('/strict', at(host)))
    t.match(strict, { sameSite: 'Strict' })
    t.equal(strict?.domain, domain)
  }
})

t.test('a logout clears the cookie with the same domain, and the one of the host', async (t) => {
  const { browser } = await serve(t, customers)
  const host = at('www.shop-a.example')
  await browser.request('/login', host)
  const { cookies } = await browser.request('/logout', host)
  const cleared = cookies.filter(({ name, maxAge }) => name === 'session' && maxAge === 0)
  t.same(cleared.map(({ domain }) => domain ?? null).sort(), [null, 'shop-a.example'])
})

t.test('a session that has ended elsewhere, or was emptied, is cleared there too', async (t) => {
  const { app, browser } = await serve(t, customers)
  const host = at('www.shop-a.example')
  await browser.request('/login', host)
  const id = (await app.sessions.all().next()).value?.id
  await app.sessions.end(String(id))
  t.match(sessionCookie(await browser.request('/plain', host)), { maxAge: 0, domain: 'shop-a.example' })
  await browser.request('/login', host)
  t.ok(
    (await browser.request('/empty', host)).cookies.some(
      ({ domain, maxAge }) => domain !== undefined && maxAge === 0
    )
  )
})

t.test('it is called once for a response that sets cookies, and never for others', async (t) => {
  const { browser, calls } = await serve(t, customers, { secret: SECRET, detectRollback: true })
  const host = at('www.shop-a.example')
  await browser.request('/who', host)
  await browser.request('/plain', host)
  t.equal(calls.count, 0, 'no session')
  const { cookies } = await browser.request('/login', host)
  t.same(
    cookies.map(({ name, domain }) => [name, domain]),
    [
      ['session', 'shop-a.example'],
      ['session-seen', 'shop-a.example']
    ]
  )
  t.equal(calls.count, 1)
  await browser.request('/who', host)
  t.equal(calls.count, 1, 'a read sets no cookie')
  await browser.request('/logout', host)
  t.equal(calls.count, 2)
})

const unusable: Record<string, unknown> = {
  'two attributes': 'shop.example; SameSite=None',
  'a space': 'shop example',
  'a line': 'shop.example\r\nx: y',
  empty: '',
  null: null,
  'a promise': Promise.resolve('shop.example'),
  'a number': 7
}

for (const [what, domain] of Object.entries(unusable)) {
  t.test(`${what} is no domain: an error with a code, no cookie, and nothing stored`, async (t) => {
    const { browser, store } = await serve(t, () => domain as string)
    const response = await browser.request('/login')
    t.equal(response.statusCode, 500)
    t.match(response.json(), {
      code: 'FST_SESSION_OPTION',
      message: 'option cookie.domain: must be a domain name'
    })
    t.equal(response.headers['set-cookie'], undefined)
    t.equal(store.size, 0)
  })
}

t.test('a domain that becomes unusable: nothing ends or moves, and reading goes on', async (t) => {
  let domain: string | undefined = 'shop-a.example'
  const { browser, store } = await serve(t, () => domain)
  await browser.request('/login')
  domain = 'not a domain'
  for (const url of ['/logout', '/empty', '/login', '/strict']) {
    const response = await browser.request(url)
    t.match(response.json(), { code: 'FST_SESSION_OPTION', statusCode: 500 }, url)
    t.equal(response.headers['set-cookie'], undefined)
    t.same(await browser.json('/who'), { userId: 42 }, url)
  }
  t.equal((await browser.request('/write')).statusCode, 200, 'a write needs no cookie')
  t.equal(store.size, 1)
})

t.test('a renewal with an unusable domain is an error with a code, too', async (t) => {
  let domain: string | undefined = 'shop-a.example'
  const store = new MemoryStore()
  const before = await serve(t, () => domain, { store, secret: OLD_SECRET })
  await before.browser.request('/login')
  const after = await serve(t, () => domain, { store, secret: [SECRET, OLD_SECRET] })
  domain = 'not a domain'
  before.browser.visit(after.app)
  t.match((await before.browser.request('/who')).json(), { code: 'FST_SESSION_OPTION' })
  domain = 'shop-a.example'
  t.match(sessionCookie(await before.browser.request('/who')), { domain: 'shop-a.example' })
})

t.test('an error of the function reaches the route, and nothing is stored', async (t) => {
  const { browser, store } = await serve(t, () => {
    throw Object.assign(new Error('no customer'), { statusCode: 421 })
  })
  t.match((await browser.request('/login')).json(), { statusCode: 421, message: 'no customer' })
  t.equal(store.size, 0)
})

t.test('a session that ended while a request used it asks for no domain', async (t) => {
  const { app, browser, calls } = await serve(t, customers)
  app.get('/ended', async ({ session }) => {
    await app.sessions.end(session.id)
    session.set('count', 1)
    return {}
  })
  await browser.request('/login', at('shop-a.example'))
  t.equal((await browser.request('/ended', at('shop-a.example'))).statusCode, 200)
  t.equal(calls.count, 1)
})

t.test('a domain that browsers refuse is a warning, once', async (t) => {
  const { app } = await serve(t, ({ hostname }) => hostname)
  const { logLines } = app
  for (const host of ['10.0.0.1', '10.0.0.2', 'shop-a.example'])
    await new Browser(app).request('/login', at(host))
  const warnings = logLines.filter(({ msg }) => msg.includes('cookie.domain'))
  t.match(warnings, [
    {
      level: 40,
      msg: 'cookie.domain has returned a domain that is an IP address: browsers refuse cookies for it'
    }
  ])
  t.equal(warnings.length, 1)
})

t.test('a name with the prefix __Host- excludes it, at the start', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const register = createApp(t, { store, cookie: { name: '__Host-s', domain: () => undefined } })
  await t.rejects(register, {
    code: 'FST_SESSION_OPTION',
    message: /cookie\.domain: must not be set for __Host-s/
  })
})
