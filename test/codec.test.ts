import assert from 'node:assert'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Codec, PayloadError, typeName } from '../lib/data/codec.js'
import { Budget, isEqual } from '../lib/data/equal.js'
import { recordBytes } from '../lib/records/record.js'
import { serializers } from '../serializers/index.js'
import type { Dictionary, Serializer } from '../serializers/serializer.js'
import { v8 } from './contracts/v8.js'
import { nest, samples } from './contracts/values.js'
import fc from './support/properties.js'

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
      message: `it has ${recordBytes(payload.length)} bytes, maxRecordBytes is ${recordBytes(payload.length) - 1} (raise it to read this session)`
    })
  })

  t.test(`${name}: a graph of shared objects is refused before it is encoded`, async (t) => {
    const codec = await codecFor(serializer)
    for (const levels of [24, 64, 1_000]) {
      t.throws(() => codec.encode({ small: 1, graph: graph(levels) }), {
        code: 'FST_SESSION_TOO_LARGE',
        message:
          /holds more than \d+ (objects|levels in all); store less in its largest keys: graph \(more than \d+ .*\), small/
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
      message: `${key} (more than 1000 bytes)`
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

/** Data beyond one of the bounds, within a record of 64 KB. */
const tooMuch: Record<string, () => unknown> = {
  '16384 values': () => Array(16_384).fill(1),
  '8192 objects': () => Array.from({ length: 8_192 }, () => []),
  '8192 objects, of what JSON has no word for': () => Array.from({ length: 8_192 }, () => undefined),
  '2048 entries of Maps and Sets': () => new Set(Array.from({ length: 2_048 }, (_, n) => n)),
  '2048 entries of Maps and Sets, all in all': () =>
    Array.from(
      { length: 683 },
      () =>
        new Map([
          [1, 2],
          [3, 4]
        ])
    ),
  '2048 entries of Maps and Sets, empty ones too': () => Array.from({ length: 2_049 }, () => new Set()),
  '1024 Errors, RegExps and URLs': () =>
    Array.from({ length: 1_025 }, (_, n) => [new Error('x'), /x/, new URL('http://a')][n % 3]),
  '262144 characters of keys': () => {
    const shared = { ['k'.repeat(1_000)]: 1 }
    return Array.from({ length: 263 }, () => shared)
  },
  '1048576 levels in all': () => nest(1_000, Array(2_000).fill(0)),
  '65536 bytes': () => Array(1_000).fill('x'.repeat(66)),
  '65536 bytes, in digits': () => Array(20).fill(1n << 40_000n)
}

t.test('a session holds no more than is cheap to decode, to compare and to encode', async (t) => {
  for (const serializer of [superjson, msgpack, v8]) {
    const codec = await codecFor(serializer, 65_536)
    for (const [name, create] of Object.entries(tooMuch)) {
      const [what] = name.split(',')
      t.throws(
        () => codec.encode({ small: 1, big: create() }),
        {
          code: 'FST_SESSION_TOO_LARGE',
          message: new RegExp(`more than ${what}.*largest keys: big \\(.*\\), small \\(`)
        },
        `${serializer.name}: ${name}`
      )
    }
    const most = {
      objects: Array.from({ length: 8_000 - 2_200 }, () => []),
      set: new Set(Array.from({ length: 2_000 }, (_, n) => n))
    }
    t.same(codec.decode(serializer.tag, codec.encode(most).payload), most)
  }
})

t.test('what an error was caused by is weighed as well', async (t) => {
  for (const serializer of all) {
    const codec = await codecFor(serializer, 65_536)
    t.throws(() => codec.encode({ error: new Error('x', { cause: graph(40) }) }), {
      code: 'FST_SESSION_TOO_LARGE'
    })
  }
})

t.test('what decodes to more than may be stored is refused before anybody looks at it', async (t) => {
  for (const [name, create] of Object.entries(tooMuch)) {
    const codec = await codecFor({ ...v8, decode: () => ({ big: create() }) }, 65_536)
    const [what] = name.split(',')
    t.throws(
      () => codec.decode(v8.tag, Buffer.alloc(1)),
      { message: `it decodes to more than ${what}` },
      name
    )
  }
  const codec = await codecFor({ ...v8, decode: () => ({ deep: nest(5_000) }) }, 65_536)
  t.throws(() => codec.decode(v8.tag, Buffer.alloc(1)), { message: 'it decodes to more than 1024 levels' })
})

t.test('a value that says of itself that it is too much is refused by its key', async (t) => {
  const codec = await codecFor(json)
  t.throws(() => codec.encode({ fine: 1, odd: { toJSON: () => nest(5_000) } }), {
    message: 'serializer json cannot encode odd (Object)'
  })
})

t.test('a function that occurs twice leaves no record that cannot be decoded', async (t) => {
  const run = (): number => 1
  for (const serializer of all) {
    const codec = await codecFor(serializer)
    try {
      codec.decode(serializer.tag, codec.encode({ run, again: [run], symbol: [Symbol.iterator] }).payload)
      t.pass(`${serializer.name} loses it`)
    } catch (error) {
      t.match(error, { code: 'FST_SESSION_ENCODE' }, serializer.name)
    }
  }
})

t.test('msgpack is not asked for what lies inside itself', async (t) => {
  let calls = 0
  const encode = (data: Dictionary) => {
    if (Array.isArray(data.tree)) calls++
    return msgpack.encode(data)
  }
  const codec = await codecFor({ ...msgpack, encode })
  const tree: unknown[] = [Array.from({ length: 1_000 }, () => 'around and around')]
  tree.push({ tree })
  t.throws(() => codec.encode({ fine: 1, tree }), {
    message: 'serializer msgpack cannot encode tree (Array)'
  })
  t.equal(calls, 0)
})

t.test('messages about keys stay short and cheap, whatever the number of keys', async (t) => {
  const codec = await codecFor(json, 65_536)
  const shared = Array.from({ length: 1_000 }, (_, n) => ({ n }))
  const many = Object.fromEntries(Array.from({ length: 60_000 }, (_, n) => [`k${n}`, n % 7 ? 1 : shared]))
  t.throws(() => codec.encode(many), { message: /^the session holds more than .{1,200}$/ })
  let calls = 0
  const refusing = await codecFor({
    ...json,
    encode() {
      calls++
      throw new Error('never')
    }
  })
  const odd = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`k\n${n}`, 1]))
  t.throws(() => refusing.encode(odd), {
    message:
      /^serializer json cannot encode k\\u\{a\}0 \(number\), .{1,300} and 490 more; store another type, or choose another serializer$/
  })
  t.ok(calls < 1_000, `${calls} calls`)
})

t.test('three keys are named, the largest first', async (t) => {
  const codec = await codecFor(json, 100)
  const data = { a: 'x'.repeat(10), b: 'x'.repeat(30), c: 'x'.repeat(20), d: 'x'.repeat(20) }
  t.throws(() => codec.encode(data), { message: /largest keys: b \(38\), c \(28\), d \(28\)$/ })
})

t.test(
  'a key that the serializer refuses is named by its weight where the session is too large',
  async (t) => {
    const codec = await codecFor(json, 100)
    t.throws(() => codec.encode({ a: 'x'.repeat(60), big: 1n, c: 'x'.repeat(50) }), {
      message:
        'the session takes more than 100 bytes, maxRecordBytes is 100; store less in its largest keys: a (68), c (58), big (about 1)'
    })
  }
)

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
  class Invoice {
    readonly total = 1
    static name(): string {
      return 'canary'
    }
  }
  class Line {}
  Object.defineProperty(Line, 'name', { value: 'a\nforged line' })
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  for (const value of [new Invoice(), proxy]) t.equal(typeName(value), 'object')
  t.equal(typeName(new Line()), 'a\\u{a}forged line')
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

async function codecOf(writer: Serializer): Promise<Codec> {
  const codec = new Codec(writer, all, 65_536)
  for (const { tag } of all) await codec.load(tag)
  return codec
}

t.test('a process that writes with another serializer loses nothing of what a record holds', async (t) => {
  const some = samples.filter(({ name }) => !name.startsWith('10,000'))
  for (const before of all) {
    const old = await codecOf(before)
    for (const after of all) {
      const young = await codecOf(after)
      for (const { name, value } of some) {
        let record: Buffer
        try {
          record = old.encode({ value }).payload
        } catch {
          continue
        }
        // What it holds, then a change by the new process, by the old one, and by the new one again.
        const held = old.decode(before.tag, record)
        let tag = before.tag
        for (const [n, codec] of [young, old, young].entries()) {
          const written = codec.encodeLike({ ...codec.decode(tag, record), [`change${n}`]: n }, tag)
          ;({ tag } = written)
          record = written.record.payload
        }
        const { value: back, ...changes } = old.decode(tag, record)
        t.ok(isEqual(back, held.value, new Budget()), `${name} in ${before.name}, changed with ${after.name}`)
        t.same(changes, { change0: 0, change1: 1, change2: 2 })
      }
    }
  }
})

t.test('whatever a record holds, it is the same after a deployment and back', async (t) => {
  const pairs = all.flatMap((before) => all.map((after) => [before, after] as const))
  const codecs = new Map<Serializer, Codec>()
  for (const serializer of all) codecs.set(serializer, await codecOf(serializer))
  const value = fc
    .constantFrom(...samples.filter(({ name }) => !name.startsWith('10,000')))
    .map((s) => s.value)
  const documents = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.oneof(value, fc.array(value, { maxLength: 2 })),
    {
      noNullPrototype: true
    }
  )
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.constantFrom(...pairs), documents, ([before, after], document) => {
        const [old, young] = [codecs.get(before) as Codec, codecs.get(after) as Codec]
        let record: Buffer
        try {
          record = old.encode(document).payload
        } catch {
          return true
        }
        const held = old.decode(before.tag, record)
        const there = young.encodeLike({ ...held, change: 1 }, before.tag)
        const back = old.encodeLike(old.decode(there.tag, there.record.payload), there.tag)
        return isEqual(old.decode(back.tag, back.record.payload), { ...held, change: 1 }, new Budget())
      }),
      { numRuns: 500 }
    )
  )
})

