// The inputs of a hunt: unusual data, damaged bytes, and bytes made to harm.
import { Buffer } from 'node:buffer'
import { foreign, hostile } from '../../contracts/attacks.js'
import { samples, sessions } from '../../contracts/values.js'
import type { Codec } from '../../lib/data/codec.js'
import type { Dictionary } from '../../serializers/serializer.js'
import type { Random } from './random.js'

export const LIMIT = 65_536

/** Integers whose hashes collide in the Sets and Maps of V8 in Node 20. */
export const colliding = collisions(4_000)

function collisions(count: number): number[] {
  const found: number[] = []
  for (let n = 0; found.length < count; n++) if ((hashOf(n) & 0xfff) === 7) found.push(n)
  return found
}

function hashOf(key: number): number {
  let x = (~key + (key << 15)) >>> 0
  x = (x ^ (x >>> 12)) >>> 0
  x = (x + (x << 2)) >>> 0
  x = (x ^ (x >>> 4)) >>> 0
  x = Math.imul(x, 2057) >>> 0
  return (x ^ (x >>> 16)) >>> 0
}

const leaves = samples.filter(({ name }) => !name.includes(',000 lists')).map(({ value }) => value)
const KEYS = [
  'a',
  'b',
  'list',
  'set',
  'n',
  '0',
  '1',
  'length',
  'constructor',
  'toString',
  'valueOf',
  'then',
  'a.b',
  ''
]
const TEXTS = ['', 'x', 'text', '0', '__proto__', 'NaN', '\ud800', 'é', '\0', '2026-01-01', 'x'.repeat(100)]

/** A random value. Few are deep, and one in 3,000 fills a record. */
export function anyValue(random: Random, depth = 4): unknown {
  if (depth === 4 && random.once(3_000)) return largeOf(random)
  if (depth === 0 || random.once(3)) return leafOf(random)
  const inner = (): unknown => anyValue(random, depth - 1)
  const some = <T>(create: () => T): T[] => Array.from({ length: random.below(4) }, create)
  switch (random.below(9)) {
    case 0:
    case 1:
      return some(inner)
    case 2:
    case 3:
      return Object.fromEntries(some(() => [random.pick(KEYS), inner()] as const))
    case 4:
      return new Set(some(inner))
    case 5:
      return new Map(some(() => [inner(), inner()] as const))
    case 6:
      return Object.assign(new Error(random.pick(TEXTS), { cause: inner() }), {
        name: random.pick([...KEYS, 'TypeError'])
      })
    case 7: {
      const shared = inner()
      return [shared, { shared }, new Set([shared])]
    }
    default: {
      const cycle: Dictionary = { inner: inner() }
      cycle.self = random.once(2) ? cycle : [cycle]
      return cycle
    }
  }
}

function leafOf(random: Random): unknown {
  switch (random.below(12)) {
    case 0:
      return random.pick([0, -0, 1, -1, Number.NaN, Infinity, 2 ** 32 - 1, 2 ** 53, 1.5, 5e-324, -(2 ** 31)])
    case 1:
      return random.below(100)
    case 2:
      return random.pick([0n, -1n, 2n ** 63n, 2n ** 64n, -(2n ** 100n)])
    case 3:
      return new Date(random.pick([0, -1, Number.NaN, 1e12 + 1, 8.64e15]))
    case 4:
      return random.pick([/a/g, new URL('http://a/?b'), undefined, null, true, false])
    case 5:
      return random.pick([Buffer.from('a'), new Uint8Array(3), new Float64Array(2), new ArrayBuffer(2)])
    case 6:
      return random.pick(leaves)
    case 7:
      return random.pick(Object.values(sessions))
    default:
      return random.pick(TEXTS)
  }
}

