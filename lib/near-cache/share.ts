// Data that many requests read at once. Freezing protects plain objects and lists. It does not protect what other types
// hold inside (Map, Set, Date, binary data), so each request decodes those for itself.
import { Buffer } from 'node:buffer'
import { types } from 'node:util'
import type { Dictionary } from '../../serializers/serializer.js'
import type { SharedData, SharedValue } from '../records/shared.js'

export interface Shared {
  data: SharedData
  /** Whether all values can be shared. */
  isComplete: boolean
  /** The bytes that the values take in memory. */
  bytes: number
}

/** Bytes in memory: of an object or list, of each value in it, of a text or a number that takes more, of a session's key. */
const OBJECT_BYTES = 48
const VALUE_BYTES = 8
const BOXED_BYTES = 16
const KEY_BYTES = 120
const NOT_PLAIN = Symbol('not plain')

/** Copies the values, frozen at any depth. Leaves out those that are not plain data. */
export function share(data: Dictionary): Shared {
  const copier = new Copier()
  const shared = new Map<string, SharedValue | undefined>()
  let isComplete = true
  for (const [key, part] of Object.entries(data)) {
    const value = copier.frozen(part)
    if (value === NOT_PLAIN) isComplete = false
    shared.set(key, value === NOT_PLAIN ? undefined : { value })
    copier.bytes += KEY_BYTES + key.length
  }
  return { data: shared, isComplete, bytes: copier.bytes }
}

/** The same values, which the caller may change. */
export function copyOf(data: SharedData): Dictionary {
  return Object.fromEntries(Array.from(data, ([key, shared]) => [key, copyOfPlain(shared?.value)]))
}

function copyOfPlain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(copyOfPlain)
  const copy: Dictionary = {}
  for (const key in value) copy[key] = copyOfPlain((value as Dictionary)[key])
  return copy
}

class Copier {
  readonly #seen = new Set<object>()
  bytes = 0

  /** A frozen copy, or NOT_PLAIN. */
  frozen(value: unknown): unknown {
    if (typeof value === 'string') this.bytes += BOXED_BYTES + Buffer.byteLength(value)
    if (typeof value === 'number' && !Number.isInteger(value)) this.bytes += BOXED_BYTES
    if (typeof value === 'function') return NOT_PLAIN
    if (typeof value !== 'object' || value === null) return value
    // A copy would have two of what is one object here, and no end if that is inside itself.
    if (this.#seen.has(value) || types.isProxy(value)) return NOT_PLAIN
    this.#seen.add(value)
    this.bytes += OBJECT_BYTES
    return Array.isArray(value) ? this.#list(value) : this.#dictionary(value as Dictionary)
  }

  #list(list: unknown[]): unknown {
    const isPlain = Object.getPrototypeOf(list) === Array.prototype
    // No holes, nothing beside its items and its length.
    if (!isPlain || Reflect.ownKeys(list).length !== list.length + 1) return NOT_PLAIN
    this.bytes += VALUE_BYTES * list.length
    // Pushing values one by one would reserve room for more.
    const copy = list.map((item) => this.frozen(item))
    return copy.includes(NOT_PLAIN) ? NOT_PLAIN : Object.freeze(copy)
  }

  #dictionary(dictionary: Dictionary): unknown {
    const keys = Object.keys(dictionary)
    const isPlain = Object.getPrototypeOf(dictionary) === Object.prototype
    // An assignment to __proto__ would change the prototype.
    const hasOthers = Reflect.ownKeys(dictionary).length !== keys.length || keys.includes('__proto__')
    if (!isPlain || hasOthers) return NOT_PLAIN
    const copy: Dictionary = {}
    for (const key of keys) {
      const value = this.frozen(dictionary[key])
      if (value === NOT_PLAIN) return NOT_PLAIN
      copy[key] = value
      this.bytes += VALUE_BYTES
    }
    return Object.freeze(copy)
  }
}
