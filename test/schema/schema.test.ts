// Sessions of earlier and later versions of an application, and the check of what they hold.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Dictionary, RedisSessionOptions, SchemaOptions } from '../../lib/index.js'
import { openRecord } from '../../lib/records/record.js'
import { type SerializerName, serializers } from '../../serializers/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser, sessionCookie } from '../support/browser.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { checking, isNumber, isText, standard } from './standard.js'

const names = Object.keys(serializers) as SerializerName[]

/** Version 1 has `name`, version 2 `first` and `last`, version 3 `person`. */
const upgrade: NonNullable<SchemaOptions['upgrade']> = {
  1: ({ name, ...data }) => {
    const [first, last] = String(name).split(' ')
    return { ...data, first, last }
  },
  2: ({ first, last, ...data }) => ({ ...data, person: { first, last } })
}
const ADA = { person: { first: 'Ada', last: 'Lovelace' } }

/** An application whose routes set and read any key. */
async function deploy(
  t: Test,
  redis: RedisServer,
  schema?: SchemaOptions,
  options: RedisSessionOptions = {}
): Promise<TestApp> {
  const app = await createApp(t, { redis: redis.url, ...(schema && { schema }), ...options })
  app.post('/', async ({ body, session }) => {
    for (const [key, value] of Object.entries(body as Dictionary)) session.set(key as 'anything', value)
    return {}
  })
  app.get('/', async ({ session }) => ({ ...session.data() }))
  app.get('/keys', async ({ session }) => Object.keys(session))
  app.get('/peek', async ({ session }) => session.peek('person' as 'anything') ?? {})
  app.get('/unused', async () => ({}))
  app.post('/regenerate', async ({ body, session }) => {
    await session.regenerate((body as { keep: boolean }).keep)
    for (const [key, value] of Object.entries(body as Dictionary)) session.set(key as 'anything', value)
    session.delete('keep' as 'anything')
    return {}
  })
  app.get('/logout', async ({ session }) => session.destroy())
  return app
}

const post = (browser: Browser, payload: object, url = '/') =>
  browser.request(url, { method: 'POST', payload })

async function onlyRecord({ client }: RedisServer) {
  const [key = ''] = await client.keys('session:*')
  return openRecord((await client.getBuffer(key)) as Buffer)
}

async function versionIn(redis: RedisServer): Promise<number> {
  return (await onlyRecord(redis)).header.schemaVersion
}

t.test(
  'upgrade: a session stored without a version is upgraded from 1, and stored with the next change',
  async (t) => {
    const redis = await startRedis(t)
    for (const serializer of names) {
      await redis.client.flushall()
      const before = await deploy(t, redis, undefined, { serializer })
      const browser = new Browser(before)
      await post(browser, { name: 'Ada Lovelace', count: 1 })
      t.equal(await versionIn(redis), 0)
      const { bytes } = await onlyRecord(redis)
      const after = await deploy(t, redis, { version: 3, upgrade }, { serializer, touchAfter: 1_000 })
      browser.visit(after)
      await redis.commands()
      t.same(await browser.json('/'), { count: 1, ...ADA }, `${serializer}: a request sees version 3`)
      t.same(await browser.json('/keys'), ['count', 'person'])
      t.same(await browser.json('/peek'), ADA.person)
      await browser.request('/unused')
      t.same(await redis.commands(), { get: 4 }, 'reading writes nothing')
      t.same((await onlyRecord(redis)).bytes, bytes)
      await post(browser, { count: 1 })
      t.same((await onlyRecord(redis)).bytes, bytes, 'nor does setting a key to the value that it has')
      await post(browser, { count: 2 })
      t.equal(await versionIn(redis), 3, 'a change stores the version')
      t.same(await browser.json('/'), { count: 2, ...ADA })
      t.same(
        after.logLines.filter(({ level }) => level > 30),
        [],
        'without a warning'
      )
    }
  }
)