// Values of one kind that fill a record or slightly more.
function largeOf(random: Random): unknown {
  const length = random.below(random.pick([100, 4_200, 20_000, LIMIT]))
  const list = (create: (n: number) => unknown): unknown[] => Array.from({ length }, (_, n) => create(n))
  switch (random.below(8)) {
    case 0:
      return new Set(colliding.slice(0, length))
    case 1:
      return list((n) => colliding[n % colliding.length])
    case 2:
      return new Map(colliding.slice(0, length).map((n) => [n, n]))
    case 3:
      return Object.fromEntries(list((n) => n).map((n) => [`k${n}`, 1]))
    case 4: {
      let graph = leafOf(random)
      for (let level = random.below(100); level > 0; level--)
        graph = random.once(2) ? [graph, graph] : { l: graph, r: graph }
      return graph
    }
    case 5: {
      let deep = leafOf(random)
      for (let level = random.below(3_000); level > 0; level--)
        deep = random.once(3) ? new Set([deep]) : [deep]
      return deep
    }
    case 6:
      return new Set(list((n) => ({ n: [[[n]]] })).slice(0, 2_000))
    default: {
      const leaf = leafOf(random)
      return list(() => (Array.isArray(leaf) ? [] : leaf))
    }
  }
}

/** The data of a session. */
export function dataOf(random: Random): Dictionary {
  return Object.fromEntries(
    Array.from({ length: 1 + random.below(4) }, () => [random.pick(KEYS), anyValue(random)])
  )
}

const attacks = [...foreign, ...hostile].map(({ bytes }) => Buffer.from(bytes.subarray(0, LIMIT - 32)))

/** Random bytes that a decoder takes as a payload of this tag. */
export function payloadOf(random: Random, codec: Codec, tag: number): Buffer {
  switch (random.below(10)) {
    case 0:
      return random.bytes(random.below(60))
    case 1:
      return damaged(random, small(random))
    case 2:
      return random.once(500) ? random.pick(attacks) : small(random)
    case 3:
      return repeated(random, tag === 3 ? msgpackOf(random) : Buffer.from(jsonOf(random, tag)))
    case 4:
    case 5:
    case 6:
      return tag === 3 ? msgpackOf(random) : Buffer.from(jsonOf(random, tag))
    default:
      return damaged(random, encoded(random, codec, tag))
  }
}

function small(random: Random): Buffer {
  const attack = random.pick(attacks)
  return attack.length < 600 ? attack : attack.subarray(0, 300)
}

function encoded(random: Random, codec: Codec, tag: number): Buffer {
  try {
    return Buffer.from(codec.encode(dataOf(random), tag).payload)
  } catch {
    return Buffer.from(codec.encode(sessions.user, tag).payload)
  }
}

export function damaged(random: Random, original: Buffer): Buffer {
  let bytes = Buffer.from(original)
  for (let change = random.below(4); change > 0 && bytes.length > 0; change--) {
    const at = random.below(bytes.length)
    const end = at + random.below(8)
    const kind = random.below(4)
    if (kind === 0) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)])
    else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)])
    else if (kind === 2) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
    else bytes[at] = random.below(256)
  }
  return bytes
}

// Repeats a part of these bytes, in one case of 300 until the record is full.
function repeated(random: Random, bytes: Buffer): Buffer {
  const from = random.below(bytes.length + 1)
  const part = bytes.subarray(from, from + 1 + random.below(20))
  const room = (random.once(300) ? LIMIT - 32 : 200) - bytes.length
  if (part.length === 0 || room < 0) return bytes
  return Buffer.concat([bytes.subarray(0, from), Buffer.alloc(room, part), bytes.subarray(from)])
}

// A msgpack object whose values are random tokens. Some of their lengths are right.
function msgpackOf(random: Random): Buffer {
  return Buffer.concat([Buffer.of(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61), msgpackValue(random, 6)])
}