t.test('a record moves to the serializer of the writer as soon as that keeps all of it', async (t) => {
  const codec = await codecOf(json)
  const { tag } = msgpack
  t.match(codec.encodeLike({ n: 1 }, tag), { tag: json.tag, keys: [] })
  t.match(codec.encodeLike({ n: 1, at: new Date(0) }, tag), { tag, keys: ['at'] })
  t.match(codec.encodeLike({ n: 1, big: 1n }, tag), { tag, keys: ['big'] })
  t.match(codec.encodeLike({ n: 1 }, 77), { tag: json.tag, keys: [] }, 'of an unknown one')
  t.match(codec.encodeLike({ n: 1 }, json.tag), { tag: json.tag, keys: [] }, 'of its own')
})

t.test('what is too much to compare stays with its serializer', async (t) => {
  const codec = await codecOf(msgpack)
  const list = Array.from({ length: 1_000 }, (_, n) => ({ n: [[n]] }))
  const data = { set: new Set(structuredClone(list).reverse()), n: 1 }
  t.match(codec.encodeLike(data, v8.tag), { tag: msgpack.tag, keys: [] })
  // In another order, which a Set does not mind.
  const odd = { ...msgpack, decode: () => ({ set: new Set(structuredClone(list).reverse()) }) }
  const both = new Codec(odd, [v8], 65_536)
  await both.load(odd.tag)
  t.match(both.encodeLike({ set: new Set(list) }, v8.tag), { tag: v8.tag, keys: ['set'] })
})

