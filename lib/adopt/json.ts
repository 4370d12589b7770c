// JSON in records of other libraries.
import type { Buffer } from 'node:buffer'
import { type Dictionary, textOf } from '../../serializers/serializer.js'
import { isDictionary } from '../data/weight.js'

/** @throws if it is not an object in JSON and UTF-8 */
export function jsonOf(bytes: Buffer): Dictionary {
  const value: unknown = JSON.parse(textOf(bytes))
  if (!isDictionary(value)) throw new TypeError('not an object')
  return value
}
