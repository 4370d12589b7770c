// Values that a session may be given, for the contract of serializers and the fidelity table of the documents.
import { isDeepStrictEqual } from 'node:util'

export interface Sample {
  name: string
  value: unknown
  /** Whether the decoded value is the same, if deep equality does not tell. */
  isKept?(back: unknown): boolean
  /** What a lost value becomes, if the decoded value does not tell. */
  becomes?: string
}

class Money {
  constructor(readonly cents: number) {}
}

const error = new RangeError('too far')
const shared = { id: 1 }
const other = { id: 1 }
const cycle: Record<string, unknown> = { id: 1 }
cycle.self = cycle

/** Lists within lists, this deep. */
export function nest(depth: number, innermost: unknown = 'innermost'): unknown {
  let value = innermost
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

const isSameTwice = (back: unknown): boolean => {
  const [first, second] = back as unknown[]
  return isDeepStrictEqual(first, { id: 1 }) && first === second
}

const table = [
  { name: 'strings', value: ['', 'plain', 'žluťoučký 漢字 🎉', '\0\n"\\', 'long '.repeat(100)] },
  { name: 'numbers', value: [0, 1, -1, 0.1, 1e21, 2 ** 31, 2 ** 53 - 1, 2 ** 53 + 2, 5e-324, -(2 ** 63)] },
  { name: 'true, false, null', value: [true, false, null] },
  {
    name: 'objects and lists',
    value: { list: [[], {}, [{ a: 1 }]], empty: {}, '': '', 'a.b\\.': { '\\': '.' } }
  },
  {
    name: 'key order',
    value: { z: 1, a: 2, m: 3 },
    isKept: (back: unknown) => Object.keys(back as object).join() === 'z,a,m'
  },
  { name: 'half a surrogate pair', value: '\ud83c', becomes: 'lost: becomes U+FFFD' },
  { name: '-0', value: -0 },
  { name: 'NaN, Infinity', value: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] },
  { name: 'bigint', value: [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)] },
  { name: 'bigint of more than 64 bits', value: 2n ** 80n },
  { name: 'undefined in an object', value: { a: undefined } },
  { name: 'undefined in a list', value: [undefined] },
  { name: 'Date', value: new Date('2026-11-05T12:00:00.123Z') },
  {
    name: 'invalid Date',
    value: new Date(Number.NaN),
    isKept: (back: unknown) => back instanceof Date && Number.isNaN(back.getTime())
  },
  { name: 'RegExp', value: /a\/b/gi },
  { name: 'Set', value: new Set<unknown>([1, 'b', { c: 1 }, new Set([2])]) },
  {
    name: 'Map',
    value: new Map<string, unknown>([
      ['a', 1],
      ['b', new Map([['c', new Date(0)]])]
    ])
  },
  { name: 'Map with objects as keys', value: new Map([[{ id: 1 }, 'a']]) },
  { name: 'Buffer', value: Buffer.from([0, 1, 255]) },
  { name: 'Uint8Array', value: new Uint8Array([0, 1, 255]) },
  { name: 'other typed arrays', value: [new Float64Array([0.5]), new Int16Array([-1, 1])] },
  { name: 'BigInt64Array', value: new BigInt64Array([-1n]) },
  {
    name: 'ArrayBuffer',
    value: new Uint8Array([1, 2, 3]).buffer,
    isKept: (back: unknown) =>
      back instanceof ArrayBuffer && isDeepStrictEqual(new Uint8Array(back), new Uint8Array([1, 2, 3]))
  },
  {
    name: 'Error',
    value: error,
    becomes: 'lost: its stack, or all of it',
    isKept: (back: unknown) =>
      back instanceof RangeError && back.message === error.message && back.stack === error.stack
  },
  { name: 'URL', value: new URL('https://example.org/?q=1') },
  { name: 'function', value: () => 1 },
  { name: 'symbol', value: Symbol('s') },
  { name: 'class instance', value: new Money(100) },
  { name: 'object without prototype', value: Object.assign(Object.create(null), { a: 1 }) },
  { name: 'a key `__proto__`', value: JSON.parse('{"__proto__":{"a":1}}') },
  { name: 'a key `constructor`', value: { constructor: 1, prototype: 2 } },
  {
    name: 'the same object twice',
    value: [shared, shared],
    isKept: isSameTwice,
    becomes: 'lost: becomes two'
  },
  {
    name: 'the same objects in a Set',
    becomes: 'lost: others',
    value: [shared, other, new Set<unknown>([shared, other, 'x']), new Map([[other, shared]])],
    isKept(back: unknown) {
      const [first, second, set, map] = back as [unknown, unknown, Set<unknown>, Map<unknown, unknown>]
      if (!(set instanceof Set && map instanceof Map)) return false
      const elements = [...set]
      return (
        elements[0] === first && elements[1] === second && elements[2] === 'x' && map.get(second) === first
      )
    }
  },
  {
    name: 'an object inside itself',
    value: cycle,
    isKept: (back: unknown) => (back as typeof cycle).self === back && (back as typeof cycle).id === 1
  },
  { name: '1,000 lists within each other', value: nest(1_000) },
  { name: '10,000 lists within each other', value: nest(10_000) }
] as const satisfies Sample[]

export type ValueName = (typeof table)[number]['name']
export const samples: readonly (Sample & { name: ValueName })[] = table

/** Whether the decoded value equals the original. */
export function isKept(sample: Sample, back: unknown): boolean {
  return sample.isKept === undefined ? isDeepStrictEqual(sample.value, back) : sample.isKept(back)
}

/** An object that two decoded values share: as a value, behind a hidden property or as memory. */
export function inCommon(one: unknown, other: unknown): object | undefined {
  const [first, second] = [objectsIn(one), objectsIn(other)]
  return [...first].find((object) => second.has(object))
}

function objectsIn(value: unknown): Set<object> {
  const found = new Set<object>()
  const open = [value]
  while (open.length > 0) {
    const object = open.pop()
    if (object === null || (typeof object !== 'object' && typeof object !== 'function') || found.has(object))
      continue
    found.add(object)
    if (object instanceof Map) for (const entry of object) open.push(...entry)
    if (object instanceof Set) for (const item of object) open.push(item)
    if (ArrayBuffer.isView(object)) open.push(object.buffer)
    else for (const key of Reflect.ownKeys(object)) open.push(Reflect.get(object, key))
  }
  return found
}

const item = (n: number) => ({
  sku: `SKU-${1000 + n}`,
  name: `Article number ${n}`,
  quantity: (n % 3) + 1,
  price: 9.95 + n,
  added: `2026-11-05T12:${10 + n}:00.000Z`
})

/** Sessions as applications have them. Every serializer keeps their data. */
export const sessions = {
  login: {
    userId: 10_001,
    name: 'François Müller',
    roles: ['customer', 'editor'],
    csrf: 'h-9Rnub_dfIZPJfEZxSMCbl',
    signedInAt: 1_793_880_001_000,
    locale: 'de-AT'
  },
  user: {
    userId: 4711,
    csrfToken: 'kJ8sPq2vT5wX1yZ4aB7cD0eF3gH6iL9m',
    user: { name: 'Ada Lovelace', email: 'ada@example.org', roles: ['admin', 'editor'], locale: 'en-GB' },
    preferences: { theme: 'dark', pageSize: 50, newsletter: false },
    lastPages: ['/articles/17', '/articles/42', '/settings']
  },
  'cart of 20': {
    userId: 4711,
    cart: { currency: 'EUR', items: Array.from({ length: 20 }, (_, n) => item(n)) }
  }
}