t.test('upgrade: a change of serializer and version at once is no change by itself', async (t) => {
  const redis = await startRedis(t)
  for (const writer of names) {
    for (const reader of names) {
      await redis.client.flushall()
      const browser = new Browser(await deploy(t, redis, undefined, { serializer: writer }))
      await post(browser, { name: 'Ada Lovelace', count: 1 })
      const { bytes } = await onlyRecord(redis)
      browser.visit(await deploy(t, redis, { version: 3, upgrade }, { serializer: reader }))
      await post(browser, { count: 1 })
      t.same((await onlyRecord(redis)).bytes, bytes, `${writer}, ${reader}`)
      await post(browser, { count: 2 })
      t.same(await browser.json('/'), { count: 2, ...ADA })
      t.equal((await onlyRecord(redis)).header.tag, serializers[reader].tag)
    }
  }
})

t.test('upgrade: setting back what an upgrade has changed is a change', async (t) => {
  const redis = await startRedis(t)
  const browser = new Browser(await deploy(t, redis))
  await post(browser, { count: 1 })
  browser.visit(await deploy(t, redis, { version: 2, upgrade: { 1: () => ({ count: 2 }) } }))
  t.same(await browser.json('/'), { count: 2 })
  await post(browser, { count: 1 })
  t.same(await browser.json('/'), { count: 1 })
  t.equal(await versionIn(redis), 2)
})

t.test('upgrade: a touch and a new id keep the version that is stored', async (t) => {
  const redis = await startRedis(t)
  const browser = new Browser(await deploy(t, redis))
  await post(browser, { name: 'Ada Lovelace' })
  const app = await deploy(t, redis, { version: 3, upgrade }, { touchAfter: 0 })
  app.get('/permanent', async ({ session }) => {
    session.permanent = true
    return {}
  })
  browser.visit(app)
  const { touchedAt } = (await onlyRecord(redis)).header
  await new Promise((resolve) => setTimeout(resolve, 3))
  await browser.request('/unused')
  t.ok((await onlyRecord(redis)).header.touchedAt > touchedAt)
  t.equal(await versionIn(redis), 0)
  t.same(await browser.json('/'), ADA)
  await browser.request('/permanent')
  t.equal(await versionIn(redis), 0)
  t.same(await browser.json('/'), ADA)
})

t.test('regenerate(): keeps the stored version until the data changes', async (t) => {
  const redis = await startRedis(t)
  const browser = new Browser(await deploy(t, redis))
  await post(browser, { name: 'Ada Lovelace' })
  const app = await deploy(t, redis, { version: 3, upgrade })
  app.get('/renew', async ({ session }) => {
    await session.regenerate()
    return {}
  })
  await browser.visit(app).request('/renew')
  t.same(await browser.json('/'), ADA)
  t.equal((await post(browser, { keep: true, count: 1 }, '/regenerate')).statusCode, 200)
  t.same(await browser.json('/'), { count: 1, ...ADA })
  const records = await Promise.all(
    (await redis.client.keys('session:*')).map(async (key) =>
      openRecord((await redis.client.getBuffer(key)) as Buffer)
    )
  )
  t.same(
    records.filter(({ header }) => !header.moved).map(({ header }) => header.schemaVersion),
    [3]
  )
})

t.test('upgrade: keys that it sets to undefined are not there', async (t) => {
  const redis = await startRedis(t)
  for (const serializer of names) {
    await redis.client.flushall()
    const browser = new Browser(await deploy(t, redis, undefined, { serializer }))
    await post(browser, { name: 'Ada', count: 1 })
    const schema = { version: 2, upgrade: { 1: (data: Dictionary) => ({ ...data, name: undefined }) } }
    browser.visit(await deploy(t, redis, schema, { serializer }))
    t.same(await browser.json('/keys'), ['count'], serializer)
    await post(browser, { count: 2 })
    t.same(await browser.json('/keys'), ['count'])
  }
})

t.test('upgrade: a session of which it leaves nothing stays until it is changed', async (t) => {
  const redis = await startRedis(t)
  const before = await deploy(t, redis)
  const after = await deploy(t, redis, { version: 2, upgrade: { 1: () => ({}) } }, { touchAfter: 0 })
  after.get('/end', async ({ session }) => {
    session.count = 1
    session.delete('count')
    return {}
  })
  const browser = new Browser(before)
  await post(browser, { name: 'Ada' })
  browser.visit(after)
  t.same(await browser.json('/'), {})
  await browser.request('/keys')
  t.same(await browser.visit(before).json('/'), { name: 'Ada' }, 'a read ends no session')
  browser.visit(after)
  await post(browser, { count: 1 })
  t.same(await browser.json('/'), { count: 1 })
  t.equal((await redis.client.keys('session:*')).length, 1)
  browser.cookies.clear()
  await post(browser.visit(before), { name: 'Ada' })
  await browser.visit(after).request('/end')
  t.equal(browser.cookies.size, 0, 'a session that a request empties ends')
})

