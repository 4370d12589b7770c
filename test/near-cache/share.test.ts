// What requests share of a near-cache entry: nothing that one of them does reaches another one.
import { Buffer } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { Codec } from '../../lib/data/codec.js'
import { Entry } from '../../lib/near-cache/entry.js'
import { share } from '../../lib/near-cache/share.js'
import { openRecord } from '../../lib/records/record.js'
import { Draft } from '../../lib/session/draft.js'
import { serializers } from '../../serializers/index.js'
import type { Dictionary, Serializer } from '../../serializers/serializer.js'
import v8 from '../contracts/v8.js'
import fc from '../support/properties.js'
import { recordOf } from './stage.js'

const RUNS = 300
/** As a serializer of an application may decode it: objects with methods, and what they hide. */
const classes: Serializer = {
  name: 'classes',
  tag: 33,
  encode: (data) => JSON.stringify(data, (_key, value) => (value instanceof Visits ? value.list : value)),
  decode: (bytes) =>
    JSON.parse(Buffer.from(bytes).toString(), (_key, value) =>
      Array.isArray(value) ? new Visits(value) : value
    )
}
class Visits {
  #list: unknown[]
  constructor(list: unknown[]) {
    this.#list = list
  }
  add(visit: unknown): void {
    this.#list.push(visit)
  }
  get list(): unknown[] {
    return this.#list
  }
}
const RICH = [serializers.superjson, serializers.msgpack, v8]

function values(isRich: boolean) {
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(keys, tie('value'), { noNullPrototype: true, maxKeys: 4 }),
      ...(isRich
        ? [
            fc.date({ noInvalidDate: true }),
            fc.uint8Array({ minLength: 1, maxLength: 9 }),
            fc.array(tie('value'), { maxLength: 3 }).map((list) => new Set(list)),
            fc.array(fc.tuple(fc.string(), tie('value')), { maxLength: 3 }).map((list) => new Map(list)),
            tie('value').map((one) => [one, one])
          ]
        : [])
    )
  }))
  return value
}
const keys = fc
  .oneof(fc.string(), fc.constantFrom('length', 'toJSON_', 'a.b'))
  .filter((key) => key !== '__proto__')

async function codecOf(serializer: Serializer): Promise<Codec> {
  const codec = new Codec(serializer, [serializer], 1_048_576)
  await codec.load(serializer.tag)
  return codec
}

function entryOf(data: Dictionary, codec: Codec): Entry {
  const { tag } = codec.writer
  const record = codec.encode(data).seal({ ...recordOf().header, tag })
  return new Entry(record.bytes, openRecord(record.bytes).header, () => {})
}

/** The session of one request, as the plugin makes it from an entry. */
function draftOf(entry: Entry, codec: Codec): Draft {
  const own = () => entry.copy() ?? codec.decode(codec.writer.tag, entry.payload)
  return new Draft({ beforeChange() {}, afterHandOut() {} }, undefined, own, () => entry.share(codec))
}

/** Tries to change everything that it reaches, in every way that it knows. */
function vandalise(value: unknown, seen = new Set<unknown>()): void {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) return
  seen.add(value)
  const object = value as Dictionary
  const inside = [
    ...attempt(() => Object.values(object)),
    ...attempt(() => [...Map.prototype.entries.call(object)].flat()),
    ...attempt(() => [...Set.prototype.values.call(object)])
  ]
  for (const part of inside) vandalise(part, seen)
  const attacks: (() => unknown)[] = [
    () => Date.prototype.setTime.call(object, 1),
    () => Map.prototype.set.call(object, 'planted', 1),
    () => Map.prototype.clear.call(object),
    () => Set.prototype.add.call(object, 'planted'),
    () => Array.isArray(object) && object.push('planted'),
    () => Array.isArray(object) && object.reverse(),
    () => Uint8Array.prototype.fill.call(object, 7),
    () => new Uint8Array((object as { buffer?: ArrayBuffer }).buffer ?? new ArrayBuffer(0)).fill(7),
    () => (object as { add?: (visit: unknown) => void }).add?.('planted'),
    ...Object.keys(object).map((key) => () => {
      object[key] = 'planted'
    }),
    ...Object.keys(object).map((key) => () => delete object[key]),
    () => Object.defineProperty(object, 'planted', { value: 1, enumerable: true }),
    () => Object.setPrototypeOf(object, { planted: 1 }),
    () => Object.assign(object, { planted: 1 })
  ]
  for (const attack of attacks) attempt(() => [attack()])
}

function attempt(work: () => unknown[]): unknown[] {
  try {
    return work()
  } catch {
    return []
  }
}

function isAsStored(draft: Draft, stored: Dictionary): boolean {
  const names = draft.keys()
  return (
    isDeepStrictEqual(names, Object.keys(stored)) &&
    names.every((key) => draft.has(key) && isDeepStrictEqual(draft.peek(key), stored[key])) &&
    names.every((key) => isDeepStrictEqual(draft.get(key), stored[key]))
  )
}

