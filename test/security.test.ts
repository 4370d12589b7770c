// Attacks on a service with a real Redis and real cookies.
import t, { type Test } from 'tap'
import { SessionIds } from '../lib/cookies/session-id.js'
import type { RedisSessionOptions } from '../lib/index.js'
import { isTombstone } from '../lib/records/record.js'
import { createApp, type TestApp } from './support/app.js'
import { Browser, sessionCookie } from './support/browser.js'
import { type RedisServer, startRedis } from './support/redis-server.js'

const secret = 'newest secret, thirty-two characters'
const oldSecret = 'oldest secret, thirty-two characters'
const ids = (...secrets: string[]) => new SessionIds('__Host-session', secrets)
const CANARY = 'canary-value-of-a-session'

async function service(t: Test, redis: RedisServer, options: RedisSessionOptions = {}): Promise<TestApp> {
  const app = await createApp(t, { redis: redis.url, secret, ...options })
  app.get('/login', async ({ session }) => {
    session.userId = 42
    session.name = CANARY
    await session.regenerate()
    return {}
  })
  app.get('/whoami', async ({ session }) => ({ userId: session.get('userId') ?? null }))
  app.get('/rotate', async ({ session }) => session.regenerate())
  app.get('/logout', async ({ session }) => session.destroy())
  return app
}

const withCookie = (value: string) => ({ headers: { cookie: `__Host-session=${value}` } })

// OWASP ASVS 5.0: V7.2.1
t.test('session id: an id that the server did not issue is never adopted', async (t) => {
  const redis = await startRedis(t)
  const app = await service(t, redis, { secret: [secret] })
  const chosen = ids(secret).sign(ids().create())
  const response = await app.inject({ url: '/login', ...withCookie(chosen) })
  const issued = sessionCookie(response)?.value ?? ''
  t.not(issued, chosen)
  t.same((await app.inject({ url: '/whoami', ...withCookie(chosen) })).json(), { userId: null })
  t.same((await app.inject({ url: '/whoami', ...withCookie(issued) })).json(), { userId: 42 })
})

t.test('regenerate(): the old id is worthless afterwards', async (t) => {
  const redis = await startRedis(t)
  for (const graceAfterRegenerate of [60, 600]) {
    const app = await service(t, redis, { graceAfterRegenerate })
    const browser = new Browser(app)
    await browser.request('/login')
    const old = browser.cookies.get('__Host-session') ?? ''
    await browser.request('/rotate')
    t.not(browser.cookies.get('__Host-session'), old)
    const response = await app.inject({ url: '/whoami', ...withCookie(old) })
    t.same(response.json(), { userId: null })
    t.equal(sessionCookie(response), undefined, 'the response leaves the new cookie in the browser')
    t.same(await browser.json('/whoami'), { userId: 42 })
    let tombstones = 0
    for (const key of await redis.client.keys('session:*')) {
      const record = (await redis.client.getBuffer(key)) ?? Buffer.alloc(0)
      if (!isTombstone(record)) continue
      tombstones++
      t.notOk(record.includes(CANARY), 'the tombstone holds no data')
      t.ok((await redis.client.pttl(key)) <= graceAfterRegenerate * 1000)
    }
    t.not(tombstones, 0)
  }
})

t.test('Redis: someone who can read it cannot use its contents as a cookie', async (t) => {
  const redis = await startRedis(t)
  for (const secrets of [{ secret }, {}]) {
    const app = await createApp(t, { redis: redis.url, ...secrets })
    app.get('/', async ({ session }) => {
      session.userId = 42
      return session.id
    })
    const response = await app.inject('/')
    const value = sessionCookie(response)?.value ?? ''
    const id = value.slice(0, 44)
    for (const key of await redis.client.keys('*')) {
      t.notMatch(key, id)
      const record = await redis.client.getBuffer(key)
      t.equal(record?.includes(id), false)
      const handle = key.slice('session:'.length)
      t.same((await app.inject({ url: '/', ...withCookie(handle) })).body.length, 43)
    }
    t.equal(
      (await redis.client.keys('*')).includes(`session:${response.body}`),
      true,
      'the handle names the key'
    )
    await redis.client.flushall()
  }
})

