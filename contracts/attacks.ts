// Bytes that a serializer may find in a record: damaged, foreign or hostile.
import { Buffer } from 'node:buffer'
import { serialize } from 'node:v8'
import { gzipSync } from 'node:zlib'
import { Packr } from 'msgpackr/pack'

export interface Attack {
  name: string
  bytes: Uint8Array
}

const superjson = (json: unknown, values?: unknown, referentialEqualities?: unknown): string =>
  JSON.stringify({ json, meta: { values, referentialEqualities, v: 1 } })
const repeat = (count: number, item: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => item(n)).join()
const bytes = (...parts: (string | number | readonly number[] | Uint8Array)[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part as string)))
  )
/** A msgpack map with the key `a` and these bytes as its value. */
const map = (...parts: Parameters<typeof bytes>): Buffer => bytes(0x81, [0xa1, 0x61], ...parts)
/** A msgpack object with the key `a` and these bytes as its value: a session, if they are valid. */
const object = (...parts: Parameters<typeof bytes>): Buffer =>
  bytes(0xd4, 0x72, 0x40, 0x91, [0xa1, 0x61], ...parts)
const HUGE = [0xff, 0xff, 0xff, 0xff] as const

/** Data of other systems. None of it is a session. */
export const foreign: Attack[] = [
  { name: 'nothing', bytes: Buffer.alloc(0) },
  { name: 'a number', bytes: Buffer.from('5') },
  { name: 'null', bytes: Buffer.from('null') },
  { name: 'a list', bytes: Buffer.from('[{"userId":1}]') },
  { name: 'a string', bytes: Buffer.from('"userId"') },
  { name: 'pickle 2', bytes: bytes([0x80, 0x02], '}q\0X\x06\0\0\0userIdK\x01s.') },
  {
    name: 'pickle 4',
    bytes: bytes([0x80, 0x04, 0x95, 0x0d, 0, 0, 0, 0, 0, 0, 0], '}\x94\x8c\x06userIdK\x01s.')
  },
  { name: 'pickle 0', bytes: Buffer.from("(dp0\nS'userId'\nI1\ns.") },
  { name: 'gzip', bytes: gzipSync('{"userId":1}') },
  { name: 'zstd', bytes: bytes([0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x61, 0, 0], 'userId') },
  { name: 'Java', bytes: bytes([0xac, 0xed, 0, 5, 0x73, 0x72, 0, 0x11], 'java.util.HashMap') },
  { name: 'Latin-1', bytes: bytes('{"name":"', 0xe9, '"}') },
  { name: 'zeros', bytes: Buffer.alloc(64) },
  { name: 'ones', bytes: Buffer.alloc(64, 255) }
]

/** Sessions of other systems. Their own serializer accepts them, and no other may. */
const native: Record<string, Attack[]> = {
  json: [{ name: 'connect-redis', bytes: Buffer.from('{"cookie":{"originalMaxAge":null},"userId":1}') }],
  msgpack: [],
  superjson: [{ name: 'superjson', bytes: Buffer.from('{"json":{"userId":1}}') }],
  v8: [{ name: 'v8', bytes: serialize({ userId: 1 }) }]
}

/** The sessions of other systems that a serializer must refuse. */
export function foreignTo({ name }: { name: string }): Attack[] {
  // A JSON reader finds an object in any JSON.
  const alike = name === 'json' ? ['json', 'superjson'] : [name]
  return Object.entries(native).flatMap(([other, attacks]) => (alike.includes(other) ? [] : attacks))
}

const pollution = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'