t.test(
  'upgrade: one that fails is an error that names the version, and nothing is overwritten',
  async (t) => {
    const redis = await startRedis(t)
    const failing: [why: RegExp, step: unknown][] = [
      [/throws TypeError/, () => (undefined as unknown as { x: { y: 1 } }).x.y],
      [
        /throws string/,
        () => {
          throw 'Ada'
        }
      ],
      [/returns no object/, () => undefined],
      [/returns no object/, (data: Dictionary) => [data]],
      [/returns no object/, async (data: Dictionary) => data],
      [/returns no object/, () => Promise.reject(new Error('Ada'))]
    ]
    for (const [why, step] of failing) {
      await redis.client.flushall()
      const browser = new Browser(await deploy(t, redis))
      await post(browser, { name: 'Ada Lovelace', count: 1 })
      const { bytes } = await onlyRecord(redis)
      const schema = { version: 3, upgrade: { ...upgrade, 2: step } } as SchemaOptions
      const app = await deploy(t, redis, schema, { onUndecodable: 'empty' })
      browser.visit(app)
      for (const response of [await browser.request('/'), await post(browser, { count: 2 })]) {
        t.match(response.json(), {
          statusCode: 500,
          code: 'FST_SESSION_UPGRADE',
          message: /version 2, .*; correct/
        })
        t.match(response.json().message, why)
      }
      t.equal(
        (await browser.request('/unused')).statusCode,
        200,
        'a request that does not look is not affected'
      )
      t.notMatch(JSON.stringify(app.logLines), /Ada|Lovelace/)
      t.same((await onlyRecord(redis)).bytes, bytes)
      browser.visit(await deploy(t, redis, { version: 3, upgrade }))
      t.same(await browser.json('/'), { count: 1, ...ADA }, 'the next deployment reads it')
    }
  }
)

t.test("onInvalid: 'empty' begins another session, and the record stays", async (t) => {
  const redis = await startRedis(t)
  const broken = {
    upgrade: () => {
      throw new Error('Ada')
    },
    validate: checking({ name: isNumber })
  }
  const schemas: SchemaOptions[] = [
    { version: 2, upgrade: { 1: broken.upgrade }, onInvalid: 'empty' },
    { version: 1, validate: broken.validate, onInvalid: 'empty' }
  ]
  for (const schema of schemas) {
    await redis.client.flushall()
    const browser = new Browser(await deploy(t, redis))
    await post(browser, { name: 'Ada' })
    const { bytes } = await onlyRecord(redis)
    const [key = ''] = await redis.client.keys('session:*')
    const app = await deploy(t, redis, schema, { onUndecodable: 'error' })
    t.same(await browser.visit(app).json('/'), {})
    const [line] = app.logLines.filter(({ level }) => level === 50)
    t.match(line?.msg, key.slice('session:'.length), 'the log names the session')
    t.match(line, { session: { type: 'undecodable', reason: /schema\.(upgrade\[1\]|validate at name)/ } })
    t.ok(sessionCookie(await post(browser, { count: 1 })), 'a write begins another session')
    t.same(await browser.json('/'), { count: 1 })
    t.same(await redis.client.getBuffer(key), bytes)
    t.notMatch(JSON.stringify(app.logLines), /Ada/)
  }
})

t.test("onInvalid: 'error' is an error, and the session can be ended or begun again", async (t) => {
  const redis = await startRedis(t)
  const app = await deploy(t, redis, { version: 1, validate: checking({ name: isNumber }) })
  for (const serializer of names) {
    await redis.client.flushall()
    const browser = new Browser(await deploy(t, redis, undefined, { serializer }))
    await post(browser, { name: 'Ada', count: 1 })
    browser.visit(app)
    for (const url of ['/', '/keys', '/peek']) {
      t.match((await browser.request(url)).json(), {
        code: 'FST_SESSION_INVALID',
        message: /validate at name; correct/
      })
    }
    t.equal((await post(browser, { keep: false, count: 2 }, '/regenerate')).statusCode, 200)
    t.same(await browser.json('/'), { count: 2 })
    await redis.client.flushall()
    await post(browser.visit(await deploy(t, redis)), { name: 'Ada' })
    t.equal((await browser.visit(app).request('/logout')).statusCode, 200)
    t.same(await redis.client.keys('session:*'), [])
  }
})

