// Records that cannot be decoded: no user is signed in, nothing is overwritten, and the log says so.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t, { type Test } from 'tap'
import type { RedisSessionOptions, SessionEvent } from '../lib/index.js'
import { createApp } from './support/app.js'
import { Browser, sessionCookie } from './support/browser.js'
import { startRedis } from './support/redis-server.js'

const header = (tag: number, layout = 1) => {
  const bytes = Buffer.alloc(32)
  bytes.set([0xf5, layout, tag, 0])
  bytes.writeUIntBE(Date.now(), 8, 6)
  bytes.writeUIntBE(Date.now(), 22, 6)
  bytes.writeUInt32BE(3600, 28)
  return bytes
}

const RECORDS = {
  'an unknown tag': Buffer.concat([header(222), Buffer.from('{"userId":1}')]),
  'damaged JSON': Buffer.concat([header(1), Buffer.from('{"userId":')]),
  'not an object': Buffer.concat([header(1), Buffer.from('[1]')]),
  'JSON under the tag of msgpack': Buffer.concat([header(3), Buffer.from('{"userId":1}')]),
  'a later layout': Buffer.concat([header(1, 4), Buffer.from('{"userId":1}')]),
  'a truncated header': header(1).subarray(0, 20),
  'a record of another library': Buffer.from('{"cookie":{"path":"/"},"userId":1}'),
  'no bytes': Buffer.alloc(0),
  'too many bytes': Buffer.concat([header(1), Buffer.from(JSON.stringify({ userId: 'x'.repeat(2_000) }))])
}

async function service(t: Test, options: RedisSessionOptions = {}) {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url, maxRecordBytes: 1_000, ...options })
  app.get('/login', async ({ session }) => {
    await session.regenerate()
    session.userId = 42
    return {}
  })
  app.get('/look', async ({ session }) => ({ data: session.data(), detached: session.detached ?? null }))
  app.get('/count', async ({ session }) => session.set('count', 1))
  app.get('/save', async ({ session }) => {
    session.userId = 1
    await session.save()
  })
  app.get('/again', async ({ session }) => {
    session.data()
    const reloading = session.reload()
    session.userId = 7
    return reloading.catch(({ code }) => ({ code }))
  })
  app.get('/logout', async ({ session }) => session.destroy())
  app.get('/unused', async () => ({}))
  const browser = new Browser(app)
  await browser.request('/login')
  const [key = ''] = await redis.client.keys('*')
  return { app, browser, key, redis }
}

t.test("onUndecodable: 'empty' gives an empty session, and the record stays", async (t) => {
  const { app, browser, key, redis } = await service(t)
  const events: SessionEvent[] = []
  const listen = (event: unknown) => {
    if ((event as SessionEvent).type !== 'load') events.push(event as SessionEvent)
  }
  subscribe('fastify-ioredis-session', listen)
  t.teardown(() => unsubscribe('fastify-ioredis-session', listen))
  for (const [name, record] of Object.entries(RECORDS)) {
    await redis.client.set(key, record, 'PX', 60_000)
    app.logLines.length = 0
    events.length = 0
    const cookies = new Map(browser.cookies)
    t.same(await browser.json('/look'), { data: {}, detached: 'undecodable' }, name)
    const handle = key.slice('session:'.length)
    t.match(events, [{ type: 'undecodable', handle }], 'an event says why')
    t.match(
      app.logLines.find(({ level }) => level === 50)?.msg,
      `record of session ${handle} cannot be decoded`
    )
    t.same(await redis.client.getBuffer(key), record, 'byte for byte')
    for (const [url, data] of Object.entries({ '/count': { count: 1 }, '/save': { userId: 1 } })) {
      for (const [cookie, value] of cookies) browser.cookies.set(cookie, value)
      const response = await browser.request(url)
      t.equal(response.statusCode, 200)
      t.ok(sessionCookie(response), `${name}: ${url} begins another session`)
      t.same(await browser.json('/look'), { data, detached: null })
      t.same(await redis.client.getBuffer(key), record, 'the record stays')
    }
    for (const [cookie, value] of cookies) browser.cookies.set(cookie, value)
  }
})

t.test("onUndecodable: 'error' gives an error", async (t) => {
  const { browser, key, redis } = await service(t, { onUndecodable: 'error' })
  for (const [name, record] of Object.entries(RECORDS)) {
    await redis.client.set(key, record, 'PX', 60_000)
    t.match(
      (await browser.request('/look')).json(),
      { statusCode: 500, code: 'FST_SESSION_UNDECODABLE' },
      name
    )
    t.same(await redis.client.getBuffer(key), record)
  }
})

t.test('regenerate(): a sign-in begins another session and keeps the undecodable record', async (t) => {
  const { browser, key, redis } = await service(t)
  for (const [name, record] of Object.entries(RECORDS)) {
    await redis.client.set(key, record, 'PX', 60_000)
    const cookies = new Map(browser.cookies)
    t.ok(sessionCookie(await browser.request('/login')), name)
    t.match(await browser.json('/look'), { data: { userId: 42 }, detached: null })
    t.same(await redis.client.getBuffer(key), record)
    for (const [cookie, value] of cookies) browser.cookies.set(cookie, value)
  }
})

t.test('reload(): refuses at once, and no change after it is refused', async (t) => {
  const { browser, key, redis } = await service(t)
  await redis.client.set(key, RECORDS['damaged JSON'])
  t.same(await browser.json('/again'), { code: 'FST_SESSION_DETACHED' })
  t.same(
    await browser.json('/look'),
    { data: { userId: 7 }, detached: null },
    'what was set is another session'
  )
})

t.test('destroy(): deletes an undecodable record', async (t) => {
  const { browser, key, redis } = await service(t)
  for (const [name, record] of Object.entries(RECORDS)) {
    await redis.client.set(key, record, 'PX', 60_000)
    const cookies = new Map(browser.cookies)
    t.equal((await browser.request('/logout')).statusCode, 200, name)
    t.equal(await redis.client.exists(key), 0)
    t.equal(browser.cookies.size, 0)
    for (const [cookie, value] of cookies) browser.cookies.set(cookie, value)
  }
})

t.test('onUndecodable: a route that does not read its session is not affected', async (t) => {
  const { app, browser, key, redis } = await service(t)
  await redis.client.set(key, RECORDS['damaged JSON'], 'PX', 60_000)
  t.equal((await browser.request('/unused')).statusCode, 200)
  t.equal(
    app.logLines.find(({ level }) => level === 50),
    undefined
  )
})
