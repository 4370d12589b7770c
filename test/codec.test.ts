import assert from 'node:assert'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { nest, samples } from '../contracts/values.js'
import { Codec, typeName } from '../lib/data/codec.js'
import { Budget, isEqual } from '../lib/data/equal.js'
import { PayloadError } from '../lib/data/payload-error.js'
import { recordBytes } from '../lib/records/record.js'
import { serializers } from '../serializers/index.js'
import type { Dictionary, Serializer } from '../serializers/serializer.js'
import v8 from './contracts/v8.js'
import fc from './support/properties.js'

const all: Serializer[] = [...Object.values(serializers), v8]
const { json, superjson, msgpack } = serializers

async function codecFor(serializer: Serializer, limit = 1_048_576): Promise<Codec> {
  const codec = new Codec(serializer, all, limit)
  await codec.load(serializer.tag)
  return codec
}

/** Two references to one object at each level: a few hundred bytes in memory, 2^levels in most encodings. */
function graph(levels: number): unknown {
  let value: unknown = { text: 'leaf' }
  for (let level = 0; level < levels; level++) value = { left: value, right: value }
  return value
}

t.test(
  'encode(): what is named in the error of a large session costs no more than a few sessions',
  async (t) => {
    const codec = await codecFor(json, 65_536)
    const values = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`key${n}`, n]))
    const part = { ...values, deep: nest(1_100) }
    const data = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`part${n}`, part]))
    // The keys that were weighed before the search was over.
    t.throws(() => codec.encode(data), {
      code: 'FST_SESSION_TOO_LARGE',
      message: /part0 \(more than 16384 values\)/
    })
  }
)

