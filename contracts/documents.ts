// Session data of the values that a serializer promises to keep.
import { Buffer } from 'node:buffer'
import type { Arbitrary } from 'fast-check'
import type { Dictionary } from '../serializers/serializer.js'
import type { FastCheck } from './fast-check.js'
import type { ValueName } from './values.js'

type Keeps = (value: ValueName) => boolean

/** Any session of these values. */
export function documents(fc: FastCheck, keeps: Keeps): Arbitrary<Dictionary> {
  return fc.dictionary(keys(fc, keeps), values(fc, keeps), { noNullPrototype: true, maxKeys: 6 })
}

/** Text, and binary data if the serializer keeps it. */
export function binary(keeps: Keeps): Dictionary {
  const text = 'long enough to be no short string: '.repeat(4)
  return {
    text,
    ...(keeps('Buffer') && { buffer: Buffer.from('bytes of mine') }),
    ...(keeps('Uint8Array') && { array: new TextEncoder().encode('bytes of mine') }),
    ...(keeps('other typed arrays') && {
      floats: new Float64Array([1, 2, 3]),
      words: new Uint16Array([1, 2, 3])
    })
  }
}

const FIRST_SURROGATE = 0xd800
const SURROGATES = 0x800

const characterAt = (index: number) =>
  String.fromCodePoint(index < FIRST_SURROGATE ? index : index + SURROGATES)

function indexOf(character: unknown): number {
  const code = String(character).codePointAt(0) ?? 0
  const index = code < FIRST_SURROGATE ? code : code - SURROGATES
  if (characterAt(index) !== character) throw new Error('not one character')
  return index
}

/** The characters of `unit: 'binary'`, which takes two seconds of CPU to prepare. */
export function characters(fc: FastCheck): Arbitrary<string> {
  return fc.integer({ min: 0, max: 0x10ffff - SURROGATES }).map(characterAt, indexOf)
}

function keys(fc: FastCheck, keeps: Keeps): Arbitrary<string> {
  const refused = ['__proto__', ...(keeps('a key `constructor`') ? [] : ['constructor', 'prototype'])]
  return fc
    .oneof(
      fc.string(),
      fc.string({ unit: characters(fc) }),
      fc.constantFrom('a.b', '\\', 'length', 'json', 'toString')
    )
    .filter((key) => !refused.includes(key))
}

/** Values of all types that the serializer promises to keep. */
function values(fc: FastCheck, keeps: Keeps): Arbitrary<unknown> {
  const when = <T>(value: ValueName, ...arbitraries: Arbitrary<T>[]) => (keeps(value) ? arbitraries : [])
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.string({ unit: characters(fc) }),
      fc.integer(),
      fc.maxSafeInteger(),
      fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .map((number) => (number === 0 && !keeps('-0') ? 0 : number)),
      fc.boolean(),
      fc.constant(null),
      ...when(
        'half a surrogate pair',
        fc.string({ unit: fc.integer({ min: 0xd000, max: 0xe000 }).map((code) => String.fromCharCode(code)) })
      ),
      ...when('NaN, Infinity', fc.constantFrom(Number.NaN, Infinity, -Infinity)),
      ...when('bigint', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      ...when('bigint of more than 64 bits', fc.bigInt()),
      ...when('undefined in a list', fc.constant(undefined)),
      ...when('Date', fc.date({ noInvalidDate: true })),
      ...when('RegExp', fc.constantFrom(/./, /\//g, /[/]\\/u)),
      ...when('Uint8Array', fc.uint8Array()),
      ...when(
        'Buffer',
        fc.uint8Array().map((bytes) => Buffer.from(bytes))
      ),
      ...when('other typed arrays', fc.float64Array({ noNaN: true })),
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(keys(fc, keeps), tie('value'), { noNullPrototype: true, maxKeys: 5 }),
      ...when(
        'Set',
        fc.array(tie('value'), { maxLength: 4 }).map((list) => new Set(list))
      ),
      ...when(
        'Map with objects as keys',
        fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 4 }).map((list) => new Map(list))
      ),
      ...when(
        'the same object twice',
        fc.array(tie('value'), { maxLength: 3 }).map((list) => [list, new Set([list]), list])
      )
    )
  }))
  return value
}

export function deepFreeze<T>(value: T, seen = new Set<unknown>()): T {
  if (typeof value !== 'object' || value === null || seen.has(value) || ArrayBuffer.isView(value))
    return value
  seen.add(value)
  const inner = value instanceof Map ? [...value].flat() : value instanceof Set ? value : Object.values(value)
  for (const each of inner) deepFreeze(each, seen)
  return Object.freeze(value)
}
