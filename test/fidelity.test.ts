import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t, { type Test } from 'tap'
import { Codec } from '../lib/data/codec.js'
import { FidelityCheck, KeptReport } from '../lib/data/fidelity.js'
import { MemoryStore, type RedisSessionOptions } from '../lib/index.js'
import { serializers } from '../serializers/index.js'
import type { Serializer } from '../serializers/serializer.js'
import { createApp, type TestApp } from './support/app.js'
import { Browser } from './support/browser.js'

class Money {
  constructor(readonly secret: string) {}
}

interface Lossy {
  key: string
  valueType: string
  serializer: string
}

/** An application whose route `/set` stores the given values. Each request may pass others. */
async function appFor(t: Test, serializer: RedisSessionOptions['serializer'] & string) {
  const app = await createApp(t, { store: new MemoryStore(), serializer })
  let values: Record<string, unknown> = {}
  app.get('/set', async ({ session }) => {
    for (const [key, value] of Object.entries(values)) session.set(key as 'anything', value)
    return {}
  })
  const browser = new Browser(app)
  return {
    app,
    async set(next: Record<string, unknown>): Promise<number> {
      values = next
      return (await browser.request('/set')).statusCode
    }
  }
}

function warnings(app: TestApp): string[] {
  return app.logLines
    .filter(({ level, session }) => level === 40 && session !== undefined)
    .map(({ msg }) => msg)
}

t.test('lossy values: the log warns about them with key, path and type', async (t) => {
  const { app, set } = await appFor(t, 'json')
  await set({
    fine: { list: [1, 'a', null, { b: true }] },
    at: new Date(0),
    map: new Map([['secret', 1]]),
    nothing: Number.NaN,
    call: () => 'secret',
    user: { name: 'secret', orders: [{ id: 1 }, { id: 2, total: new Money('secret') }] },
    deep: [[new Set(['secret'])]],
    bare: Object.create(null)
  })
  const lost = (path: string, type: string) =>
    `session key ${path}: serializer json does not keep this ${type}: convert it, or choose another serializer`
  t.same(warnings(app), [
    lost('at', 'Date'),
    lost('map', 'Map'),
    lost('nothing', 'number'),
    lost('call', 'function'),
    lost('user.orders[1].total', 'Money'),
    lost('deep[0][0]', 'Set'),
    lost('bare', 'object')
  ])
  t.notMatch(JSON.stringify(app.logLines), 'secret', 'the log contains no value')
})

t.test('lossy values: one warning per key', async (t) => {
  const { app, set } = await appFor(t, 'json')
  await set({ at: new Date(0) })
  await set({ at: new Date(1) })
  await set({ at: new Date(2), other: new Date(3) })
  t.equal(warnings(app).length, 2)
  t.match(warnings(app)[1], /^session key other:/)
})

t.test('lossy values: only those of this serializer are reported', async (t) => {
  for (const serializer of ['superjson', 'msgpack'] as const) {
    const { app, set } = await appFor(t, serializer)
    await set({
      ...{
        at: new Date(0),
        map: new Map([[1, new Set([2n])]]),
        bytes: Buffer.from('a'),
        nothing: [undefined, Number.NaN]
      },
      ...{ list: [new Money('x')], price: new Money('y') }
    })
    t.same(
      warnings(app).map((line) => line.split(':')[0]),
      ['session key list[0]', 'session key price']
    )
  }
})

t.test('lossy values: a value inside a Map is reported under the Map', async (t) => {
  const { app, set } = await appFor(t, 'msgpack')
  await set({ map: new Map([['price', new Money('x')]]) })
  t.match(warnings(app), [/^session key map: .* this Map: /])
})

t.test('lossy values: a change inside an object is checked like a new value', async (t) => {
  const app = await createApp(t, { store: new MemoryStore(), serializer: 'json' })
  app.get('/new', async ({ session }) => {
    session.set('anything', { items: [] })
    return {}
  })
  app.get('/add', async ({ session }) => {
    ;(session.get('anything') as { items: unknown[] }).items.push(new Date(0))
    return {}
  })
  const browser = new Browser(app)
  await browser.request('/new')
  t.same(warnings(app), [])
  await browser.request('/add')
  t.match(warnings(app), [/^session key anything.items\[0\]: .* this Date: /])
})

t.test('lossy values: an event is published', async (t) => {
  const events: Lossy[] = []
  const listen = (message: unknown): void => {
    if ((message as { type: string }).type === 'lossy') events.push(message as Lossy)
  }
  subscribe('fastify-ioredis-session', listen)
  t.teardown(() => unsubscribe('fastify-ioredis-session', listen))
  const { set } = await appFor(t, 'json')
  await set({ map: new Map() })
  t.same(events, [{ type: 'lossy', key: 'map', valueType: 'Map', serializer: 'json' }])
})

