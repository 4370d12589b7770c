import csrfProtection from '@fastify/csrf-protection'
import t, { type Test } from 'tap'
import { createApp, type TestApp } from '../support/app.js'
import { Browser, sessionCookie } from '../support/browser.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'

const MODES = ['@fastify/session', '@fastify/secure-session'] as const

async function createService(
  t: Test,
  redis: RedisServer,
  sessionPlugin: (typeof MODES)[number],
  forUser = false
): Promise<TestApp> {
  const app = await createApp(t, { redis: redis.url })
  await app.register(csrfProtection, {
    sessionPlugin,
    csrfOpts: { hmacKey: 'a key of these tests' },
    ...(forUser ? { getUserInfo: ({ session }) => session.get('name') ?? '' } : {})
  })
  app.get('/form', async ({ session }, reply) => ({
    token: reply.generateCsrf({ userInfo: session.name ?? '' })
  }))
  app.get('/plain', async (_request, reply) => ({ token: reply.generateCsrf() }))
  app.get('/strict', async (_request, reply) => ({
    token: reply.generateCsrf({ sameSite: 'strict', userInfo: 'Ada' })
  }))
  app.get('/short', async (_request, reply) => ({
    token: reply.generateCsrf({ maxAge: 60 })
  }))
  app.get('/name/:name', async ({ session, params }) => {
    session.name = (params as { name: string }).name
    return {}
  })
  app.post('/order', { preHandler: app.csrfProtection }, async () => ({ ordered: true }))
  return app
}

async function order(browser: Browser, token?: string): Promise<number> {
  const headers = token === undefined ? {} : { 'csrf-token': token }
  return (await browser.request('/order', { method: 'POST', headers })).statusCode
}

async function token(browser: Browser, url = '/plain'): Promise<string> {
  return (await browser.json<{ token: string }>(url)).token
}

for (const mode of MODES) {
  t.test(`sessionPlugin: ${mode}`, async (t) => {
    t.test('a form with its token is accepted by every process', async (t) => {
      const redis = await startRedis(t)
      const browser = new Browser(await createService(t, redis, mode))
      const first = await token(browser)
      t.equal(await order(browser, first), 200)
      browser.visit(await createService(t, redis, mode))
      t.equal(await order(browser, first), 200)
      t.equal(await order(browser, await token(browser)), 200)
    })

    t.test('a missing, foreign or made-up token is refused', async (t) => {
      const app = await createService(t, await startRedis(t), mode)
      const browser = new Browser(app)
      const own = await token(browser)
      const foreign = await token(new Browser(app))
      t.equal(await order(browser), 403)
      t.equal(await order(browser, foreign), 403)
      t.equal(await order(browser, `${own}x`), 403)
      t.equal(await order(new Browser(app), own), 403, 'a token without its session is refused')
      t.equal(await order(browser, own), 200)
    })

    t.test('a token of one user is refused for another', async (t) => {
      const redis = await startRedis(t)
      const browser = new Browser(await createService(t, redis, mode, true))
      await browser.request('/name/ada')
      const ada = await token(browser, '/form')
      t.equal(await order(browser, ada), 200)
      await browser.request('/name/grace')
      t.equal(await order(browser, ada), 403)
      t.equal(await order(browser, await token(browser, '/form')), 200)
    })

    t.test('the secret is written once', async (t) => {
      const redis = await startRedis(t)
      const browser = new Browser(await createService(t, redis, mode))
      await token(browser)
      await redis.commands()
      await token(browser)
      t.same(await redis.commands(), { get: 1 })
    })
  })
}

t.test(
  'generateCsrf(): its cookie attributes apply to the session cookie, and maxAge is refused',
  async (t) => {
    const redis = await startRedis(t)
    const browser = new Browser(await createService(t, redis, '@fastify/secure-session'))
    t.match(await browser.json('/short'), { code: 'FST_SESSION_OPTION', message: /cookie\.maxAge/ })
    const cookie = sessionCookie(await browser.request('/strict'))
    t.match(cookie, { sameSite: 'Strict', httpOnly: true, secure: true })
    t.equal(cookie?.maxAge, undefined)
  }
)