t.test('Cookie header: cookies that cannot be ours cost no Redis command', async (t) => {
  const redis = await startRedis(t)
  const app = await service(t, redis)
  const login = await app.inject('/login')
  const good = sessionCookie(login)?.value ?? ''
  await redis.commands()
  const [id = '', signature = ''] = good.split('.')
  const bad = {
    tampered: `${id.startsWith('A') ? 'B' : 'A'}${id.slice(1)}.${signature}`,
    'signed with another secret': ids('x'.repeat(32)).sign(id),
    unsigned: id,
    foreign: 's%3Aabc.def',
    json: '{"userId":42}',
    empty: '',
    oversized: 'A'.repeat(8_000),
    'several cookies': `${id}; __Host-session=; __Host-session=x`
  }
  for (const [name, value] of Object.entries(bad)) {
    const response = await app.inject({ url: '/whoami', ...withCookie(value) })
    t.same(response.json(), { userId: null }, name)
    t.equal(sessionCookie(response), undefined, name)
  }
  t.same(await redis.commands(), {})
  t.same((await app.inject({ url: '/whoami', ...withCookie(good) })).json(), { userId: 42 })
})

t.test('secret: rotation logs no user out', async (t) => {
  const redis = await startRedis(t)
  const browser = new Browser(await service(t, redis, { secret: oldSecret }))
  await browser.request('/login')
  const before = browser.cookies.get('__Host-session')
  browser.visit(await service(t, redis, { secret: [secret, oldSecret] }))
  t.same(await browser.json('/whoami'), { userId: 42 })
  const after = browser.cookies.get('__Host-session')
  t.not(after, before, 'the cookie is signed with the new secret')
  t.equal(after?.slice(0, 44), before?.slice(0, 44), 'the id is the same')
  t.equal(sessionCookie(await browser.request('/whoami')), undefined, 'once')
  browser.visit(await service(t, redis, { secret: [secret] }))
  t.same(await browser.json('/whoami'), { userId: 42 }, 'also after the old secret is removed')
})

// OWASP ASVS 5.0: V3.3.1, V3.3.4
t.test('Set-Cookie: the cookie has the attributes that OWASP requires', async (t) => {
  const redis = await startRedis(t)
  const response = await (await service(t, redis)).inject('/login')
  t.match(
    response.headers['set-cookie'],
    /^__Host-session=[\w-]{44}\.[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/
  )
  t.equal(response.headers['cache-control'], 'no-store')
  t.equal(response.headers.vary, 'Cookie')
})

t.test("cookie.secure: 'auto' follows the connection, also behind a proxy", async (t) => {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url, cookie: { secure: 'auto' } }, { trustProxy: true })
  app.get('/', async ({ session }) => session.set('userId', 1))
  t.notOk(sessionCookie(await app.inject('/'))?.secure)
  const response = await app.inject({ url: '/', headers: { 'x-forwarded-proto': 'https' } })
  t.equal(sessionCookie(response)?.secure, true)
})

// OWASP ASVS 5.0: V16.2.5
t.test('logs and errors: contain neither ids nor payloads', async (t) => {
  const redis = await startRedis(t)
  const app = await service(t, redis, { maxRecordBytes: 500, onUndecodable: 'error' })
  app.get('/huge', async ({ session }) => session.set('anything', CANARY.repeat(50)))
  app.get('/refused', async ({ session }) => session.set('anything', { [CANARY]: 1n }))
  app.get('/lossy', async ({ session }) => session.set('anything', new Map([[CANARY, 1]])))
  app.get('/late', async ({ session }, reply) => {
    reply.send({})
    await reply
    session.set('anything', CANARY)
  })
  const browser = new Browser(app)
  await browser.request('/login')
  const bodies = []
  for (const url of ['/huge', '/refused', '/lossy', '/late', '/rotate'])
    bodies.push((await browser.request(url)).body)
  for (const key of await redis.client.keys('*')) await redis.client.setrange(key, 2, Buffer.from([222]))
  bodies.push((await browser.request('/whoami')).body)
  await redis.stop()
  bodies.push((await browser.request('/login')).body)
  const log = JSON.stringify(app.logLines)
  const codes = ['TOO_LARGE', 'ENCODE', 'UNDECODABLE', 'UNAVAILABLE']
  for (const code of codes) t.match(bodies.join(), `FST_SESSION_${code}`)
  t.match(log, 'lossy')
  const id = (browser.cookies.get('__Host-session') ?? '').slice(0, 44)
  for (const text of [log, bodies.join()]) {
    t.notMatch(text, CANARY)
    t.notMatch(text, id)
    t.notMatch(text, secret)
  }
})

t.test(
  'decorator: a session of one registration is not accepted by another with the same store',
  async (t) => {
    const redis = await startRedis(t)
    const users = await createApp(t, { redis: redis.url })
    users.get('/', async ({ session }) => session.set('userId', 1))
    const admins = await createApp(t, { redis: redis.url, decorator: 'admin' })
    admins.get('/', async (request) => (request as unknown as { admin: object }).admin)
    const value = sessionCookie(await users.inject('/'))?.value
    const response = await admins.inject({ url: '/', headers: { cookie: `__Host-admin=${value}` } })
    t.same(response.json(), {})
  }
)
