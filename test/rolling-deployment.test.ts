// Three processes of one service, each writing with another serializer, and one browser.
import { isDeepStrictEqual } from 'node:util'
import t, { type Test } from 'tap'
import { openRecord } from '../lib/records/record.js'
import { type SerializerName, serializers } from '../serializers/index.js'
import { createApp, type TestApp } from './support/app.js'
import { Browser } from './support/browser.js'
import { type RedisServer, startRedis } from './support/redis-server.js'

const names = Object.keys(serializers) as SerializerName[]
const AT = new Date('2026-11-05T12:00:00.000Z')
const values = {
  text: 'žluťoučký 🎉',
  nested: { list: [1, { two: 2 }], none: null },
  date: AT,
  map: new Map<string, unknown>([
    ['a', AT],
    ['b', new Map([[1, 2]])]
  ]),
  set: new Set(['x', 'y']),
  bytes: Buffer.from([0, 255])
}
type Value = keyof typeof values
const plain: readonly Value[] = ['text', 'nested']

async function deploy(t: Test, redis: RedisServer, serializer: SerializerName): Promise<TestApp> {
  const app = await createApp(t, { redis: redis.url, serializer })
  app.get<{ Params: { name: Value } }>('/set/:name', async ({ session, params }) => {
    session.set(params.name as 'anything', values[params.name])
    return {}
  })
  app.get<{ Params: { name: Value } }>('/kept/:name', async ({ session, params }) =>
    isDeepStrictEqual(session.get(params.name as 'anything'), values[params.name])
  )
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return {}
  })
  app.get('/keys', async ({ session }) => Object.keys(session))
  app.get('/look', async ({ session }) => Object.values(session.data()).length)
  return app
}

async function deployAll(t: Test) {
  const redis = await startRedis(t)
  const apps = new Map<SerializerName, TestApp>()
  for (const name of names) apps.set(name, await deploy(t, redis, name))
  const at = (browser: Browser, name: SerializerName): Browser => {
    const app = apps.get(name)
    if (app === undefined) throw new Error(`no application writes ${name}`)
    return browser.visit(app)
  }
  const newBrowser = (name: SerializerName) => at(new Browser(apps.get(name) as TestApp), name)
  /** The tag of the only record. */
  const tagInRedis = async (): Promise<number> => {
    const [key = ''] = await redis.client.keys('session:*')
    return openRecord((await redis.client.getBuffer(key)) ?? Buffer.alloc(0)).header.tag
  }
  return { redis, at, newBrowser, tagInRedis }
}

function* orders<Item>(items: readonly Item[]): Generator<Item[]> {
  if (items.length === 0) yield []
  for (const item of items)
    for (const rest of orders(items.filter((other) => other !== item))) yield [item, ...rest]
}

t.test('serializer: a user visits all processes in every order and is never logged out', async (t) => {
  const { redis, at, newBrowser } = await deployAll(t)
  for (const order of orders(names)) {
    const [writer = 'json'] = order
    const browser = newBrowser(writer)
    // What JSON cannot keep is set only if another serializer writes first.
    const set = (Object.keys(values) as Value[]).filter((name) => writer !== 'json' || plain.includes(name))
    for (const name of set) await browser.request(`/set/${name}`)
    const cookie = [...browser.cookies.values()].join()
    for (const reader of [...order, ...order]) {
      at(browser, reader)
      t.same(await browser.json('/keys'), set, `${order.join()}: ${reader} finds what ${writer} wrote`)
      for (const name of set)
        t.ok(await browser.json(`/kept/${name}`), `${reader} reads ${name} of ${writer}`)
    }
    t.equal([...browser.cookies.values()].join(), cookie, 'the cookie is the same')
  }
  t.equal((await redis.client.keys('session:*')).length, 6, 'one session per round')
})

t.test(
  'serializer: each process changes what another wrote, and all that its serializer supports is kept',
  async (t) => {
    const { at, newBrowser, tagInRedis, redis } = await deployAll(t)
    for (const order of orders(names)) {
      await redis.client.flushall()
      const browser = newBrowser('superjson')
      await browser.request('/set/nested')
      let previous: SerializerName | undefined
      for (const writer of order) {
        at(browser, writer)
        await browser.request('/count')
        for (const name of Object.keys(values)) await browser.request(`/set/${name}`)
        // Values that JSON cannot keep stay with the other serializer as long as the record has them.
        const holder = writer === 'json' ? (previous ?? writer) : writer
        t.equal(await tagInRedis(), serializers[holder].tag, `${writer} wrote with ${holder}`)
        previous = holder
        for (const reader of names) {
          at(browser, reader)
          const kept = await Promise.all(
            (Object.keys(values) as Value[]).map(async (name) => [name, await browser.json(`/kept/${name}`)])
          )
          const lost = kept.filter(([, isKept]) => !isKept).map(([name]) => name)
          t.same(lost, holder === 'json' ? ['date', 'map', 'set', 'bytes'] : [], `${reader} reads ${holder}`)
        }
      }
    }
  }
)

