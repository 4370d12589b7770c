import t from 'tap'
import { serializers } from '../../serializers/index.js'
import { testSerializer } from '../contracts/serializer.js'

testSerializer(t, serializers.json, {
  module: new URL('../../serializers/json.ts', import.meta.url),
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
