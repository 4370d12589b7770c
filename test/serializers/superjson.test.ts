import t from 'tap'
import { typeName } from '../../lib/data/codec.js'
import { serializers } from '../../serializers/index.js'
import type { Dictionary } from '../../serializers/serializer.js'
import { testSerializer } from '../contracts/serializer.js'

testSerializer(t, serializers.superjson, {
  module: new URL('../../serializers/superjson.js', import.meta.url),
  lost: ['invalid Date', 'Error', 'function', 'symbol', 'class instance', 'object without prototype'],
  error: ['a key `__proto__`', 'a key `constructor`', '10,000 lists within each other']
})

t.test('superjson: binary data of every type keeps its type', async (t) => {
  const bytes = Buffer.from('0010203040506070f0e0d0c0b0a09080', 'hex')
  const whole = Uint8Array.from(bytes).buffer
  const numbers = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array]
  const data = {
    views: [...numbers, Float32Array, Float64Array].map((type) => new type(whole)),
    others: [new BigInt64Array(whole), new BigUint64Array(whole), new DataView(whole), bytes],
    whole,
    slice: new Uint16Array(whole, 2, 3)
  }
  const back = serializers.superjson.decode(Buffer.from(serializers.superjson.encode(data)))
  t.strictSame(back, data)
  const types = ({ views, others }: Dictionary): string[] => [views, others].flat().map(typeName)
  t.same(types(back), types(data))
})

t.test('superjson: shared objects in binary data, errors and keys with dots stay shared', async (t) => {
  const cause = { id: 1 }
  const data = {
    'a.b': { '\\.': cause },
    error: new Error('oops', { cause }),
    bytes: Buffer.from('a'),
    again: {}
  }
  data.again = { bytes: data.bytes, error: data.error, self: data }
  const back = serializers.superjson.decode(Buffer.from(serializers.superjson.encode(data))) as typeof data
  t.equal(back.error.cause, back['a.b']['\\.'])
  t.equal((back.again as typeof data).bytes, back.bytes)
  t.equal((back.again as typeof data).error, back.error)
  t.equal((back.again as { self: unknown }).self, back)
})

t.test('superjson: a path must be canonical and a value has one type', async (t) => {
  const json = { a: { b: [[1], [2]] }, n: 5, 'x.y': { z: 1 } }
  const read = (meta: object): Dictionary =>
    serializers.superjson.decode(Buffer.from(JSON.stringify({ json, meta: { ...meta, v: 1 } })))
  t.same(read({ values: { 'a.b.0': ['set'] } }), { ...json, a: { b: [new Set([1]), [2]] } })
  t.same(read({ values: { 'a.b': { 1: ['set'] } } }), { ...json, a: { b: [[1], new Set([2])] } })
  t.same(read({ referentialEqualities: { 'x\\.y': ['a.b.0'] } }), { ...json, a: { b: [{ z: 1 }, [2]] } })
  for (const path of [
    'a.b.00',
    'a.b.2',
    'a.b.-1',
    'a.b.length',
    'a.b.map',
    'a.c',
    'a.b.0.0.0',
    'x.y',
    'toString',
    ''
  ]) {
    t.throws(() => read({ values: { [path]: ['undefined'] } }), path)
    t.throws(() => read({ referentialEqualities: { n: [path] } }), path)
    t.throws(() => read({ referentialEqualities: { [path]: ['n'] } }), path)
  }
  t.throws(() => read({ values: { 'a.b.0': ['set'], 'a.b': { 0: ['set'] } } }), 'twice a Set')
  t.throws(() => read({ values: { 'a.b.0.0': ['Date'], 'a.b': { '0.0': ['Date'] } } }), 'twice a Date')
  t.throws(() => read({ values: { a: ['set'] } }), 'a Set of an object')
  t.throws(() => read({ values: { a: ['map'], 'a.b': ['Error', { b: ['Error'] }] } }), 'a Map of an object')
})

t.test('superjson: binary data with anything after its base64 is refused', async (t) => {
  for (const bytes of [Buffer.of(1), Buffer.of(1, 2), Buffer.of(1, 2, 3), Buffer.alloc(0)]) {
    const read = (end: string) => {
      const meta = { values: { a: [['custom', 'binary']] }, v: 1 }
      const json = { a: ['Buffer', bytes.toString('base64') + end] }
      return serializers.superjson.decode(Buffer.from(JSON.stringify({ json, meta })))
    }
    t.same(read(''), { a: bytes })
    for (const end of ['=', ' ', '\n', '!', '====', 'A', '=AAA', '\0'])
      t.throws(() => read(end), TypeError, end)
  }
})

t.test('superjson: a typed array that its library wrote is refused', async (t) => {
  const values = { a: [['typed-array', 'Uint8Array']] }
  const bytes = Buffer.from(JSON.stringify({ json: { a: [1] }, meta: { values, v: 1 } }))
  t.throws(() => serializers.superjson.decode(bytes), /typed array/)
})

t.test('superjson: more values that are costly to make than a session may have are refused', async (t) => {
  const read = (count: number) => {
    const urls = Array.from({ length: count }, (_, n) => `http://localhost/${n}`)
    const values = Object.fromEntries(urls.map((_, n) => [`a.${n}`, ['URL']]))
    return serializers.superjson.decode(
      Buffer.from(JSON.stringify({ json: { a: urls }, meta: { values, v: 1 } }))
    )
  }
  t.equal((read(1_024).a as URL[]).length, 1_024)
  t.throws(() => read(1_025), /too many Errors, regular expressions and URLs/)
})
