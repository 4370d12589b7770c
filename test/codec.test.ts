import assert from 'node:assert'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Codec, PayloadError, typeName } from '../lib/codec.js'
import { recordBytes } from '../lib/record.js'
import { serializers } from '../serializers/index.js'
import type { Dictionary, Serializer } from '../serializers/serializer.js'
import { v8 } from './contracts/v8.js'
import { nest } from './contracts/values.js'

const all: Serializer[] = [...Object.values(serializers), v8]
const { json, superjson, msgpack } = serializers

async function codecFor(serializer: Serializer, limit = 1_048_576): Promise<Codec> {
  const codec = new Codec(serializer, all, limit)
  await codec.load(serializer.tag)
  return codec
}

/** Two references to one object, level by level: a few hundred bytes in memory, 2^levels in most encodings. */
function graph(levels: number): unknown {
  let value: unknown = { text: 'leaf' }
  for (let level = 0; level < levels; level++) value = { left: value, right: value }
  return value
}

for (const serializer of all) {
  const { name } = serializer

  t.test(`${name}: a session may be as large as maxRecordBytes, and no larger`, async (t) => {
    const data = { text: 'x'.repeat(500), list: [1, 2, 3] }
    const { payload } = (await codecFor(serializer)).encode(data)
    const exact = await codecFor(serializer, recordBytes(payload.length))
    const short = await codecFor(serializer, recordBytes(payload.length) - 1)
    t.same(exact.decode(serializer.tag, exact.encode(data).payload), data)
    t.throws(() => short.encode(data), {
      code: 'FST_SESSION_TOO_LARGE',
      message: new RegExp(
        `takes ${recordBytes(payload.length)} bytes, .* ${recordBytes(payload.length) - 1}; .*: text \\(`
      )
    })
    t.throws(() => short.decode(serializer.tag, payload), {
      message: `it has ${recordBytes(payload.length)} bytes, maxRecordBytes is ${recordBytes(payload.length) - 1}`
    })
  })

  t.test(`${name}: a graph of shared objects is refused before it is encoded`, async (t) => {
    const codec = await codecFor(serializer)
    for (const levels of [24, 64, 1_000]) {
      t.throws(() => codec.encode({ small: 1, graph: graph(levels) }), {
        code: 'FST_SESSION_TOO_LARGE',
        message: /takes more than 1048576 bytes.*largest keys: graph \(more than 1048576\), small/
      })
    }
    t.same(codec.decode(serializer.tag, codec.encode({ graph: graph(8) }).payload), { graph: graph(8) })
  })

  t.test(`${name}: 1,000 levels are stored, 10,000 are refused by key and type`, async (t) => {
    const codec = await codecFor(serializer)
    const data = { deep: nest(1_000) }
    t.ok(
      codec
        .encode(codec.decode(serializer.tag, codec.encode(data).payload))
        .payload.equals(codec.encode(data).payload)
    )
    t.throws(() => codec.encode({ fine: 1, deep: nest(10_000) }), {
      code: 'FST_SESSION_ENCODE',
      message: `serializer ${name} cannot encode deep (Array)`
    })
  })

  t.test(`${name}: an object inside itself`, async (t) => {
    const codec = await codecFor(serializer)
    const tree: Dictionary = { name: 'root', children: [] }
    ;(tree.children as unknown[]).push({ parent: tree })
    if (serializer === json || serializer === msgpack) {
      t.throws(() => codec.encode({ fine: 1, tree }), {
        code: 'FST_SESSION_ENCODE',
        message: `serializer ${name} cannot encode tree (Object)`
      })
    } else {
      const back = codec.decode(serializer.tag, codec.encode({ tree }).payload) as {
        tree: { children: { parent: unknown }[] }
      }
      t.equal(back.tree.children[0]?.parent, back.tree)
    }
  })
}

t.test('the limit counts binary data before it is encoded', async (t) => {
  const codec = await codecFor(superjson, 1_000)
  const sizes = { bytes: new Uint8Array(2_000), buffer: new ArrayBuffer(2_000), text: 'x'.repeat(2_000) }
  for (const [key, value] of Object.entries({
    ...sizes,
    map: new Map([['a', sizes.text]]),
    set: new Set([sizes.text])
  })) {
    t.throws(() => codec.encode({ [key]: value }), {
      code: 'FST_SESSION_TOO_LARGE',
      message: `${key} (more than 1000)`
    })
  }
})

t.test('a list with gaps counts as long as it is', async (t) => {
  const gaps: number[] = []
  gaps[2 ** 32 - 2] = 1
  for (const serializer of all) {
    const codec = await codecFor(serializer)
    t.throws(() => codec.encode({ gaps }), { code: 'FST_SESSION_TOO_LARGE' }, serializer.name)
  }
})

t.test('three keys are named, the largest first', async (t) => {
  const codec = await codecFor(json, 100)
  const data = { a: 'x'.repeat(10), b: 'x'.repeat(30), c: 'x'.repeat(20), d: 'x'.repeat(20) }
  t.throws(() => codec.encode(data), { message: /largest keys: b \(38\), c \(28\), d \(28\)$/ })
})

t.test('a value that says itself how it is encoded is not weighed by what is in it', async (t) => {
  const codec = await codecFor(json, 100)
  const big = { text: 'x'.repeat(1_000), toJSON: () => 'small' }
  t.same(codec.decode(json.tag, codec.encode({ big }).payload), { big: 'small' })
})

t.test('a serializer may answer with a text, and use the same bytes again for the next call', async (t) => {
  const scratch = Buffer.alloc(100)
  for (const encode of [
    (data: Dictionary) => JSON.stringify(data),
    (data: Dictionary) => scratch.subarray(0, scratch.write(JSON.stringify(data)))
  ]) {
    const codec = await codecFor({ ...json, encode })
    const [first, second] = ['Zoë', 'Bob'].map((name) => codec.encode({ name }))
    t.equal(first?.payload.toString(), '{"name":"Zoë"}')
    t.equal(second?.payload.toString(), '{"name":"Bob"}')
  }
})

