// Requests of several versions of an application that change one session at once.
import t, { type Test } from 'tap'
import {
  type Dictionary,
  MemoryStore,
  mergeRules,
  type RedisSessionOptions,
  type SchemaOptions,
  type SerializerName
} from '../../lib/index.js'
import { openRecord, type SessionRecord } from '../../lib/records/record.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { HeldStore } from '../support/held-store.js'
import fc, { type Arbitrary } from '../support/properties.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'

interface Form {
  /** The version whose form this is. */
  v: number
  edits: number[]
}

/** Each version has another form. A step that is applied twice, or left out, leaves a form of another version. */
const step = (data: Dictionary): Dictionary => {
  const { v, edits } = data.anything as Form
  return { ...data, anything: { v: v + 1, edits } }
}

function schemaOf(version: number): SchemaOptions {
  return {
    version,
    upgrade: Object.fromEntries(Array.from({ length: version - 1 }, (_, n) => [n + 1, step]))
  }
}

/** What a request changes. */
type Kind = 'nothing' | 'count' | 'key' | 'form'

interface Step {
  /** Whose request it is. 0 does not have the option. */
  version: number
  kind: Kind
  /** Requests that begin and end while this one is under way. */
  during: Step[]
}

const SERIALIZERS: SerializerName[] = ['json', 'msgpack', 'superjson', 'json']

async function deploy(t: Test, version: number, options: RedisSessionOptions): Promise<TestApp> {
  const app = await createApp(t, {
    ...options,
    ...(version > 0 && { schema: schemaOf(version) }),
    serializer: SERIALIZERS[version] as SerializerName,
    merge: { count: mergeRules.sum }
  })
  app.get('/begin', async ({ session }) => {
    session.anything = { v: Math.max(version, 1), edits: [] }
    session.count = 0
    return {}
  })
  app.get('/data', async ({ session }) => session.data())
  app.get('/renew', async ({ session }) => {
    await session.regenerate()
    return {}
  })
  return app
}

async function livingRecord({ client }: RedisServer): Promise<SessionRecord> {
  for (const key of await client.keys('session:*')) {
    const record = openRecord((await client.getBuffer(key)) as Buffer)
    if (!record.header.moved) return record
  }
  throw new Error('nobody is signed in')
}

t.test('merge: requests of any versions lose nothing, and the higher version stands', async (t) => {
  const redis = await startRedis(t)
  const apps: TestApp[] = []
  const works = new Map<string, (session: { [key: string]: unknown }) => Promise<void>>()
  for (const version of [0, 1, 2, 3]) {
    const app = await deploy(t, version, { redis: redis.url })
    app.get<{ Params: { id: string } }>('/work/:id', async ({ params, session }) => {
      await works.get(params.id)?.(session as never)
      return {}
    })
    apps.push(app)
  }
  const appOf = (version: number) => apps[version] as TestApp
  let ids = 0
  let conflicts = 0

  async function perform(browser: Browser, { version, kind, during }: Step, expected: Map<string, unknown>) {
    const id = ++ids
    let before = 0
    works.set(String(id), async (session) => {
      // Reads it as its version.
      const form = session.anything as Form
      for (const inner of during) await perform(browser, inner, expected)
      before = (await livingRecord(redis)).header.schemaVersion
      if (kind === 'count') session.count = (session.count as number) + 1
      if (kind === 'key') session[`key${id}`] = id
      if (kind === 'form') session.anything = { ...form, edits: [...form.edits, id] }
    })
    const request = new Browser(appOf(version))
    for (const [name, value] of browser.cookies) request.cookies.set(name, value)
    const { statusCode } = await request.request(`/work/${id}`)
    const after = (await livingRecord(redis)).header.schemaVersion
    if (statusCode === 409 && kind === 'form') {
      conflicts++
      if (after !== before) throw new Error('a refused commit stored something')
      return
    }
    if (statusCode !== 200) throw new Error(`status ${statusCode} for ${kind}`)
    if (after !== (kind === 'nothing' ? before : Math.max(before, version)))
      throw new Error(`${before} became ${after} by a request of version ${version} that changed ${kind}`)
    if (kind === 'count') expected.set('count', (expected.get('count') as number) + 1)
    if (kind === 'key') expected.set(`key${id}`, id)
  }

  const steps = (during: Arbitrary<Step[]>, maxLength: number): Arbitrary<Step[]> =>
    fc.array(
      fc.record({
        version: fc.integer({ min: 0, max: 3 }),
        kind: fc.constantFrom<Kind>('nothing', 'count', 'key', 'form'),
        during
      }),
      { maxLength }
    )
  const deployed = steps(steps(steps(fc.constant([]), 1), 2), 3)
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 3 }), deployed, fc.boolean(), async (first, steps, renew) => {
      await redis.client.flushall()
      const browser = new Browser(appOf(first))
      await browser.request('/begin')
      const expected = new Map<string, unknown>([['count', 0]])
      for (const each of steps) await perform(browser, each, expected)
      const { header } = await livingRecord(redis)
      if (renew) await browser.request('/renew')
      const renewed = (await livingRecord(redis)).header
      if (renewed.schemaVersion !== header.schemaVersion) throw new Error('a new id changed the version')
      // Without the option, data is seen in the form of the version that is stored.
      for (const version of [0, 1, 2, 3]) {
        const { anything, ...data } = await browser.visit(appOf(version)).json<{ anything: Form }>('/data')
        const { v } = anything
        if (v !== Math.max(version, header.schemaVersion, 1))
          throw new Error(`version ${version} sees form ${v}`)
        for (const [key, value] of expected)
          if ((data as Dictionary)[key] !== value) throw new Error(`${key} is lost`)
      }
    }),
    { numRuns: 80 }
  )
  t.ok(conflicts > 0, 'some requests changed the form of an earlier version')
})