function msgpackValue(random: Random, depth: number): Buffer {
  if (depth === 0) return Buffer.of(random.below(0x80))
  const inner = (count: number): Buffer[] =>
    Array.from({ length: count }, () => msgpackValue(random, depth - 1))
  const count = random.below(4)
  const text = (value: string): Buffer =>
    Buffer.concat([Buffer.of(0xa0 + value.length), Buffer.from(value, 'latin1')])
  switch (random.below(12)) {
    case 0:
      return Buffer.concat([Buffer.of(0x90 + count), ...inner(count)])
    case 1:
      return Buffer.concat([Buffer.of(0x80 + count), ...inner(2 * count)])
    case 2:
      return Buffer.concat([Buffer.of(0xd4, 0x73, 0, 0x90 + count), ...inner(count)])
    case 3:
      return Buffer.concat([Buffer.of(0xd4, 0x65, 0, 0x93), text(random.pick(KEYS)), ...inner(2)])
    case 4:
      return Buffer.concat([
        Buffer.of(0xd4, 0x78, 0, 0x92),
        text(random.pick(['a', '(', '(a+)+'])),
        text(random.pick(['', 'g', 'x']))
      ])
    case 5: {
      const id = 0x40 + random.below(3)
      const keys = Array.from({ length: count }, () => text(random.pick([...KEYS, '__proto__', 'bin'])))
      return Buffer.concat([Buffer.of(0xd4, 0x72, id, 0x90 + count), ...keys, ...inner(count)])
    }
    case 6:
      return Buffer.of(0x40 + random.below(3))
    case 7:
      return Buffer.concat([Buffer.of(0xc7, count + 1, 0x74, random.below(20)), random.bytes(count)])
    case 8:
      return Buffer.concat([
        Buffer.of(0xc7, count, random.pick([0x42, 0xff, 0x69, 0x70, 0x62, 0])),
        random.bytes(count)
      ])
    case 9:
      return Buffer.concat([
        Buffer.of(random.pick([0xdc, 0xdd, 0xde, 0xdf, 0xc4, 0xc6, 0xd9, 0xdb])),
        random.bytes(4)
      ])
    case 10:
      return text(random.pick(KEYS))
    default:
      return Buffer.concat([Buffer.of(0xc0 + random.below(0x40)), random.bytes(random.below(9))])
  }
}

const TYPES = [
  'set',
  'map',
  'Date',
  'regexp',
  'Error',
  'URL',
  'bigint',
  'number',
  'undefined',
  'valueOf',
  'class'
]

// A JSON document; for superjson with types and equalities at random paths, some of which exist.
function jsonOf(random: Random, tag: number): string {
  const json = { a: jsonValue(random, 4), b: jsonValue(random, 4) }
  if (tag === 1) return JSON.stringify(json)
  const path = (): string =>
    Array.from({ length: 1 + random.below(3) }, () => random.pick(['a', 'b', '0', '1', 'a.b'])).join('.')
  const type = (): unknown =>
    random.pick<unknown>([
      [random.pick(TYPES)],
      [['custom', 'binary']],
      [['typed-array', 'Uint8Array']],
      random.pick(TYPES),
      5
    ])
  const annotation = (depth: number): unknown => {
    if (depth === 0 || random.once(2)) return type()
    const inside = Object.fromEntries(
      Array.from({ length: random.below(3) }, () => [path(), annotation(depth - 1)])
    )
    return random.once(2) ? inside : [random.pick(TYPES), inside]
  }
  const equalities = (): unknown =>
    Object.fromEntries(
      Array.from({ length: random.below(4) }, () => [path(), Array.from({ length: random.below(3) }, path)])
    )
  return JSON.stringify({
    json,
    meta: {
      values: annotation(3),
      ...(random.once(2) && {
        referentialEqualities: random.once(3) ? [[path()], equalities()] : equalities()
      })
    }
  })
}

function jsonValue(random: Random, depth: number): unknown {
  if (depth === 0 || random.once(4)) {
    return random.pick<unknown>([
      null,
      0,
      'x',
      '/a/',
      '5',
      'http://a',
      '2026-01-01T00:00:00Z',
      ['Buffer', 'AA=='],
      { name: 'valueOf', message: 'x' }
    ])
  }
  const inner = (): unknown => jsonValue(random, depth - 1)
  if (random.once(2)) return Array.from({ length: random.below(4) }, inner)
  return Object.fromEntries(
    Array.from({ length: random.below(4) }, () => [
      random.pick(['a', 'b', '0', '1', 'a.b', '__proto__']),
      inner()
    ])
  )
}
