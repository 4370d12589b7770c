import t from 'tap'
import { serializers } from '../../serializers/index.js'
import { testSerializer } from '../contracts/serializer.js'

testSerializer(t, serializers.json, {
  module: new URL('../../serializers/json.js', import.meta.url),
  lost: [
    '-0',
    'NaN, Infinity',
    'undefined in an object',
    'undefined in a list',
    'Date',
    'invalid Date',
    'RegExp',
    'Set',
    'Map',
    'Map with objects as keys',
    'Buffer',
    'Uint8Array',
    'other typed arrays',
    'ArrayBuffer',
    'Error',
    'URL',
    'function',
    'symbol',
    'class instance',
    'object without prototype',
    'the same object twice',
    'the same objects in a Set'
  ],
  error: [
    'bigint',
    'bigint of more than 64 bits',
    'BigInt64Array',
    'an object inside itself',
    '10,000 lists within each other'
  ]
})

t.test('json: decodes long texts as well as short ones', async (t) => {
  const { decode, encode } = serializers.json
  const pieces = ['plain', 'Crème', 'žluťoučký', '漢字', '🎉', '\uFFFD', '\uFEFF']
  for (const piece of pieces) {
    for (const times of [1, 1_000]) {
      const data = { text: piece.repeat(times) }
      const bytes = Buffer.from(encode(data) as string)
      t.same(decode(bytes), data, `${piece}, ${times} times`)
      const [first = 0] = Buffer.from(piece)
      bytes[bytes.indexOf(first, 9)] = 0xff
      t.throws(() => decode(bytes), TypeError, `${piece}, ${times} times, and an invalid byte`)
    }
  }
})