t.test('merge: a key that another version has changed is replaced by a merge rule only', async (t) => {
  const redis = await startRedis(t)
  const newer = await deploy(t, 3, { redis: redis.url })
  newer.get('/next', async ({ session }) => {
    session.name = 'Grace'
    return {}
  })
  for (const [kind, code] of Object.entries({ name: 409, same: 200, other: 200, ruled: 200 })) {
    const older = await deploy(t, 2, { redis: redis.url })
    const browser = new Browser(older)
    const tab = new Browser(newer)
    older.get('/', async ({ session }) => {
      session.data()
      await tab.request('/next')
      if (kind === 'ruled') session.count = 1
      else if (kind === 'other') session.userId = 1
      else session.name = kind === 'same' ? 'Grace' : 'Ada'
      return {}
    })
    await browser.request('/begin')
    for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
    const response = await browser.request('/')
    t.equal(response.statusCode, code, kind)
    if (code === 409)
      t.match(response.json(), { code: 'FST_SESSION_CONFLICT', message: /changed name; send/ })
    t.match(await tab.json('/data'), { name: 'Grace', anything: { v: 3 } })
  }
})

t.test('save(): a change in the form of an earlier version during save() is refused', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const held = new HeldStore(memory)
  const older = await deploy(t, 2, { store: held.store })
  older.get('/', async ({ session }) => {
    session.name = 'Ada'
    const saved = session.save()
    const refused = await held.hold('update', 'after')
    const stored = held.hold('update', 'after')
    refused()
    const release = await stored
    session.anything = { v: 2, edits: [1] }
    release()
    return saved
  })
  const newer = await deploy(t, 3, { store: memory })
  newer.get('/count', async ({ session }) => {
    session.count = 5
    return {}
  })
  const browser = new Browser(older)
  await browser.request('/begin')
  const stopped = held.hold('update')
  const answer = browser.request('/')
  const release = await stopped
  const tab = new Browser(newer)
  for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
  await tab.request('/count')
  release()
  t.match((await answer).json(), { code: 'FST_SESSION_CONFLICT' })
  t.same(await tab.json('/data'), { name: 'Ada', count: 5, anything: { v: 3, edits: [] } })
})

t.test(
  'failover: a version that was lost is stored again if this process knows it, or refused',
  async (t) => {
    const redis = await startRedis(t)
    const cases: [reader: number, others: boolean, status: number, seen: object][] = [
      [3, false, 200, { count: 2, userId: 1, anything: { v: 3, edits: [] } }],
      [3, true, 200, { count: 0, name: 'Grace', userId: 1, anything: { v: 3, edits: [] } }],
      [2, false, 409, { count: 0, anything: { v: 3, edits: [] } }],
      [2, true, 409, { count: 0, name: 'Grace', anything: { v: 3, edits: [] } }]
    ]
    const newer = await deploy(t, 3, { redis: redis.url })
    newer.get('/count', async ({ session }) => {
      session.count = 2
      return {}
    })
    const other = await deploy(t, 1, { redis: redis.url })
    other.get('/name', async ({ session }) => {
      session.name = 'Grace'
      return {}
    })
    for (const [reader, others, status, seen] of cases) {
      await redis.client.flushall()
      const browser = new Browser(other)
      const tab = new Browser(other)
      await browser.request('/begin')
      for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
      const [key = ''] = await redis.client.keys('session:*')
      const lost = (await redis.client.getBuffer(key)) as Buffer
      await browser.visit(newer).request('/count')
      const app = await deploy(t, reader, { redis: redis.url })
      app.get('/', async ({ session }) => {
        session.data()
        await redis.client.set(key, lost, 'PX', 60_000)
        if (others) await tab.request('/name')
        session.userId = 1
        return {}
      })
      t.equal((await browser.visit(app).request('/')).statusCode, status, `${reader} ${others}`)
      t.same(await browser.visit(newer).json('/data'), seen)
    }
  }
)
