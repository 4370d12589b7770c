// The serializer that docs/serializers.md shows as an example.
import t from 'tap'
import { testSerializer } from '../contracts/serializer.js'
import v8 from '../contracts/v8.js'

testSerializer(t, v8, {
  module: new URL('../contracts/v8.js', import.meta.url),
  lost: ['URL', 'class instance', 'object without prototype'],
  error: ['function', 'symbol', '10,000 lists within each other'],
  pooled: true
})
