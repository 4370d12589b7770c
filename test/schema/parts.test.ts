// Versions and checks wherever data is read: in memory, in lists, by the option `user`, and after adoption.
import t from 'tap'
import { expressSession } from '../../lib/adopt/index.js'
import type { Dictionary, RedisSessionOptions, SchemaOptions } from '../../lib/index.js'
import { openRecord } from '../../lib/records/record.js'
import { sessionOf, signedIn as signedInTest } from '../../lib/testing/index.js'
import * as old from '../adopt/old-application.js'
import { createApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { until } from '../support/gate.js'
import { startRedis } from '../support/redis-server.js'
import { checking, isNumber } from './standard.js'

const schema: SchemaOptions = {
  version: 2,
  upgrade: { 1: ({ name, ...data }) => ({ ...data, userId: Number(name) }) },
  validate: checking({ userId: isNumber, name: (name) => name === undefined })
}

t.test(
  'nearCache: an entry is upgraded once for all requests, and again when the session has changed',
  async (t) => {
    const redis = await startRedis(t)
    const before = await createApp(t, { redis: redis.url })
    before.get('/begin', async ({ session }) => {
      Object.assign(session, { name: '7', cart: { items: ['a'] } })
      return {}
    })
    let upgrades = 0
    const upgrade = {
      1: ({ name, ...data }: Dictionary) => {
        upgrades++
        return { ...data, userId: Number(name) }
      }
    }
    const app = await createApp(t, { redis: redis.url, nearCache: true, schema: { ...schema, upgrade } })
    app.get('/', async ({ session }) => ({ userId: session.userId, cart: session.peek('cart') }))
    app.get('/own', async ({ session }) => session.data())
    app.get('/count', async ({ session }) => {
      session.count = 1
      return {}
    })
    const browser = new Browser(before)
    await browser.request('/begin')
    browser.visit(app)
    const seen = { userId: 7, cart: { items: ['a'] } }
    await until(async () => {
      await browser.request('/')
      await redis.commands()
      await browser.request('/')
      return (await redis.commands()).get === undefined
    })
    const once = upgrades
    for (let n = 0; n < 5; n++) {
      t.same(await browser.json('/'), seen)
      t.same(await browser.json('/own'), { ...seen })
    }
    t.equal(upgrades, once, 'from memory it is not upgraded again')
    await browser.request('/count')
    t.same(await browser.json('/'), seen)
    t.same(await browser.json('/own'), { ...seen, count: 1 })
  }
)

t.test('nearCache: data that does not pass is an error from memory, too', async (t) => {
  const redis = await startRedis(t)
  const before = await createApp(t, { redis: redis.url })
  before.get('/begin', async ({ session }) => {
    session.name = 'nobody'
    return {}
  })
  const browser = new Browser(before)
  await browser.request('/begin')
  const failing = { ...schema, upgrade: { 1: (data: Dictionary) => ({ ...data, userId: 'x' }) } }
  const strict = await createApp(t, { redis: redis.url, nearCache: true, schema: failing })
  strict.get('/', async ({ session }) => session.userId ?? 0)
  browser.visit(strict)
  await redis.commands()
  await until(async () => {
    t.match((await browser.request('/')).json(), { code: 'FST_SESSION_INVALID', message: /at userId, name;/ })
    return (await redis.commands()).get === undefined
  })
})

t.test('app.sessions: find(), of() and all() show upgraded data, and user sees it', async (t) => {
  const redis = await startRedis(t)
  const options: RedisSessionOptions = { redis: redis.url, user: 'userId' }
  const before = await createApp(t, { redis: redis.url, user: 'name' })
  before.get<{ Params: { name: string } }>('/:name', async ({ params, session }) => {
    session.name = params.name
    return {}
  })
  const app = await createApp(t, { ...options, schema })
  app.get('/count', async ({ session }) => {
    session.count = 1
    return session.id
  })
  await app.ready()
  const browser = new Browser(before)
  await browser.request('/7')
  const other = new Browser(before)
  await other.request('/nobody')
  const id = (await browser.visit(app).request('/count')).body
  const found = await app.sessions.find(id)
  t.same(found?.data(), { userId: 7, count: 1 })
  t.match(await app.sessions.of(7), [{ id, data: { userId: 7, count: 1 } }])
  const all = []
  for await (const { data } of app.sessions.all()) all.push(data)
  t.equal(all.length, 2)
  t.match(new Set(all), new Set([{ userId: 7, count: 1 }, {}]))
  const line = app.logLines.find(({ level }) => level === 50)
  t.match(
    line?.msg,
    /does not pass schema\.validate at userId/,
    'one that cannot be used does not break the list'
  )
  t.equal(await app.sessions.endAllOf(7), 1)
})

t.test('user: a change back to what an earlier version stored is a change of the user', async (t) => {
  const redis = await startRedis(t)
  const before = await createApp(t, { redis: redis.url })
  before.get('/', async ({ session }) => {
    session.userId = 7
    return {}
  })
  const moved: SchemaOptions = { version: 2, upgrade: { 1: () => ({ userId: 8 }) } }
  const app = await createApp(t, { redis: redis.url, user: 'userId', schema: moved })
  app.get('/', async ({ session }) => {
    session.userId = 7
    return {}
  })
  const browser = new Browser(before)
  await browser.request('/')
  await browser.visit(app).request('/')
  t.match(await app.sessions.of(7), [{ data: { userId: 7 } }])
})

t.test('app.sessions.find(): a change is stored as the version of this process', async (t) => {
  const redis = await startRedis(t)
  const before = await createApp(t, { redis: redis.url })
  before.get('/', async ({ session }) => {
    session.name = '7'
    return session.id
  })
  const app = await createApp(t, { redis: redis.url, schema })
  await app.ready()
  const found = await app.sessions.find((await new Browser(before).request('/')).body)
  if (found === undefined) throw new Error('it is not there')
  found.count = 1
  await found.save()
  const [key = ''] = await redis.client.keys('session:*')
  t.equal(openRecord((await redis.client.getBuffer(key)) as Buffer).header.schemaVersion, 2)
  found.userId = 'x' as unknown as number
  await t.rejects(found.save(), { code: 'FST_SESSION_INVALID' })
})

t.test('testing: signedIn() stores the version of the application, and sessionOf() reads it', async (t) => {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url, schema })
  const headers = await signedInTest(app, { userId: 7 })
  t.same(await sessionOf(app, headers), { userId: 7 })
  const [key = ''] = await redis.client.keys('session:*')
  t.equal(openRecord((await redis.client.getBuffer(key)) as Buffer).header.schemaVersion, 2)
  await t.rejects(signedInTest(app, { name: 'Ada' }), { code: 'FST_SESSION_INVALID' })
})