t.test('a serializer that answers with neither bytes nor text is refused by the key', async (t) => {
  const codec = await codecFor({ ...json, encode: (() => undefined) as unknown as Serializer['encode'] })
  t.throws(() => codec.encode({ userId: 1 }), { message: 'serializer json cannot encode userId (number)' })
})

t.test('every key that is refused is named, and no other', async (t) => {
  const codec = await codecFor(json)
  t.throws(() => codec.encode({ fine: 1, big: 1n, list: [1n] }), {
    message: 'serializer json cannot encode big (bigint), list (Array)'
  })
  const moody: Serializer = {
    ...v8,
    encode(data) {
      if (Object.keys(data).length > 1) throw new Error('two are too many')
      return v8.encode(data)
    }
  }
  const moodyCodec = await codecFor(moody)
  t.throws(() => moodyCodec.encode({ a: 1, b: 'x' }), {
    message: 'serializer v8 cannot encode a (number), b (string)'
  })
})

t.test('a payload of an unknown serializer is refused by its tag', async (t) => {
  const codec = await codecFor(json)
  t.ok(codec.isReady(77), 'there is nothing to load')
  await codec.load(77)
  t.throws(() => codec.decode(77, Buffer.from('{}')), { message: 'no serializer has its tag 77' })
})

t.test('each serializer reads what it wrote, whichever one writes now', async (t) => {
  const codec = await codecFor(json)
  for (const { tag } of all) {
    await codec.load(tag)
    t.ok(codec.isReady(tag))
    t.same(codec.decode(tag, codec.encode({ userId: 1 }, tag).payload), { userId: 1 })
  }
  t.equal(codec.encode({ userId: 1 }).payload.toString(), '{"userId":1}')
  t.equal(codec.encode({ userId: 1 }, 77).payload.toString(), '{"userId":1}', 'an unknown tag')
})

t.test('what a serializer needs is loaded once, when it is needed', async (t) => {
  let loads = 0
  const slow: Serializer = {
    ...v8,
    async load() {
      loads++
      await setImmediate()
    }
  }
  const codec = new Codec(json, [slow], 1_000)
  t.equal(loads, 0)
  t.notOk(codec.isReady(slow.tag))
  const both = Promise.all([codec.load(slow.tag), codec.load(slow.tag)])
  t.notOk(codec.isReady(slow.tag), 'not before it is done')
  await both
  await codec.load(slow.tag)
  t.ok(codec.isReady(slow.tag))
  t.equal(loads, 1)
})

t.test('only an object is a session', async (t) => {
  const results = [undefined, null, 5, 'text', [], new Map(), new Date(), () => {}, new (class Session {})()]
  for (const result of results) {
    const codec = await codecFor({ ...v8, decode: () => result as unknown as Dictionary })
    t.throws(
      () => codec.decode(v8.tag, Buffer.alloc(1)),
      { message: 'serializer v8 finds no object in its payload' },
      typeName(result)
    )
  }
  const codec = await codecFor({ ...v8, decode: () => Object.create(null) })
  t.same(Object.keys(codec.decode(v8.tag, Buffer.alloc(1))), [])
})

t.test('of two serializers with one tag the later one reads, and the writer before all', async (t) => {
  const named = (name: string): Serializer => ({ ...v8, name, decode: () => ({ name }) })
  const codec = new Codec(json, [named('first'), named('second')], 1_000)
  t.same(codec.decode(v8.tag, Buffer.alloc(1)), { name: 'second' })
  const writing = new Codec(named('writer'), [named('first')], 1_000)
  t.same(writing.decode(v8.tag, Buffer.alloc(1)), { name: 'writer' })
})

t.test('an error of a serializer does not show through', async (t) => {
  const codec = await codecFor({
    ...v8,
    decode() {
      throw new Error('canary')
    }
  })
  try {
    codec.decode(v8.tag, Buffer.from('canary'))
    t.fail('it was decoded')
  } catch (error) {
    t.ok(error instanceof PayloadError)
    t.notMatch(`${(error as Error).stack} ${String((error as Error).cause)}`, 'canary')
  }
})

t.test('types have the names that people call them by, and no name that is data', async (t) => {
  class Money {}
  const named = {
    null: null,
    number: 1,
    undefined: undefined,
    Map: new Map(),
    Array: [],
    Money: new Money(),
    function: () => {}
  }
  for (const [name, value] of Object.entries(named)) t.equal(typeName(value), name)
  t.equal(typeName(Object.create(null)), 'object')
  t.equal(typeName({ constructor: { name: 'canary' } }), 'Object')
  t.equal(typeName(Object.create({ constructor: 'canary' })), 'object')
})

t.test('a value that resists is named all the same', (t) => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  class Sly {
    readonly value = 1
    static name() {
      return 'canary'
    }
  }
  const getters = { get: () => assert.fail('canary') }
  const long = { ['x'.repeat(10_000)]: class {} }['x'.repeat(10_000)]
  const resisting = [
    proxy,
    new Sly(),
    new (class {})(),
    Object.create(Object.create(null, { constructor: getters }))
  ]
  for (const value of resisting) t.equal(typeName(value), 'object')
  t.equal(typeName(long && new long()), `${'x'.repeat(60)}…`)
  const codec = new Codec(json, all, 1_000)
  t.throws(() => codec.encode({ fine: 1, wrong: proxy }), {
    code: 'FST_SESSION_ENCODE',
    message: 'serializer json cannot encode wrong (object)'
  })
  t.end()
})
