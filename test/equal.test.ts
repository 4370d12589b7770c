import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { samples } from '../contracts/values.js'
import { Budget, isEqual } from '../lib/data/equal.js'
import fc from './support/properties.js'

class Money {
  constructor(readonly cents: unknown) {}
}

/** All kinds of values that a session may hold, from so few that two are often equal. */
const { value: values } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    fc.constantFrom<unknown>(0, -0, 1, Number.NaN, 1n, '', 'a', 'b', true, null, undefined),
    fc
      .constantFrom<() => unknown>(
        () => new Date(0),
        () => new Date(1),
        () => /a/g,
        () => Object.assign(/a/g, { lastIndex: 1 }),
        () => new Uint8Array([1, 2]),
        () => Buffer.from([1, 2]),
        () => new Float64Array([0]),
        () => new Float64Array([-0]),
        () => new Uint8Array([1, 2]).buffer,
        () => new Error('a'),
        () => new TypeError('a'),
        () => Object.assign(new Error('a'), { code: 1 }),
        () => new String('a'),
        () => new Number(1),
        () => new Array(2),
        () => Object.assign([undefined, 1], { extra: 1 }),
        () => Object.create(null),
        () => Object.defineProperty({}, 'hidden', { value: 1 }),
        () => ({ [Symbol.for('s')]: 1 }),
        () => ({ [Symbol.toStringTag]: 'Set' })
      )
      .map((create) => create()),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'constructor', '__proto__'), tie('value'), { maxKeys: 3 }),
    fc.array(tie('value'), { maxLength: 3 }).map((items) => new Set(items)),
    fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 3 }).map((entries) => new Map(entries)),
    tie('value').map((inner) => new Money(inner)),
    tie('value').map((cause) => new Error('a', { cause })),
    tie('value').map((inner) => [inner, inner, new Set([inner])]),
    tie('value').map((inner) => {
      const cycle: Record<string, unknown> = { inner }
      cycle.self = [cycle]
      return cycle
    })
  )
}))

/** A copy of an object that has no other order. */
function copyOf(value: object): object {
  if (value instanceof Date) return new Date(value)
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  if (value instanceof Uint8Array || value instanceof Float64Array || value instanceof ArrayBuffer)
    return value.slice(0)
  return Object.defineProperties(emptyLike(value), Object.getOwnPropertyDescriptors(value))
}

function emptyLike(value: object): object {
  if (Array.isArray(value)) return []
  if (value instanceof RegExp) return new RegExp(value)
  if (value instanceof String || value instanceof Number) return Object(value.valueOf())
  if (value instanceof TypeError) return new TypeError()
  return value instanceof Error ? new Error() : Object.create(Object.getPrototypeOf(value))
}

/** A copy made of other objects. Keys and elements are reversed if their order has no meaning. */
function turned(value: unknown, copies = new Map<unknown, unknown>()): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (copies.has(value)) return copies.get(value)
  const again = (inner: unknown): unknown => turned(inner, copies)
  const keep = <T>(copy: T): T => {
    copies.set(value, copy)
    return copy
  }
  if (value instanceof Set) {
    const copy = keep(new Set())
    for (const item of [...value].reverse()) copy.add(again(item))
    return copy
  }
  if (value instanceof Map) {
    const copy = keep(new Map())
    for (const [key, item] of [...value].reverse()) copy.set(again(key), again(item))
    return copy
  }
  const isPlain = Object.prototype.toString.call(value) === '[object Object]' && !Array.isArray(value)
  if (!isPlain && !(Array.isArray(value) && Object.keys(value).length === value.length)) {
    return keep(copyOf(value))
  }
  const copy = keep(Array.isArray(value) ? [] : Object.create(Object.getPrototypeOf(value)))
  const names = Object.keys(value)
  for (const name of Array.isArray(value) ? names : names.reverse()) {
    const inner = again((value as Record<string, unknown>)[name])
    Object.defineProperty(copy, name, { value: inner, writable: true, enumerable: true, configurable: true })
  }
  return copy
}

const agrees = (a: unknown, b: unknown): boolean =>
  isEqual(a, b, new Budget()) === isDeepStrictEqual(a, b) &&
  isEqual(b, a, new Budget()) === isDeepStrictEqual(b, a)

t.test('isEqual(): agrees with isDeepStrictEqual() of node:util', async (t) => {
  t.doesNotThrow(() => fc.assert(fc.property(values, values, agrees), { numRuns: 3_000 }))
  for (const { name, value } of samples) {
    if (name === '10,000 lists within each other') continue
    for (const other of samples) {
      if (other.name === '10,000 lists within each other') continue
      t.equal(isEqual(value, other.value, new Budget()), value === other.value, `${name}, ${other.name}`)
    }
  }
})

t.test('isEqual(): agrees with isDeepStrictEqual() for other orders and single changes', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(values, values, (value, other) => {
        return (
          agrees(value, turned(value)) &&
          agrees([value, { a: value }], turned([value, { a: other }])) &&
          agrees(new Set([value, [other]]), turned(new Set([value, [value]]))) &&
          agrees(new Map([[[value], other]]), turned(new Map([[[value], value]])))
        )
      }),
      { numRuns: 1_000 }
    )
  )
})

t.test('isEqual(): two invalid Dates are equal', async (t) => {
  const invalid = () => [new Date(Number.NaN)]
  t.ok(isEqual(invalid(), invalid(), new Budget()))
  t.notOk(isEqual(invalid(), [new Date(0)], new Budget()))
})

