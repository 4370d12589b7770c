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

t.test('msgpack: formats that this package does not write are read, and unknown bytes refused', async (t) => {
  const read = (hex: string) => serializers.msgpack.decode(Buffer.from(hex, 'hex'))
  t.same(read('de0001a161d1ff7f'), new Map([['a', -129]]))
  t.same(read('df00000001a161d2ffff7fff'), new Map([['a', -32_769]]))
  t.same(read('81a161dd0000000101'), new Map([['a', [1]]]))
  for (const hex of ['c1', '81a161c1']) t.throws(() => read(hex), hex)
})