t.test('serializer: a request that only reads never rewrites a record', async (t) => {
  const { redis, at, newBrowser, tagInRedis } = await deployAll(t)
  for (const writer of names) {
    await redis.client.flushall()
    const browser = newBrowser(writer)
    for (const name of plain) await browser.request(`/set/${name}`)
    if (writer !== 'json')
      for (const name of ['date', 'map', 'set', 'bytes']) await browser.request(`/set/${name}`)
    await redis.commands()
    for (const reader of names) {
      at(browser, reader)
      await browser.request('/look')
      await browser.request('/kept/nested')
      await browser.request('/set/text')
    }
    t.same(
      await redis.commands(),
      { get: 9 },
      `no process rewrites what ${writer} wrote, nor values set again unchanged`
    )
    t.equal(await tagInRedis(), serializers[writer].tag)
  }
})

t.test(
  'serializer: a Date that JSON stored as a string becomes a Date once a capable process sets it',
  async (t) => {
    const { at, newBrowser, redis } = await deployAll(t)
    for (const writer of ['superjson', 'msgpack'] as const) {
      await redis.client.flushall()
      const browser = newBrowser('json')
      await browser.request('/set/date')
      at(browser, writer)
      t.notOk(await browser.json('/kept/date'), 'a string')
      await browser.request('/set/date')
      t.ok(await browser.json('/kept/date'), `a Date in ${writer}`)
    }
  }
)

t.test('serializer: a rolled-back deployment reads what the newer one wrote', async (t) => {
  const redis = await startRedis(t)
  const before = await deploy(t, redis, 'json')
  const browser = new Browser(before)
  await browser.request('/set/text')
  const after = await deploy(t, redis, 'msgpack')
  await browser.visit(after).request('/set/date')
  t.ok(await browser.json('/kept/date'))
  await after.close()
  const again = await deploy(t, redis, 'json')
  browser.visit(again)
  t.same(await browser.json('/keys'), ['text', 'date'])
  t.ok(await browser.json('/kept/date'), 'the Date that the newer version wrote')
  await browser.request('/set/nested')
  t.same(await browser.json('/keys'), ['text', 'date', 'nested'])
  t.ok(await browser.json('/kept/text'))
})

t.test('serializer: a value that the serializer of the record refuses is stored by the writer', async (t) => {
  const redis = await startRedis(t)
  const [before, after] = [
    await deploy(t, redis, 'json'),
    await createApp(t, { redis: redis.url, serializer: 'msgpack' })
  ]
  after.get('/big', async ({ session }) => session.set('anything', 10n))
  after.get('/small', async ({ session }) => session.set('count', 1))
  after.get('/is-big', async ({ session }) => session.get('anything') === 10n)
  const browser = new Browser(before)
  await browser.request('/set/text')
  t.equal((await browser.visit(after).request('/big')).statusCode, 200)
  t.equal((await browser.request('/is-big')).body, 'true')
  t.match(
    await browser.visit(before).request('/set/nested'),
    { statusCode: 200 },
    'a value that JSON lacks stays with msgpack'
  )
  t.match(await browser.json('/keys'), ['text', 'anything', 'nested'])
  t.equal((await browser.visit(after).request('/is-big')).body, 'true')
})

t.test(
  'serializer: a merge of two serializers loses nothing, and a refused value can be deleted there',
  async (t) => {
    const redis = await startRedis(t)
    const after = await createApp(t, { redis: redis.url, serializer: 'msgpack' })
    after.get('/big', async ({ session }) => session.set('anything', 10n))
    after.get('/count', async ({ session }) => session.set('count', 1))
    const before = await createApp(t, { redis: redis.url, serializer: 'json' })
    const browser = new Browser(after)
    const tab = new Browser(after)
    before.get('/', async ({ session }) => {
      await tab.request('/count')
      session.delete('anything')
      session.name = 'Ada'
      return {}
    })
    before.get('/data', async ({ session }) => session.data())
    await browser.request('/big')
    for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
    t.equal((await browser.visit(before).request('/')).statusCode, 200)
    t.same(await browser.json('/data'), { count: 1, name: 'Ada' })
  }
)

t.test(
  'regenerate(keys): dropping a value that the serializer refuses keeps the changes of others',
  async (t) => {
    const redis = await startRedis(t)
    const after = await createApp(t, { redis: redis.url, serializer: 'msgpack' })
    const later = new Date('2026-11-06T12:00:00.000Z')
    after.get('/begin', async ({ session }) => {
      Object.assign(session, { big: 10n, date: AT })
      return {}
    })
    after.get('/later', async ({ session }) => session.set('date' as 'anything', later))
    const before = await createApp(t, { redis: redis.url, serializer: 'json' })
    const browser = new Browser(after)
    const tab = new Browser(after)
    before.get('/', async ({ session }) => {
      await session.regenerate(['date' as 'anything'])
      await tab.request('/later')
      return {}
    })
    before.get('/data', async ({ session }) => session.data())
    t.equal((await browser.request('/begin')).statusCode, 200)
    for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
    t.equal((await browser.visit(before).request('/')).statusCode, 200)
    t.same(await browser.json('/data'), { date: later.toISOString() })
  }
)
