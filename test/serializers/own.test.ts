import t from 'tap'
import { testSerializer } from '../contracts/serializer.js'
import v8 from '../contracts/v8.js'

const promises = {
  lost: ['URL', 'class instance', 'object without prototype'],
  error: ['function', 'symbol', '10,000 lists within each other']
} as const

testSerializer(t, v8, promises, new URL('../contracts/v8.js', import.meta.url))