t.test('commit: what a serializer cannot decode again is not stored', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const broken = { name: 'broken', tag: 99, encode: () => Buffer.from('x'), decode: () => JSON.parse('x') }
  const app = await createApp(t, { store, serializer: broken })
  app.get('/', async ({ session }) => session.set('name', 'canary'))
  const { code, message } = (await app.inject('/')).json()
  t.equal(code, 'FST_SESSION_ENCODE')
  t.match(message, 'serializer broken cannot encode name: it does not decode what it encodes')
  t.equal(store.size, 0)
})

t.test('lossy values: keys can neither forge nor flood a log line', async (t) => {
  const { app, set } = await appFor(t, 'json')
  const long = 'x'.repeat(5_000)
  await set({
    map: { 'a\nb': { [long]: new Map() } },
    'evil\r\nkey': new Map(),
    [long]: new Map(),
    deep: Array.from({ length: 5 }).reduce<unknown>((inner) => ({ [long]: inner }), new Map())
  })
  const lines = warnings(app)
  t.equal(lines.length, 4)
  t.match(lines[0], `session key map.a\\u{a}b.${'x'.repeat(60)}…: `)
  t.match(lines[1], 'session key evil\\u{d}\\u{a}key: ')
  for (const line of lines) t.ok(!line.includes('\n') && line.length < 500)
  for (const { session } of app.logLines) t.notMatch(JSON.stringify(session) ?? '', 'x'.repeat(100))
})

t.test('lossy values: warnings stop after 100 keys', async (t) => {
  const { app, set } = await appFor(t, 'json')
  for (let n = 0; n < 30; n++) {
    await set(Object.fromEntries(Array.from({ length: 5 }, (_, k) => [`k${n}-${k}`, new Set()])))
  }
  t.equal(warnings(app).length, 100)
})

t.test('lossy values: data that is too large to compare is stored without a warning', async (t) => {
  const { app, set } = await appFor(t, 'superjson')
  const list = Array.from({ length: 1_000 }, (_, n) => ({ n }))
  const moody = new Set(list)
  t.equal(await set({ moody, map: new Map(list.map((item) => [item, 1])) }), 200)
  t.same(warnings(app), [])
  const check = new FidelityCheck()
  const { codec, log, lines } = await codecWith(serializers.superjson)
  const { payload } = codec.encode({ set: new Set([...list].reverse()) })
  check.check({ set: moody }, { header: { tag: codec.writer.tag, schemaVersion: 0 }, payload }, codec, log)
  t.same(lines, [])
})

t.test('lossy values: an error thrown by the data is rethrown', async (t) => {
  const { codec, log } = await codecWith(serializers.json)
  const failing = {
    get value() {
      throw new TypeError('oops')
    }
  }
  const { payload } = codec.encode({ a: { value: 1 } })
  const stored = { header: { tag: codec.writer.tag, schemaVersion: 0 }, payload }
  t.throws(() => new FidelityCheck().check({ a: failing }, stored, codec, log), { message: 'oops' })
})

t.test('kept serializer: reported once per key, in production too', async (t) => {
  const events: unknown[] = []
  const listen = (message: unknown): void => {
    events.push(message)
  }
  subscribe('fastify-ioredis-session', listen)
  t.teardown(() => unsubscribe('fastify-ioredis-session', listen))
  const { codec, log, lines } = await codecWith(serializers.json)
  const { tag } = serializers.msgpack
  const report = new KeptReport()
  const data = { n: 1, at: new Date(0), 'a\nb': new Map([['canary', 'canary']]) }
  for (let n = 0; n < 3; n++) {
    const { keys, tag: written } = codec.encodeLike(data, tag)
    t.equal(written, tag)
    report.warn(keys, tag, data, codec, log)
  }
  t.same(lines, [
    'session key at: msgpack still writes it, since json cannot keep this Date: convert it, or choose another serializer',
    'session key a\\u{a}b: msgpack still writes it, since json cannot keep this Map: convert it, or choose another serializer'
  ])
  t.same(events[0], {
    type: 'kept',
    key: 'at',
    valueType: 'Date',
    serializer: 'json',
    recordSerializer: 'msgpack'
  })
  t.equal(codec.nameOf(99), 'json')
  for (let n = 0; n < 200; n++) report.warn([`k${n}`], tag, { [`k${n}`]: new Map() }, codec, log)
  t.equal(lines.length, 100, 'reports stop after 100 keys')
})

async function codecWith(writer: Serializer) {
  const codec = new Codec(writer, Object.values(serializers), 65_536)
  for (const { tag } of Object.values(serializers)) await codec.load(tag)
  const lines: string[] = []
  const line = (_: object, message: string): void => {
    lines.push(message)
  }
  return { codec, lines, log: { error: line, warn: line, info: line } }
}

t.test('lossy values: no warning in production', async (t) => {
  const { NODE_ENV } = process.env
  t.teardown(() => {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = NODE_ENV
  })
  process.env.NODE_ENV = 'production'
  const { app, set } = await appFor(t, 'json')
  t.equal(await set({ at: new Date(0) }), 200)
  t.same(
    warnings(app).filter((line) => line.includes('does not keep')),
    []
  )
})