t.test('what the old serializer never kept does not hold a record back', async (t) => {
  const codec = await codecOf(msgpack)
  const { tag } = json
  t.match(codec.encodeLike({ at: new Date(0), big: 1n }, tag), { tag: msgpack.tag, keys: [] })
  t.match(codec.encodeLike({ run: () => 1 }, tag), { tag: msgpack.tag, keys: [] }, 'both lose it')
  t.throws(() => codec.encodeLike({ symbol: Symbol('s'), big: 1n }, tag), { code: 'FST_SESSION_ENCODE' })
})

t.test('a key __proto__ of the session itself is refused, whoever wrote it', async (t) => {
  const codec = new Codec(serializers.json, Object.values(serializers), 65_536)
  const payload = Buffer.from('{"__proto__":{"admin":true},"n":1}')
  t.throws(() => codec.decode(serializers.json.tag, payload), { message: 'it has the key __proto__' })
})

t.test('an encode() that is async is an error, and leaves no rejection behind', async (t) => {
  const later = {
    name: 'later',
    tag: 99,
    encode: async () => Promise.reject(new Error('canary')),
    decode: () => ({})
  }
  const codec = new Codec(later as never, [], 65_536)
  t.throws(() => codec.encode({ n: 1 }), { code: 'FST_SESSION_ENCODE' })
})
