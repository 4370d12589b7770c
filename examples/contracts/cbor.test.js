// Runs the contract of serializers over cbor.js, by node:test: `node --test`.
import { test } from 'node:test'
import { serializerContract } from 'fastify-ioredis-session/contracts'
import { serializer } from './cbor.js'

const contract = serializerContract(serializer, {
  module: new URL('./cbor.js', import.meta.url),
  lost: [
    'half a surrogate pair',
    '-0',
    'ArrayBuffer',
    'URL',
    'class instance',
    'object without prototype',
    'a key `__proto__`',
    'the same object twice',
    'the same objects in a Set'
  ],
  error: ['Error', 'function', 'symbol', 'an object inside itself', '10,000 lists within each other']
})
for (const { name, run } of contract) test(name, run)