for (const serializer of all) {
  const { name } = serializer

  t.test(`maxRecordBytes with ${name}: a session may be exactly that large, and no larger`, async (t) => {
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

  t.test(`encode() with ${name}: a graph of shared objects is refused before it is encoded`, async (t) => {
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

  t.test(
    `encode() with ${name}: 1,000 levels are stored; 10,000 are refused with key and type`,
    async (t) => {
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
    }
  )

  t.test(`encode() with ${name}: an object inside itself is refused or restored`, async (t) => {
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

t.test('maxRecordBytes: binary data counts before it is encoded', async (t) => {
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

t.test('maxRecordBytes: a sparse list counts with its full length', async (t) => {
  const gaps: number[] = []
  gaps[2 ** 32 - 2] = 1
  for (const serializer of all) {
    const codec = await codecFor(serializer)
    t.throws(() => codec.encode({ gaps }), { code: 'FST_SESSION_TOO_LARGE' }, serializer.name)
  }
})

/** Data that exceeds one of the limits but fits into a record of 64 KB. */
const tooMuch: Record<string, () => unknown> = {
  '16384 values': () => Array(16_384).fill(1),
  '8192 objects': () => Array.from({ length: 8_192 }, () => []),
  '8192 objects, for values that JSON lacks': () => Array.from({ length: 8_192 }, () => undefined),
  '2048 entries of Maps and Sets': () => new Set(Array.from({ length: 2_048 }, (_, n) => n)),
  '2048 entries of Maps and Sets, in total': () =>
    Array.from(
      { length: 683 },
      () =>
        new Map([
          [1, 2],
          [3, 4]
        ])
    ),
  '2048 entries of Maps and Sets, counting empty ones': () => Array.from({ length: 2_049 }, () => new Set()),
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

t.test('encode(): data that is expensive to decode, compare or encode is refused', async (t) => {
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

t.test('encode(): the cause of an Error counts too', async (t) => {
  for (const serializer of all) {
    const codec = await codecFor(serializer, 65_536)
    t.throws(() => codec.encode({ error: new Error('x', { cause: graph(40) }) }), {
      code: 'FST_SESSION_TOO_LARGE'
    })
  }
})

t.test('decode(): data beyond the limits is refused before anyone reads it', async (t) => {
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

t.test('encode(): a toJSON() that returns too many levels is refused by key', async (t) => {
  const codec = await codecFor(json)
  t.throws(() => codec.encode({ fine: 1, odd: { toJSON: () => nest(5_000) } }), {
    message: 'serializer json cannot encode odd (Object)'
  })
})

t.test('encode(): a function that occurs twice never leaves a record that cannot be decoded', async (t) => {
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

t.test('encode(): msgpack is not called for an object inside itself', async (t) => {
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

t.test('encode(): error messages stay short and cheap, however many keys there are', async (t) => {
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

t.test('encode(): a session that is too large names its three largest keys, largest first', async (t) => {
  const codec = await codecFor(json, 100)
  const data = { a: 'x'.repeat(10), b: 'x'.repeat(30), c: 'x'.repeat(20), d: 'x'.repeat(20) }
  t.throws(() => codec.encode(data), { message: /largest keys: b \(38\), c \(28\), d \(28\)$/ })
})

t.test(
  'encode(): a key that the serializer refuses is listed by size when the session is too large',
  async (t) => {
    const codec = await codecFor(json, 100)
    t.throws(() => codec.encode({ a: 'x'.repeat(60), big: 1n, c: 'x'.repeat(50) }), {
      message:
        'the session takes more than 100 bytes, maxRecordBytes is 100; store less in its largest keys: a (68), c (58), big (about 1)'
    })
  }
)

t.test('encode(): a value with toJSON() counts by what toJSON() returns', async (t) => {
  const codec = await codecFor(json, 100)
  const big = { text: 'x'.repeat(1_000), toJSON: () => 'small' }
  t.same(codec.decode(json.tag, codec.encode({ big }).payload), { big: 'small' })
})

t.test('encode(): a serializer may return a string, or reuse its buffer in the next call', async (t) => {
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

t.test('encode(): a serializer that returns neither bytes nor a string is refused by key', async (t) => {
  const codec = await codecFor({ ...json, encode: (() => undefined) as unknown as Serializer['encode'] })
  t.throws(() => codec.encode({ userId: 1 }), { message: 'serializer json cannot encode userId (number)' })
})

t.test('encode(): an error names every refused key and no other', async (t) => {
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

t.test('decode(): a payload of an unknown serializer is refused by its tag', async (t) => {
  const codec = await codecFor(json)
  t.ok(codec.isReady(77), 'nothing to load')
  await codec.load(77)
  t.throws(() => codec.decode(77, Buffer.from('{}')), { message: 'no serializer has its tag 77' })
})

t.test('decode(): each serializer reads what it wrote, whichever one writes now', async (t) => {
  const codec = await codecFor(json)
  for (const { tag } of all) {
    await codec.load(tag)
    t.ok(codec.isReady(tag))
    t.same(codec.decode(tag, codec.encode({ userId: 1 }, tag).payload), { userId: 1 })
  }
  t.equal(codec.encode({ userId: 1 }).payload.toString(), '{"userId":1}')
  t.equal(codec.encode({ userId: 1 }, 77).payload.toString(), '{"userId":1}', 'an unknown tag')
})

t.test('load(): a serializer is loaded once, when it is first needed', async (t) => {
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
  t.notOk(codec.isReady(slow.tag), 'not before load() has finished')
  await both
  await codec.load(slow.tag)
  t.ok(codec.isReady(slow.tag))
  t.equal(loads, 1)
})

t.test('decode(): only a plain object is accepted as a session', async (t) => {
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

t.test('decode(): if two serializers share a tag, the writer reads, then the later one', async (t) => {
  const named = (name: string): Serializer => ({ ...v8, name, decode: () => ({ name }) })
  const codec = new Codec(json, [named('first'), named('second')], 1_000)
  t.same(codec.decode(v8.tag, Buffer.alloc(1)), { name: 'second' })
  const writing = new Codec(named('writer'), [named('first')], 1_000)
  t.same(writing.decode(v8.tag, Buffer.alloc(1)), { name: 'writer' })
})

t.test('decode(): an error of a serializer does not leak into ours', async (t) => {
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

t.test('typeName(): values have the names of their classes, and never data', async (t) => {
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

t.test('typeName(): a value that throws when inspected still gets a name', (t) => {
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

t.test(
  'encodeLike(): a process that writes with another serializer loses nothing from a record',
  async (t) => {
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
          // The original record, then a change by the new process, by the old one, and by the new one again.
          const held = old.decode(before.tag, record)
          let tag = before.tag
          for (const [n, codec] of [young, old, young].entries()) {
            const written = codec.encodeLike({ ...codec.decode(tag, record), [`change${n}`]: n }, tag)
            ;({ tag } = written)
            record = written.record.payload
          }
          const { value: back, ...changes } = old.decode(tag, record)
          t.ok(
            isEqual(back, held.value, new Budget()),
            `${name} in ${before.name}, changed with ${after.name}`
          )
          t.same(changes, { change0: 0, change1: 1, change2: 2 })
        }
      }
    }
  }
)

t.test('encodeLike(): any record is the same after a deployment and its rollback', async (t) => {
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

t.test(
  'encodeLike(): a record moves to the serializer of the writer once that one keeps everything',
  async (t) => {
    const codec = await codecOf(json)
    const { tag } = msgpack
    t.match(codec.encodeLike({ n: 1 }, tag), { tag: json.tag, keys: [] })
    t.match(codec.encodeLike({ n: 1, at: new Date(0) }, tag), { tag, keys: ['at'] })
    t.match(codec.encodeLike({ n: 1, big: 1n }, tag), { tag, keys: ['big'] })
    t.match(codec.encodeLike({ n: 1 }, 77), { tag: json.tag, keys: [] }, 'unknown serializer')
    t.match(codec.encodeLike({ n: 1 }, json.tag), { tag: json.tag, keys: [] }, 'same serializer')
  }
)

t.test('encodeLike(): data that is too large to compare stays with its serializer', async (t) => {
  const codec = await codecOf(msgpack)
  const list = Array.from({ length: 1_000 }, (_, n) => ({ n: [[n]] }))
  const data = { set: new Set(structuredClone(list).reverse()), n: 1 }
  t.match(codec.encodeLike(data, v8.tag), { tag: msgpack.tag, keys: [] })
  // The order differs, which does not matter for a Set.
  const odd = { ...msgpack, decode: () => ({ set: new Set(structuredClone(list).reverse()) }) }
  const both = new Codec(odd, [v8], 65_536)
  await both.load(odd.tag)
  t.match(both.encodeLike({ set: new Set(list) }, v8.tag), { tag: v8.tag, keys: ['set'] })
})

t.test('encodeLike(): values that the old serializer never kept do not hold a record back', async (t) => {
  const codec = await codecOf(msgpack)
  const { tag } = json
  t.match(codec.encodeLike({ at: new Date(0), big: 1n }, tag), { tag: msgpack.tag, keys: [] })
  t.match(codec.encodeLike({ run: () => 1 }, tag), { tag: msgpack.tag, keys: [] }, 'both lose it')
  t.throws(() => codec.encodeLike({ symbol: Symbol('s'), big: 1n }, tag), { code: 'FST_SESSION_ENCODE' })
})

t.test('decode(): a session with the key __proto__ is refused, whichever serializer wrote it', async (t) => {
  const codec = new Codec(serializers.json, Object.values(serializers), 65_536)
  const payload = Buffer.from('{"__proto__":{"admin":true},"n":1}')
  t.throws(() => codec.decode(serializers.json.tag, payload), { message: 'it has the key __proto__' })
})

t.test('encode(): an async encode() is an error and leaves no unhandled rejection', async (t) => {
  const later = {
    name: 'later',
    tag: 99,
    encode: async () => Promise.reject(new Error('canary')),
    decode: () => ({})
  }
  const codec = new Codec(later as never, [], 65_536)
  t.throws(() => codec.encode({ n: 1 }), { code: 'FST_SESSION_ENCODE' })
})

t.test('decode(): a serializer that forgets to copy cannot show other sessions', async (t) => {
  let given: Uint8Array = new Uint8Array()
  const forgetful: Serializer = {
    name: 'forgetful',
    tag: 40,
    encode: ({ bytes }) => bytes as Uint8Array,
    decode(bytes) {
      given = bytes
      return { bytes: bytes.subarray(1) }
    }
  }
  const codec = await codecFor(forgetful)
  const network = Buffer.concat([Buffer.from('another session;'), Buffer.from('this one')])
  const { bytes } = codec.decode(40, network.subarray(16)) as { bytes: Buffer }
  t.equal(Buffer.from(bytes.buffer).toString(), 'this one')
  network.fill(0)
  t.equal(bytes.toString(), 'his one')
  t.ok(Buffer.isBuffer(given))
})

t.test('decode(): the serializers of this package get the bytes themselves, without a copy', async (t) => {
  let given: Uint8Array | undefined
  const codec = await codecFor({
    ...json,
    decode(bytes) {
      given = bytes
      return json.decode(bytes)
    }
  })
  const payload = Buffer.from('{}')
  codec.decode(json.tag, payload)
  t.equal(given, payload)
})