t.test('isEqual(): objects in Sets and Map keys find their equals, whatever was tried before', async (t) => {
  const items = (...numbers: number[]) => numbers.map((n) => ({ n, more: [{ n: n % 2 }] }))
  const table: [string, unknown, unknown][] = [
    ['Sets', new Set(items(1, 2, 3)), new Set(items(3, 1, 2))],
    ['other Sets', new Set(items(1, 2, 3)), new Set(items(3, 1, 1))],
    ['Sets of texts', new Set(['a', 'b']), new Set(['b', 'c'])],
    ['one more', new Set(items(1)), new Set(items(1, 2))],
    ['an object and a text', new Set([{}]), new Set(['a'])],
    ['Maps', new Map(items(1, 2).map((n) => [n, 'x'])), new Map(items(2, 1).map((n) => [n, 'x']))],
    ['other values', new Map([[{ a: 1 }, 1]]), new Map([[{ a: 1 }, 2]])],
    ['other keys', new Map([['a', undefined]]), new Map([['b', undefined]])],
    ['an object and a text as keys', new Map<unknown, unknown>([[{}, 1]]), new Map([['a', 1]])]
  ]
  for (const [name, a, b] of table) t.ok(agrees(a, b), name)
})

function doubling(levels: number, leaf: unknown): unknown {
  let value = leaf
  for (let level = 0; level < levels; level++) value = { left: value, right: [value] }
  return value
}

t.test('isEqual(): objects that double at each level cost a few steps per level', async (t) => {
  const budget = new Budget(50_000)
  t.ok(isEqual(doubling(500, {}), doubling(500, {}), budget))
  t.notOk(isEqual(doubling(200, { a: 1 }), doubling(200, { a: 2 }), budget))
  t.notOk(
    isEqual(new Set([doubling(20, { a: 1 })]), new Set([doubling(20, { a: 2 })]), budget),
    'in a Set too'
  )
})

t.test('isEqual(): one shared object compared with many equal ones costs a few steps each', async (t) => {
  const list = (create: () => unknown) => Array.from({ length: 2_000 }, create)
  const one = { a: [1] }
  for (const [a, b] of [
    [list(() => one), list(() => ({ a: [1] }))],
    [list(() => ({ a: [1] })), list(() => one)]
  ]) {
    t.ok(isEqual(a, b, new Budget(150_000)))
  }
})

t.test('isEqual(): stops with an error once the budget is used up', async (t) => {
  const list = Array.from({ length: 1_000 }, (_, n) => n)
  t.ok(isEqual(list, [...list], new Budget(2_000)))
  t.throws(() => isEqual(list, [...list], new Budget(900)), { message: 'too much to compare' })
  const objects = (step: number) => new Set(list.map((n) => ({ n: (n * step) % 1_000 })))
  t.throws(() => isEqual(objects(1), objects(999), new Budget()), { message: 'too much to compare' })
  const text = 'x'.repeat(1e6)
  t.throws(() => isEqual(text, `${text.slice(1)}x`, new Budget(1_000)), { message: 'too much to compare' })
  t.throws(() => isEqual(Buffer.alloc(1e6), Buffer.alloc(1e6), new Budget(1_000)), {
    message: 'too much to compare'
  })
  t.equal(new Budget(5).left, 5)
  t.equal(Budget.forRecords(1_048_576).left, 4_194_304)
  t.equal(Budget.forRecords(256).left, new Budget().left)
})

t.test('isEqual(): 10,000 levels are compared; nested Sets that deep are refused', async (t) => {
  const deep = (innermost: unknown, around: (value: unknown, level: number) => unknown): unknown => {
    let value = innermost
    for (let level = 0; level < 10_000; level++) value = around(value, level)
    return value
  }
  const lists = (value: unknown, level: number) => (level % 2 ? [value] : new Map([['a', value]]))
  t.ok(isEqual(deep(1, lists), deep(1, lists), new Budget()))
  t.notOk(isEqual(deep(1, lists), deep(2, lists), new Budget()))
  const sets = (value: unknown) => new Set([value])
  t.throws(() => isEqual(deep(1, sets), deep(1, sets), new Budget()), { message: 'too deep to compare' })
})

t.test('isEqual(): an error thrown by the data is rethrown', async (t) => {
  const failing = {
    get value() {
      throw new TypeError('oops')
    }
  }
  t.throws(() => isEqual(failing, { value: 1 }, new Budget()), { message: 'oops' })
})

t.test('isEqual(): one object for several equal ones, and rings of different lengths', async (t) => {
  const [one, first, second] = [{ a: [1] }, { a: [1] }, { a: [1] }]
  t.ok(isEqual([one, one, one], [first, second, second], new Budget(1_000)))
  t.notOk(isEqual([one, one, one, 1], [first, second, second, 2], new Budget(1_000)))
  const ring = (length: number, last: number) => {
    const objects = Array.from({ length }, (_, at) => ({ value: at === length - 1 ? last : 1, next: {} }))
    for (const [at, object] of objects.entries()) object.next = objects[(at + 1) % length] as object
    return objects[0]
  }
  const budget = new Budget(20_000)
  t.ok(isEqual(ring(97, 1), ring(101, 1), budget), 'not each with each')
  t.notOk(isEqual(ring(97, 1), ring(101, 2), budget))
})

t.test('isEqual(): an attempt that failed leaves nothing behind', async (t) => {
  const [x, w] = [{ a: { b: 1 } }, { a: { b: 2 } }]
  const [likeX, likeW] = [{ a: { b: 1 } }, { a: { b: 2 } }]
  // Looking for the equal of `likeW`, the comparison tries `x` first.
  const [one, other] = [new Set([x, w]), new Set([likeW, likeX])]
  t.ok(isEqual([x, one, x], [likeX, other, likeX], new Budget(1_000)))
  t.notOk(isEqual([x, one], [likeW, other], new Budget(1_000)))
  t.notOk(isEqual([one, x], [other, likeW], new Budget(1_000)))
})