t.test('adopt: sessions of another library have version 1', async (t) => {
  const { client, url } = await startRedis(t)
  const events = old.collectEvents(t)
  const adopt = [expressSession({ secret: old.OLD_SECRET, redis: client })]
  const app = await old.createNewApp(t, { redis: url, adopt, schema, user: 'userId' })
  const browser = await old.signedIn(app, client, { data: { name: '7' } })
  t.same(await browser.json('/look'), { userId: 7 })
  t.same(await browser.json('/look'), { userId: 7 })
  t.match(events, [{ type: 'adopted' }])
  t.equal((await app.sessions.of(7)).length, 1)
})

t.test('adopt: data that does not fit the schema is not adopted, and the old session stays', async (t) => {
  const { client, url } = await startRedis(t)
  const events = old.collectEvents(t)
  const adopt = [expressSession({ secret: old.OLD_SECRET, redis: client })]
  const upgrade = { 1: (data: Dictionary) => data }
  const app = await old.createNewApp(t, { redis: url, adopt, schema: { ...schema, upgrade } })
  const browser = await old.signedIn(app, client, { data: { userId: 'x' } })
  t.same(await browser.json('/look'), {})
  t.match(events, [{ type: 'unadopted', reason: 'schema' }])
  t.match(app.logLines.find(({ level }) => level === 50)?.msg, /does not fit the option schema; correct/)
  t.ok(await client.exists('sess:old-id'))
  t.same(await client.keys('session:*'), [])
})