t.test(
  'validate: a commit that does not pass is an error that names the path, and stores nothing',
  async (t) => {
    const redis = await startRedis(t)
    const validate = standard((data) => {
      const issues = []
      if (typeof data.name !== 'string') issues.push({ message: 'secret', path: ['name'] })
      if (data.cart !== undefined)
        issues.push({ message: 'secret', path: [{ key: 'cart' }, 'items', 0, Symbol('x')] })
      if (data.count === 'secret') issues.push({ message: 'secret' })
      if (data.anything !== undefined)
        issues.push({ message: 'secret', path: ['k"\n'.repeat(99), 'a'.repeat(99)] })
      return issues.length > 0 ? { issues } : { value: data }
    })
    const app = await deploy(t, redis, { version: 1, validate })
    app.get('/save', async ({ session }) => {
      session.set('name', 5 as unknown as string)
      const error = await session.save().catch((reason) => reason)
      session.set('name', 'Grace')
      await session.save()
      return { code: error.code }
    })
    const browser = new Browser(app)
    const refused: [data: object, where: RegExp][] = [
      [{ count: 1 }, /validate at name; /],
      [{ name: 'Ada', cart: {} }, /validate at cart\.items\[0\]\.Symbol\(x\); /],
      [{ cart: {} }, /validate at name, cart\.items\[0\]/],
      [{ name: 'Ada', count: 'secret' }, /validate at the session as a whole; /],
      [{ name: 'Ada', anything: 1 }, /validate at k\\"\\u\{a\}k/]
    ]
    for (const start of [{}, { name: 'Ada', first: 'secret' }]) {
      await redis.client.flushall()
      browser.cookies.clear()
      if ('name' in start) await post(browser, start)
      const stored = await redis.client.keys('session:*')
      for (const [data, where] of refused) {
        if ('name' in start) Object.assign(data, { name: (data as { name?: string }).name ?? 5 })
        const response = await post(browser, data)
        t.match(response.json(), { statusCode: 500, code: 'FST_SESSION_INVALID', message: where })
        t.ok(response.json().message.length < 600)
        t.same(await redis.client.keys('session:*'), stored)
        t.same(await browser.json('/'), start)
      }
    }
    t.same(
      await browser.json('/save'),
      { code: 'FST_SESSION_INVALID' },
      'save() rejects, and works once it is right'
    )
    t.match(await browser.json('/'), { name: 'Grace' })
    t.notMatch(JSON.stringify(app.logLines), /secret/)
  }
)

t.test('validate: what a commit has stored passes when it is read', async (t) => {
  const redis = await startRedis(t)
  const isDate = checking({ anything: (value) => value instanceof Date })
  const revived = standard(({ anything, ...data }) => ({
    value: { ...data, ...(anything === undefined ? {} : { anything: new Date(anything as string) }) }
  }))
  const at = new Date('2026-11-05T12:00:00.000Z')
  const withDate = async (serializer: SerializerName, validate: typeof revived) => {
    const app = await deploy(t, redis, { version: 1, validate }, { serializer })
    app.get('/date', async ({ session }) => session.set('anything', at))
    app.get('/is-date', async ({ session }) => session.peek('anything') instanceof Date)
    return app
  }
  const strict = await withDate('json', isDate)
  const browser = new Browser(strict)
  t.match(
    (await browser.request('/date')).json(),
    { code: 'FST_SESSION_INVALID' },
    'JSON does not keep a Date'
  )
  for (const serializer of ['superjson', 'msgpack'] as const) {
    browser.cookies.clear()
    browser.visit(await withDate(serializer, isDate))
    t.equal((await browser.request('/date')).statusCode, 200, serializer)
    t.equal((await browser.request('/is-date')).body, 'true')
  }
  browser.cookies.clear()
  const app = await withDate('json', revived)
  browser.visit(app)
  t.equal((await browser.request('/date')).statusCode, 200)
  t.equal(
    (await browser.request('/is-date')).body,
    'true',
    'a schema that makes a Date of a text brings it back'
  )
  await redis.commands()
  await browser.request('/date')
  t.same(await redis.commands(), { get: 1 }, 'the same date again is no change')
  await post(browser, { count: 1 })
  t.same(await browser.json('/'), { anything: at.toISOString(), count: 1 })
  t.same(
    app.logLines.filter(({ level }) => level > 30),
    [],
    'no warning of a value that is not kept'
  )
  browser.visit(await withDate('msgpack', revived))
  await redis.commands()
  await browser.request('/date')
  t.same(await redis.commands(), { get: 1 }, 'nor is it one for another serializer')
})

t.test('validate: a merge of two requests keeps what the schema made of the values', async (t) => {
  const redis = await startRedis(t)
  const validate = standard(({ anything, ...data }) => ({
    value: { ...data, ...(anything === undefined ? {} : { anything: new Date(anything as string) }) }
  }))
  const app = await deploy(t, redis, { version: 1, validate })
  const browser = new Browser(app)
  const tab = new Browser(app)
  app.get('/date', async ({ session }) => session.set('anything', new Date(1_000)))
  app.get('/slow', async ({ session }) => {
    const all = session.data()
    session.count = 1
    await tab.request('/date')
    await session.save()
    return { isDate: all.anything instanceof Date, count: all.count }
  })
  app.get('/unread', async ({ session }) => {
    session.count = 2
    await tab.request('/date')
    await session.save()
    return { isDate: session.get('anything') instanceof Date }
  })
  for (const [url, seen] of Object.entries({
    '/slow': { isDate: true, count: 1 },
    '/unread': { isDate: true }
  })) {
    browser.cookies.clear()
    await post(browser, { name: 'Ada', anything: new Date(500) })
    for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
    t.same(await browser.json(url), seen, url)
    t.match(await browser.json('/'), { name: 'Ada', anything: new Date(1_000).toISOString() })
  }
})

t.test('validate: its output is what a request reads, and keys that it does not know stay', async (t) => {
  const redis = await startRedis(t)
  const browser = new Browser(await deploy(t, redis))
  await post(browser, { name: ' Ada ', passport: { user: 1 } })
  const validate = standard(({ name }) => ({
    value: { name: String(name).trim(), theme: 'light', count: undefined }
  }))
  browser.visit(await deploy(t, redis, { version: 1, validate }))
  const seen = { name: 'Ada', passport: { user: 1 }, theme: 'light' }
  await redis.commands()
  t.same(await browser.json('/'), seen)
  await post(browser, { theme: 'light' })
  t.same(await redis.commands(), { get: 2 }, 'the difference is no change of the request')
  await post(browser, { theme: 'dark' })
  const { payload } = await onlyRecord(redis)
  t.same(JSON.parse(payload.toString()), { ...seen, theme: 'dark' })
})

t.test('validate: one that is asynchronous or throws is an error that names the option', async (t) => {
  const redis = await startRedis(t)
  const browser = new Browser(await deploy(t, redis))
  const broken: [why: RegExp, validate: Parameters<typeof standard>[0]][] = [
    [/schema\.validate: is asynchronous/, async (value) => ({ value })],
    [/schema\.validate: is asynchronous/, () => Promise.reject(new Error('Ada'))],
    [
      /schema\.validate: throws RangeError/,
      () => {
        throw new RangeError('Ada')
      }
    ]
  ]
  for (const [message, validate] of broken) {
    await redis.client.flushall()
    browser.cookies.clear()
    await post(browser.visit(await deploy(t, redis)), { name: 'Ada' })
    const { bytes } = await onlyRecord(redis)
    const app = await deploy(t, redis, { version: 1, validate: standard(validate) })
    browser.visit(app)
    for (const response of [await browser.request('/'), await post(browser, { count: 2 })])
      t.match(response.json(), { code: 'FST_SESSION_OPTION', message })
    t.match((await post(new Browser(app), { count: 2 })).json(), { code: 'FST_SESSION_OPTION', message })
    t.same((await onlyRecord(redis)).bytes, bytes)
    t.notMatch(JSON.stringify(app.logLines), /Ada/)
  }
})

t.test('cost: how often a request upgrades and checks in production', async (t) => {
  const redis = await startRedis(t)
  t.intercept(process, 'env', { value: { ...process.env, NODE_ENV: 'production' } })
  const calls = { upgrade: 0, validate: 0 }
  const count = (call: keyof typeof calls) => (data: Dictionary) => {
    calls[call]++
    return data
  }
  const validate = standard((value) => ({ value: count('validate')(value) }))
  const schema = { version: 2, upgrade: { 1: count('upgrade') }, validate }
  for (const user of [undefined, 'userId'] as const) {
    await redis.client.flushall()
    const options = user === undefined ? {} : { user }
    const browser = new Browser(await deploy(t, redis, undefined, options))
    await post(browser, { userId: 1, count: 1 })
    browser.visit(await deploy(t, redis, schema, options))
    const during = async (request: () => Promise<unknown>) => {
      calls.upgrade = calls.validate = 0
      await request()
      return [calls.upgrade, calls.validate]
    }
    t.same(await during(() => browser.request('/unused')), [0, 0])
    t.same(await during(() => browser.request('/')), [1, 1])
    const ofEarlier = await during(() => post(browser, { count: 2 }))
    t.same(ofEarlier, user === undefined ? [2, 3] : [3, 5], 'it changes a session of an earlier version')
    const ofThis = await during(() => post(browser, { count: 3 }))
    t.same(ofThis, user === undefined ? [0, 3] : [0, 5], 'or of this one')
  }
})

t.test('cost: only an application with the option imports the part', async (t) => {
  const files = readdirSync('lib', { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.startsWith('schema/')
  )
  const imports = files.flatMap((name) =>
    (readFileSync(join('lib', name), 'utf8').match(/^.*'\.\.?\/schema\/.*$/gm) ?? []).filter(
      (line) => !/^(?:im|ex)port type /.test(line)
    )
  )
  t.match(imports, [/await import\('\.\.\/schema\/open\.js'\)/])
  t.equal(imports.length, 1)
})

t.test('a later version is read as it is, and stored as that version', async (t) => {
  const redis = await startRedis(t)
  const validate = checking({ name: isText, count: isNumber })
  const apps = [
    await deploy(t, redis),
    await deploy(t, redis, { version: 1, validate }),
    await deploy(t, redis, { version: 2, upgrade: { 1: () => ({}) }, validate })
  ]
  const newer = await deploy(t, redis, { version: 3, upgrade })
  for (const older of apps) {
    await redis.client.flushall()
    const browser = new Browser(newer)
    await post(browser, { ...ADA, name: 5 })
    browser.visit(older)
    t.same(await browser.json('/'), { ...ADA, name: 5 }, 'what it does not know is not checked')
    await post(browser, { count: 1 })
    t.equal(await versionIn(redis), 3)
    browser.visit(newer)
    t.same(await browser.json('/'), { ...ADA, name: 5, count: 1 })
    await post(browser, { count: 2 })
    t.same(await browser.visit(older).json('/'), { ...ADA, name: 5, count: 2 })
  }
})

t.test('regenerate(false) by an earlier version begins a session of that version', async (t) => {
  const redis = await startRedis(t)
  const newer = await deploy(t, redis, { version: 3, upgrade })
  const older: [version: number, schema?: SchemaOptions][] = [
    [0],
    [2, { version: 2, upgrade: { 1: upgrade[1] as () => Dictionary } }]
  ]
  for (const [version, schema] of older) {
    await redis.client.flushall()
    const browser = new Browser(newer)
    await post(browser, ADA)
    const [old = ''] = await redis.client.keys('session:*')
    browser.visit(await deploy(t, redis, schema))
    const data = version === 2 ? { first: 'Ada', last: 'Lovelace' } : { name: 'Ada Lovelace' }
    t.equal((await post(browser, { keep: false, ...data }, '/regenerate')).statusCode, 200)
    await redis.client.del(old)
    t.equal(await versionIn(redis), version)
    t.same(await browser.visit(newer).json('/'), ADA, 'which the later version upgrades')
  }
})
