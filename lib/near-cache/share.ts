// Data that many requests read at once, decoded only once. Freezing protects plain objects and lists. It does not protect
// what other types hold inside (Map, Set, Date, binary data), so each request decodes those for itself.
import { types } from 'node:util'
import type { Dictionary } from '../../serializers/serializer.js'
import { isDictionary } from '../data/weight.js'
import type { SharedData, SharedValue } from '../records/shared.js'

/** Bytes that values take in memory, beside their text, as measured: an object or list, each of its values, a key. */
const OBJECT_BYTES = 48
const VALUE_BYTES = 32
const KEY_BYTES = 100

/** Freezes the values that freezing protects. Returns them with the bytes that they take in memory. */
export function share(data: Dictionary): { data: SharedData; bytes: number } {
  const shared = new Map<string, SharedValue | undefined>()
  let bytes = 0
  for (const [key, value] of Object.entries(data)) {
    const size = freeze(value)
    shared.set(key, size === undefined ? undefined : { value })
    bytes += KEY_BYTES + key.length + (size ?? 0)
  }
  return { data: shared, bytes }
}

/** Freezes a value at any depth, and returns its bytes. Leaves it alone if some part could be changed all the same. */
function freeze(value: unknown): number | undefined {
  const objects = new Set<object>()
  let bytes = 0
  const add = (part: unknown) => {
    if (typeof part === 'string') bytes += part.length
    else if (typeof part === 'function' || (typeof part === 'object' && part !== null)) objects.add(part)
  }
  add(value)
  // Goes on with the objects that it adds.
  for (const object of objects) {
    if (!isPlain(object)) return undefined
    bytes += OBJECT_BYTES
    for (const key of Reflect.ownKeys(object)) {
      const property = Object.getOwnPropertyDescriptor(object, key)
      if (property?.get !== undefined || property?.set !== undefined) return undefined
      bytes += VALUE_BYTES
      add(property?.value)
    }
  }
  for (const object of objects) Object.freeze(object)
  return bytes
}

function isPlain(value: object): boolean {
  if (types.isProxy(value)) return false
  return Array.isArray(value) ? Object.getPrototypeOf(value) === Array.prototype : isDictionary(value)
}
