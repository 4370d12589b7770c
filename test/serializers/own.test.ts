import t from 'tap'
import { testSerializer } from '../contracts/serializer.js'
import { v8 } from '../contracts/v8.js'

testSerializer(t, v8, {
  lost: ['URL', 'class instance', 'object without prototype'],
  error: ['function', 'symbol', '10,000 lists within each other']
})