for (const serializer of [serializers.json, ...RICH, classes]) {
  const isRich = RICH.includes(serializer)
  const documents = fc.dictionary(keys, values(isRich), { noNullPrototype: true, maxKeys: 5 })
  const name = serializer.name

  t.test(`${name}: no request sees what another one does to its session`, async (t) => {
    const codec = await codecOf(serializer)
    const { failed, counterexample, numRuns } = fc.check(
      fc.property(documents, fc.boolean(), (data, isDataFirst) => {
        const entry = entryOf(data, codec)
        const stored = () => codec.decode(serializer.tag, entry.payload)
        const bytes = Buffer.from(entry.bytes)
        const [one, other] = [draftOf(entry, codec), draftOf(entry, codec)]
        if (isDataFirst) vandalise(one.all())
        const reached = one
          .keys()
          .flatMap((key) => [one.peek(key), one.get(key), one.peek(key), other.peek(key)])
        vandalise(reached)
        vandalise(one.all())
        for (const key of one.keys()) attempt(() => [one.delete(key)])
        attempt(() => [one.set('planted', 1)])
        return isAsStored(draftOf(entry, codec), stored()) && entry.bytes.equals(bytes)
      }),
      { numRuns: RUNS }
    )
    t.notOk(failed, JSON.stringify(counterexample))
    t.equal(numRuns, RUNS)
  })

  t.test(`${name}: a copy is what decoding gives, and counts as unchanged`, async (t) => {
    const codec = await codecOf(serializer)
    let copied = 0
    fc.assert(
      fc.property(documents, (data) => {
        const entry = entryOf(data, codec)
        entry.share(codec)
        const copy = entry.copy()
        if (copy === undefined) return true
        copied++
        const decoded = codec.decode(serializer.tag, entry.payload)
        return isDeepStrictEqual(copy, decoded) && codec.encode(copy).payload.equals(entry.payload)
      }),
      { numRuns: RUNS }
    )
    t.ok(copied > RUNS / 10, `${copied} of ${RUNS} sessions`)
  })
}

t.test('what is decoded is plain data, or is not shared', async (t) => {
  const twice = { id: 1 }
  const cycle: Dictionary = {}
  cycle.self = cycle
  const hidden = Object.defineProperty({ a: 1 }, 'hidden', { value: 1 })
  const odd: Record<string, unknown> = {
    date: new Date(),
    inside: { list: [new Map()] },
    cycle,
    hidden,
    symbol: { [Symbol('s')]: 1 },
    proxy: new Proxy({}, {}),
    'no prototype': Object.create(null),
    proto: JSON.parse('{"__proto__":1}'),
    'a list with holes': Object.assign([1], { length: 3 }),
    'a list with a name': Object.assign([1], { name: 'x' }),
    'a list of another class': new (class extends Array {})(),
    'a class': new Visits([]),
    'a function': () => 1,
    'the same twice': [twice, twice]
  }
  for (const [name, value] of Object.entries(odd)) {
    const { data, isComplete } = share({ plain: { a: [1] }, value })
    t.equal(data.get('value'), undefined, name)
    t.ok(data.has('value'))
    t.same(data.get('plain'), { value: { a: [1] } })
    t.notOk(isComplete)
  }
  for (const value of Object.values(odd)) t.notOk(Object.isFrozen(value))
  const getter = {
    calls: 0,
    get count() {
      return ++this.calls
    }
  }
  t.same(share({ getter }).data.get('getter'), { value: { calls: 0, count: 1 } }, 'it is read once')
  t.end()
})

t.test('only the first request that looks decodes, and says how large the entry is', async (t) => {
  let decoded = 0
  const serializer: Serializer = {
    ...serializers.json,
    decode(bytes) {
      decoded++
      return serializers.json.decode(bytes)
    }
  }
  const codec = await codecOf(serializer)
  const record = codec.encode({ name: 'Ann', cart: { items: [1, 2] } }).seal(recordOf().header)
  const sizes: number[] = []
  const entry = new Entry(record.bytes, record.header, () => sizes.push(entry.size))
  const before = entry.size
  t.equal(entry.copy(), undefined, 'nobody has looked')
  for (let requests = 0; requests < 3; requests++) {
    const draft = draftOf(entry, codec)
    t.equal(draft.get('name'), 'Ann')
    t.equal(draft.peek('nothing'), undefined)
    t.equal(draft.get('nothing'), undefined)
    t.notOk(draft.has('nothing'))
    t.ok(Object.isFrozen(draft.peek('cart')))
    t.equal(draft.peek('cart'), draftOf(entry, codec).peek('cart'), 'it is the same object')
    t.notOk(draft.handedOut)
    t.same(draft.get('cart'), { items: [1, 2] })
    t.notOk(Object.isFrozen(draft.get('cart')))
    t.ok(draft.handedOut)
    t.equal(draft.peek('cart'), draft.get('cart'), 'from then on it has its own')
  }
  t.equal(decoded, 1)
  t.equal(sizes.length, 1)
  t.ok((sizes[0] ?? 0) > before)
})

t.test('what cannot be decoded is tried once, and reported by each request', async (t) => {
  const codec = await codecOf(serializers.json)
  const entry = new Entry(recordOf('no json').bytes, recordOf().header, () => {})
  t.equal(entry.share(codec), undefined)
  t.equal(entry.share({ open: () => ({}) }), undefined)
  t.equal(entry.copy(), undefined)
  t.throws(() => draftOf(entry, codec).get('name'), /cannot decode/)
})

t.test('the bytes of an entry are about those that it takes', async (t) => {
  const text = JSON.stringify({
    user: 1,
    cart: Array.from({ length: 60 }, (_, id) => ({ id, title: `thing ${id}`, price: id * 100, gift: false }))
  })
  const all: unknown[] = []
  let estimated = 0
  collect()
  const before = process.memoryUsage().heapUsed
  while (all.length < 500) {
    const { bytes, data } = share(JSON.parse(text))
    estimated += bytes
    all.push(data)
  }
  collect()
  const used = process.memoryUsage().heapUsed - before
  t.ok(used < estimated, `${used} bytes in use, ${estimated} estimated`)
  t.ok(used > estimated / 2, `${used} bytes in use, ${estimated} estimated`)
  t.equal(all.length, 500)
})

function collect(): void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc')
  gc()
  gc()
}
