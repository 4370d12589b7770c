// The Redis commands that requests cost, counted by Redis.
import t from 'tap'
import { createApp } from './support/app.js'
import { Browser, sessionCookie } from './support/browser.js'
import { startRedis } from './support/redis-server.js'

for (const serializer of ['json', 'superjson', 'msgpack'] as const) {
  t.test(`requests with ${serializer} cost exactly these Redis commands`, async (t) => {
    const redis = await startRedis(t)
    const app = await createApp(t, { redis: redis.url, serializer })
    app.get('/unused', async () => ({}))
    app.get('/look', async ({ session }) => ({ userId: session.get('userId') }))
    app.get('/objects', async ({ session }) => session.data())
    app.get('/login', async ({ session }) => {
      session.userId = 42
      session.cart = { items: [] }
      session.set('anything', { at: new Date(0), tags: new Set(['a']), nested: [{ deep: 1.5 }] })
      return {}
    })
    app.get('/add', async ({ session }) => session.cart?.items.push('tea'))
    app.get('/same', async ({ session }) => {
      session.userId = 42
      return {}
    })
    app.get('/there-and-back', async ({ session }) => {
      session.cart?.items.push('tea')
      session.cart?.items.pop()
      return {}
    })
    app.get('/empty', async ({ session }) => {
      for (const key of Object.keys(session)) session.delete(key as 'userId')
      return {}
    })
    const browser = new Browser(app)
    const costOf = async (url: string): Promise<Record<string, number>> => {
      const { statusCode } = await browser.request(url)
      t.equal(statusCode, 200, url)
      return redis.commands()
    }
    await redis.commands()
    t.same(await costOf('/unused'), {}, 'no cookie, session not read')
    t.same(await costOf('/look'), {}, 'no cookie, session read')
    t.same(await costOf('/login'), { set: 1 }, 'a new session')
    t.same(await costOf('/unused'), { get: 1 }, 'existing session, not read')
    t.same(await costOf('/look'), { get: 1 }, 'a read; no touch is due')
    t.same(await costOf('/objects'), { get: 1 }, 'objects read and not changed')
    t.same(await costOf('/same'), { get: 1 }, 'a key set to the same value')
    t.same(await costOf('/there-and-back'), { get: 1 }, 'a change that was undone')
    t.same(
      await costOf('/add'),
      { get: 1, evalsha: 1, getrange: 1, set: 1 },
      'a modification: one read, one script'
    )
    t.same(
      await costOf('/add'),
      { get: 1, evalsha: 1, getrange: 1, set: 1 },
      'a modification: one read, one script'
    )
    t.same(await costOf('/empty'), { get: 1, evalsha: 1, getrange: 1, del: 1 }, 'last key deleted')
    t.equal(browser.cookies.size, 0, 'the cookie is cleared')
    t.equal(await redis.client.dbsize(), 0, 'the record is deleted')
  })
}

t.test('Set-Cookie: the browser gets no cookie that it already has', async (t) => {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url })
  app.get('/login', async ({ session }) => session.set('userId', 1))
  app.get('/count', async ({ session }) => session.set('count', (session.count ?? 0) + 1))
  app.get('/look', async ({ session }) => session.count)
  app.get('/unused', async () => ({}))
  const browser = new Browser(app)
  t.ok(sessionCookie(await browser.request('/login')))
  for (const url of ['/count', '/look', '/unused']) {
    const response = await browser.request(url)
    t.equal(sessionCookie(response), undefined, url)
    t.equal(response.headers.vary, url === '/unused' ? undefined : 'Cookie', url)
    t.equal(response.headers['cache-control'], undefined, url)
  }
})