/** Made to take time or memory, or to change what all objects share. */
export const hostile: Attack[] = [
  ...[5e7, 2e8, 2 ** 32 - 1].flatMap((length) => [
    {
      name: `typed array of ${length}`,
      text: superjson({ a: length }, { a: [['typed-array', 'Float64Array']] })
    },
    {
      name: `typed array like a list of ${length}`,
      text: superjson({ a: { length } }, { a: [['typed-array', 'Uint8Array']] })
    },
    {
      name: `binary like a list of ${length}`,
      text: superjson({ a: ['Uint8Array', { length }] }, { a: [['custom', 'binary']] })
    },
    {
      name: `binary of ${length}`,
      text: superjson({ a: ['ArrayBuffer', length] }, { a: [['custom', 'binary']] })
    },
    { name: `Set of ${length}`, text: superjson({ a: { length } }, { a: ['set'] }) },
    { name: `list set to ${length}`, text: superjson({ a: [], n: length }, {}, { n: ['a.length'] }) },
    { name: `list typed to ${length}`, text: superjson({ a: [] }, { 'a.length': ['number'] }) }
  ]),
  {
    name: 'binary of an unknown type',
    text: superjson({ a: ['constructor', ''] }, { a: [['custom', 'binary']] })
  },
  ...['class', 'symbol', 'custom', 'other'].map((type) => ({
    name: `a ${type} that is not registered`,
    text: superjson({ a: {} }, { a: [[type, 'constructor']] })
  })),
  ...[
    '__proto__.polluted',
    'constructor.prototype.polluted',
    'a.__proto__.polluted',
    'a.constructor.prototype.x'
  ].flatMap((path) => [
    { name: `type at ${path}`, text: superjson({ a: {}, b: 1 }, { [path]: ['undefined'] }) },
    { name: `object at ${path}`, text: superjson({ a: {}, b: { c: 1 } }, {}, { b: [path] }) },
    { name: `object from ${path}`, text: superjson({ a: {}, b: { c: 1 } }, {}, { [path]: ['b'] }) },
    { name: `object in the root's place at ${path}`, text: superjson({ a: {} }, {}, [[path]]) }
  ]),
  { name: 'prototype in JSON', text: pollution },
  { name: 'prototype in superjson', text: `{"json":${pollution}}` },
  {
    name: 'prototype as an own path',
    text: `{"json":${pollution},"meta":{"values":{"__proto__.polluted":["undefined"]},"v":1}}`
  },
  {
    name: 'paths to the end of a Set',
    text: superjson({ s: range(40_000) }, { s: ['set'] }, { s: pathsTo('s.39999') })
  },
  {
    name: 'places in a Set',
    text: `{"json":{"a":{},"s":[${repeat(40_000, String)}]},"meta":{"values":{"s":["set"]},"referentialEqualities":{"a":[${repeat(40_000, (n) => `"s.${n}"`)}]},"v":1}}`
  },
  {
    name: 'places in a Map',
    text: `{"json":{"a":{},"m":[${repeat(25_000, (n) => `[${n},0]`)}]},"meta":{"values":{"m":["map"]},"referentialEqualities":{"a":[${repeat(25_000, (n) => `"m.${n}.0"`)}]},"v":1}}`
  },
  {
    name: 'types behind a long path',
    text: superjson(
      {},
      {
        ['a.'.repeat(200_000)]: [
          'undefined',
          Object.fromEntries(range(40_000).map((n) => [n, ['undefined']]))
        ]
      }
    )
  },
  {
    name: 'types deep down',
    text: `{"json":{"a":${'['.repeat(90_000)}${repeat(20_000, () => '0')}${']'.repeat(90_000)}},"meta":{"values":{"a${'.0'.repeat(89_999)}":{${repeat(20_000, (n) => `"${n}":["undefined"]`)}}},"v":1}}`
  },
  ...[24, 40, 1_000].map((levels) => ({
    name: `objects that double at each of ${levels} levels`,
    text: superjson(
      Object.fromEntries(range(levels).map((n) => [`k${n}`, { l: 0, r: 0 }])),
      {},
      Object.fromEntries(range(levels - 1).map((n) => [`k${n}`, [`k${n + 1}.l`, `k${n + 1}.r`]]))
    )
  })),
  ...['ab', '0', ['set', 'a'], [['set'], '0'], 5, null, [null], [5], ['set', 5]].map((type) => ({
    name: `${JSON.stringify(type)} in place of types`,
    text: superjson({ a: [[[[[]]]]] }, { a: type })
  })),
  {
    name: 'a string in place of types, and endlessly nested lists',
    text: `{"json":${'['.repeat(20_000)}${']'.repeat(20_000)},"meta":{"values":"0"}}`
  },
  { name: 'a Set of 100,000 numbers', text: superjson({ a: range(100_000) }, { a: ['set'] }) },
  {
    name: '9,000 errors, 9,000 regular expressions, 9,000 URLs',
    text: superjson(
      {
        a: range(9_000).map(() => ({ name: 'valueOf', message: '' })),
        b: range(9_000).map(() => '/a/'),
        c: []
      },
      {
        a: Object.fromEntries(range(9_000).map((n) => [n, ['Error']])),
        b: Object.fromEntries(range(9_000).map((n) => [n, ['regexp']]))
      }
    )
  },
  ...['valueOf', 'constructor', '__proto__', 'toString', 'hasOwnProperty', 'AggregateError'].flatMap(
    (name) => [
      { name: `a type ${name}`, text: superjson({ a: 1, b: {} }, { a: [name], b: [name] }) },
      {
        name: `an error ${name}`,
        text: superjson(
          { a: { name, message: [[]], cause: { name } } },
          { a: ['Error', { cause: ['Error'] }] }
        )
      }
    ]
  ),
  {
    name: 'many names of one element',
    text: superjson(
      { a: [range(50_000)] },
      { a: Object.fromEntries(range(1_000).map((n) => ['0'.repeat(n + 1), ['set']])) }
    )
  },
  {
    name: 'many types of one value',
    text: superjson(
      { a: { b: { c: range(50_000) } } },
      { 'a.b.c': ['set'], 'a.b': { c: ['set'] }, a: { 'b.c': ['set'], b: { c: ['set'] } } }
    )
  },
  {
    name: 'types within types',
    text: `{"json":{"a":1},"meta":{"values":{"a":${'{"":'.repeat(100_000)}["undefined"]${'}'.repeat(100_000)}},"v":1}}`
  },
  {
    name: 'a graph that doubles',
    text: superjson(
      Object.fromEntries(range(40).map((n) => [n, { l: 0, r: 0 }])),
      {},
      Object.fromEntries(range(39).map((n) => [n + 1, [`${n}.l`, `${n}.r`]]))
    )
  },
  { name: 'a bigint of a megabyte', text: superjson({ a: '9'.repeat(1_000_000) }, { a: ['bigint'] }) },
  {
    name: 'a regexp that backtracks',
    text: superjson({ a: `/${'(a+)+'.repeat(1_000)}b/` }, { a: ['regexp'] })
  },
  {
    name: 'a regexp within itself',
    text: superjson({ a: `/${'('.repeat(400_000)}${')'.repeat(400_000)}/` }, { a: ['regexp'] })
  },
  { name: 'a regexp from an empty object', text: superjson({ a: {} }, { a: ['regexp'] }) },
  { name: 'JSON 500,000 deep', text: '['.repeat(500_000) },
  {
    name: 'JSON 400,000 deep and closed',
    text: `{"json":{"a":${'['.repeat(400_000)}${']'.repeat(400_000)}}}`
  },
  { name: 'objects 150,000 deep', text: `${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}` },
  ...Object.entries({
    'bin 32': 0xc6,
    'ext 32': 0xc9,
    'str 32': 0xdb,
    'array 32': 0xdd,
    'map 32': 0xdf
  }).flatMap(([name, token]) => [
    { name: `${name} of 4 GiB`, bytes: map(token, HUGE, 0x72) },
    { name: `${name} of 4 GiB within itself`, bytes: map(times(10_000, bytes(token, HUGE))) }
  ]),
  {
    name: 'arrays that each take the rest',
    bytes: map(times(1_000, bytes(0xdc, [0xff, 0xff])), Buffer.alloc(70_000, 0xc0))
  },
  { name: 'pointers that double, and a byte too much', bytes: pointerGraph(26) },
  { name: 'a pointer without target', bytes: map(0xd6, 0x70, [0, 0, 0, 9]) },
  { name: 'records without structure', bytes: bytes(0xd4, 0x72, 0x40, 0x91, [0xa1, 0x61], 0x41) },
  { name: 'a record of no keys', bytes: bytes(0xd4, 0x72, 0x40, 0x05) },
  { name: 'a record within its keys', bytes: bytes(0xd4, 0x72, 0x40, 0x91, 0xd4, 0x72, 0x40, 0x90) },
  {
    name: 'a record with a prototype',
    bytes: bytes(0xd4, 0x72, 0x40, 0x91, 0xa9, '__proto__', 0x81, 0xa8, 'polluted', 1)
  },
  { name: 'a record with code for keys', bytes: map(0x96, recordOf('x:1}),polluted=1,({a', 4)) },
  {
    name: '60,000 records compiled',
    bytes: map(0xdd, [0, 3, 0, 0], Buffer.concat(range(50_000).map((n) => recordOf(n.toString(36), 4))))
  },
  { name: 'a map with a prototype', bytes: map(0x81, 0xa9, '__proto__', 0x81, 0xa8, 'polluted', 1) },
  {
    name: 'a bigint of a megabyte',
    bytes: map(0xc9, [0, 0x0f, 0x42, 0x40], 0x42, Buffer.alloc(1_000_000, 0xab))
  },
  { name: 'bundled strings', bytes: map(0xd6, 0x62, [0xff, 0xff, 0xff, 0xf0], 0xdb, HUGE, 0xdb, HUGE) },
  {
    name: 'bundled strings within themselves',
    bytes: map(times(20_000, bytes(0xd6, 0x62, [0xff, 0xff, 0xff, 0xfa])))
  },
  { name: 'arrays 500,000 deep', bytes: map(Buffer.alloc(500_000, 0x91)) },
  { name: 'Sets 200,000 deep', bytes: map(times(200_000, bytes(0xd4, 0x73, 0))) },
  { name: 'a regexp of wrong types', bytes: map(0xd4, 0x78, 0, 0x92, 1, 2) },
  { name: 'an empty error', bytes: map(0xd4, 0x65, 0, 0x90) },
  { name: 'an empty error in an object', bytes: object(0xd4, 0x65, 0, 0x90) },
  { name: 'an error of a number', bytes: object(0xd4, 0x65, 0, 5) },
  { name: 'an error of errors', bytes: object(times(5_000, bytes(0xd4, 0x65, 0, 0x91))) },
  ...['valueOf', 'constructor', '__proto__', 'toString', 'hasOwnProperty', 'AggregateError', ''].map(
    (name) => ({
      name: `an error ${name}`,
      bytes: object(0xd4, 0x65, 0, 0x93, 0xa0 + name.length, name, [0xa1, 0x78], 0xc0)
    })
  ),
  ...['bin', 'read', 'read0', 'isShared', 'highByte', 'length', 'sharedLength', '__keys__'].map((key) => ({
    name: `a structure with a key ${key}`,
    bytes: object(recordOf(key, 5))
  })),
  { name: 'a structure named bin', bytes: bytes(0xd5, 0x72, 0x62, 0x69, 0x91, [0xa1, 0x61], 1) },
  { name: 'a structure of two bytes', bytes: bytes(0xd5, 0x72, 0x40, 0, 0x91, [0xa1, 0x61], 1) },
  { name: 'a structure of another number', bytes: bytes(0xd4, 0x72, 0x80, 0x91, [0xa1, 0x61], 1) },
  { name: 'an invalid token', bytes: object(0xc1) },
  { name: 'an invalid token, twice', bytes: object(0x92, 0xc1, 0xc1) },
  { name: 'empty Maps', bytes: object(0xdd, [0, 0, 0xea, 0x60], Buffer.alloc(60_000, 0x80)) },
  { name: 'empty objects', bytes: object(0xdd, [0, 0, 0xea, 0x60], Buffer.alloc(60_000, 0x40)) },
  { name: 'empty Sets', bytes: object(0xdd, [0, 0, 0x3a, 0x98], times(15_000, bytes(0xd4, 0x73, 0, 0x90))) },
  { name: 'a Set of a number', bytes: object(0xd4, 0x73, 0, 5) },
  { name: 'a Map with too many entries', bytes: object(0xde, [0xff, 0xff], Buffer.alloc(140_000, 1)) },
  {
    name: '7,000 errors',
    bytes: object(0xdd, [0, 0, 0x1b, 0x58], times(7_000, bytes(0xd4, 0x65, 0, 0x93, 0xa0, 0xa0, 0xc0)))
  },
  { name: 'binary data of an unknown type', bytes: object(0xc7, 2, 0x74, 99, 0) },
  { name: 'binary data of half a number', bytes: object(0xc7, 2, 0x74, 3, 0) },
  { name: 'empty binary data', bytes: object(0xc7, 0, 0x74) },
  { name: 'an empty bigint', bytes: object(0xc7, 0, 0x42) },
  { name: 'a time of two bytes', bytes: object(0xd5, 0xff, 0, 0) },
  { name: 'a time beyond all limits', bytes: object(0xc7, 12, 0xff, HUGE, HUGE, HUGE) },
  { name: 'an extension of two bytes', bytes: object(0xd5, 0x73, 0, 0x90) },
  { name: 'an extension with data', bytes: object(0xd4, 0x73, 1, 0x90) },
  { name: 'an unknown extension', bytes: object(0xd4, 0x20, 0) }
].map((attack) => ('text' in attack ? { name: attack.name, bytes: Buffer.from(attack.text) } : attack))

function range(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n)
}

function pathsTo(path: string): string[] {
  return range(40_000).map((n) => `${path}.${n}`)
}

/** A record with one key, read so often that msgpackr compiles a reader for it. */
function recordOf(key: string, reads: number): Buffer {
  return bytes(0xd4, 0x72, 0x40, 0x91, 0xa0 + key.length, key, 0xc0, times(reads - 1, Buffer.of(0x40, 0xc0)))
}

function times(count: number, part: Buffer): Buffer {
  return Buffer.alloc(count * part.length, part)
}

function pointerGraph(levels: number): Buffer {
  let value: unknown = {}
  for (let level = 0; level < levels; level++) value = [value, value]
  return bytes(new Packr({ moreTypes: true, structuredClone: true }).pack({ value }), 0xc0)
}
