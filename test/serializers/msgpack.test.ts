import t from 'tap'
import { serializers } from '../../serializers/index.js'
import { testSerializer } from '../contracts/serializer.js'

testSerializer(t, serializers.msgpack, {
  module: new URL('../../serializers/msgpack.js', import.meta.url),
  lost: [
    'half a surrogate pair',
    '-0',
    'Error',
    'URL',
    'function',
    'class instance',
    'object without prototype',
    'a key `__proto__`',
    'the same object twice',
    'the same objects in a Set'
  ],
  error: ['symbol', 'an object inside itself', '10,000 lists within each other']
})
