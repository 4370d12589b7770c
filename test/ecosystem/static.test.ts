import fastifyStatic from '@fastify/static'
import t, { type Test } from 'tap'
import { createApp, type TestApp } from '../support/app.js'
import { Browser, sessionCookie } from '../support/browser.js'
import { startRedis } from '../support/redis-server.js'
import { SharedCache } from '../support/shared-cache.js'
import { tickingClock } from '../support/ticking-clock.js'

/** The folders, and the Cache-Control that @fastify/static sets for them. */
const FOLDERS = {
  '/static/': { control: 'public, max-age=0', options: {} },
  '/assets/': { control: 'public, max-age=31536000, immutable', options: { immutable: true, maxAge: '1y' } }
} as const

/** Files behind a session that every request renews, since `touchAfter` is 0. */
async function createService(t: Test): Promise<TestApp> {
  tickingClock(t)
  const { url } = await startRedis(t)
  const app = await createApp(t, { redis: url, touchAfter: 0 })
  const root = t.testdir({ 'app.js': 'console.log(1)' })
  for (const [prefix, { options }] of Object.entries(FOLDERS)) {
    await app.register(fastifyStatic, { root, prefix, decorateReply: false, ...options })
  }
  app.get('/remember', async ({ session }) => {
    session.userId = 42
    session.permanent = true
    return {}
  })
  app.get('/whoami', async ({ session }) => ({ userId: session.get('userId') ?? null }))
  return app
}

const headerOf = ({ cookies }: Browser) => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')

for (const [folder, { control }] of Object.entries(FOLDERS)) {
  const file = `${folder}app.js`

  t.test(`static file with "${control}": has no renewed cookie, and strangers never get one`, async (t) => {
    const app = await createService(t)
    const browser = new Browser(app)
    await browser.request('/remember')
    t.ok(sessionCookie(await browser.request('/whoami')), 'a renewal is due')
    const own = headerOf(browser)
    const cache = new SharedCache(app)
    for (const [who, cookie] of [
      ['the signed-in user, for whom it is stored', own],
      ['a visitor without a cookie', ''],
      ['the signed-in user again', own],
      ['a visitor with another cookie', 'theirs=1'],
      ['a visitor after all of them', '']
    ] as const) {
      const response = await cache.get(file, cookie)
      t.same(response.setCookies, [], who)
      t.equal(response.headers['cache-control'], control)
      t.equal(response.body, 'console.log(1)')
    }
    t.ok(
      sessionCookie(await browser.request('/whoami')),
      'the next response that is not cacheable has the renewed cookie'
    )
  })

  t.test(`static file with "${control}": 206, 304 and HEAD have no renewed cookie`, async (t) => {
    const app = await createService(t)
    const browser = new Browser(app)
    await browser.request('/remember')
    const { etag } = (await app.inject(file)).headers
    for (const [status, method, headers] of [
      [206, 'GET', { range: 'bytes=0-3' }],
      [304, 'GET', { 'if-none-match': String(etag) }],
      [200, 'HEAD', {}]
    ] as const) {
      const response = await browser.request(file, { method, headers })
      t.equal(response.statusCode, status)
      t.same(response.cookies, [])
      t.equal(response.headers['cache-control'], control)
    }
  })

  t.test(`static file with "${control}": not cacheable if it must set a cookie`, async (t) => {
    const app = await createService(t)
    app.addHook('preHandler', async (request) => {
      if (request.url === file && request.session.get('userId') !== undefined)
        await request.session.regenerate()
    })
    const browser = new Browser(app)
    await browser.request('/remember')
    const cache = new SharedCache(app)
    const own = await cache.get(file, headerOf(browser))
    t.ok(own.setCookies.some((cookie) => cookie.startsWith('__Host-session=')))
    t.match(own.headers, { 'cache-control': 'no-store', vary: /cookie/i })
    const stranger = await cache.get(file, '')
    t.same(stranger.setCookies, [])
    t.equal(stranger.headers['cache-control'], control, 'cacheable without a cookie')
  })
}
