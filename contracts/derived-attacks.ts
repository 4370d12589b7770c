// Attacks made of what a serializer itself writes, so that they fit a format that nobody knows here.
import { Buffer } from 'node:buffer'
import type { Dictionary } from '../serializers/serializer.js'
import type { Attack } from './attacks.js'
import { nest } from './values.js'

type Encode = (data: Dictionary) => Buffer

/** Lengths that no record has, as formats write them: of 4 and 8 bytes, in both byte orders, and of 7 bits in a byte. */
const LENGTHS = [
  'ffffffff',
  'ffffffffffffffff',
  '000000007fffffff',
  '7fffffff',
  'ffffff7f',
  '05f5e100',
  '00e1f505',
  'ffffffff07'
].map((hex) => Buffer.from(hex, 'hex'))
const DEPTH = 200_000
/** All bytes of an attack together. */
const MOST_BYTES = 1_000_000

export function* derived(encode: Encode): Generator<Attack> {
  yield* lengths(encode)
  for (const build of [nest, nestObjects]) {
    const attack = deep(build, encode)
    if (attack !== undefined) yield attack
  }
}

/** Each possible token in the place of a number, followed by a length that is not true. */
function* lengths(encode: Encode): Generator<Attack> {
  const [one, two] = [encode({ a: 1 }), encode({ a: 2 })]
  const place = one.findIndex((byte, index) => byte !== two[index])
  for (const start of [place - 1, place].filter((start) => start >= 0)) {
    for (let token = 0; token < 256; token++) {
      for (const length of LENGTHS) {
        const name = `a value ${token.toString(16)} with the length ${length.toString('hex')}`
        yield {
          name,
          bytes: Buffer.concat([one.subarray(0, start), Buffer.of(token), length, one.subarray(place + 1)])
        }
      }
    }
  }
}

/** Values within each other, far deeper than encode() accepts: what one more level adds, many times. */
function deep(build: (depth: number) => unknown, encode: Encode): Attack | undefined {
  const [less, more] = [encode({ a: build(8) }), encode({ a: build(9) })]
  const added = more.length - less.length
  const opened = commonStart(less, more)
  const end = more.length - Math.min(commonEnd(less, more), less.length - opened)
  for (let opening = 1; opening <= added; opening++) {
    const [open, close] = [more.subarray(opened, opened + opening), added - opening]
    const candidate = (levels: number) =>
      Buffer.concat([
        less.subarray(0, opened),
        Buffer.alloc(levels * opening, open),
        less.subarray(opened, end - added),
        close === 0 ? Buffer.alloc(0) : Buffer.alloc(levels * close, more.subarray(end - close, end)),
        less.subarray(end - added)
      ])
    if (!candidate(1).equals(more)) continue
    const levels = Math.min(DEPTH, Math.floor(MOST_BYTES / added))
    return { name: `${levels} values within each other`, bytes: candidate(levels) }
  }
  return undefined
}

function nestObjects(depth: number): unknown {
  let value: unknown = 'innermost'
  for (let level = 0; level < depth; level++) value = { a: value }
  return value
}

function commonStart(one: Buffer, other: Buffer): number {
  const at = one.findIndex((byte, index) => byte !== other[index])
  return at < 0 ? one.length : at
}

function commonEnd(one: Buffer, other: Buffer): number {
  return commonStart(Buffer.from(one).reverse(), Buffer.from(other).reverse())
}

/** The same damage each time. */
export function* damaged(seeds: readonly Buffer[], count: number): Generator<Attack> {
  let state = 1
  const next = (below: number): number => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    return ((state ^ (state >>> 13)) >>> 0) % below
  }
  for (let n = 0; n < count; n++) {
    const bytes = Buffer.from(seeds[next(seeds.length)] ?? [])
    for (let change = next(4); change >= 0; change--) bytes[next(bytes.length)] = next(256)
    yield { name: `damage ${n}`, bytes }
  }
}
