// Tells whether objects have changed since they were handed out, without encoding them.
import { isDictionary } from './weight.js'

/** What was inside an object and all that it contains. */
export class Trace {
  readonly #ignoresHidden: boolean
  /** Each object once, so that shared parts and cycles end. */
  readonly #objects: Set<object>
  /** A shallow copy of each. V8 makes one in less time than lists of keys and values. */
  readonly #copies: object[] = []
  #isComplete = true

  /**
   * @param ignoresHidden Whether symbols, properties that are not enumerable, and named properties of lists do not count in
   * dictionaries and lists.
   */
  constructor(root: object, ignoresHidden = false) {
    this.#ignoresHidden = ignoresHidden
    this.#objects = new Set([root])
    try {
      for (const object of this.#objects) this.#copies.push(this.#copyOf(object))
    } catch {
      // A getter or a proxy that the request has put inside, or an object of another type.
      this.#isComplete = false
    }
  }

  /** Whether nothing has changed since. Always false if it contains more than lists, dictionaries and Dates. */
  get isUnchanged(): boolean {
    if (!this.#isComplete) return false
    try {
      let at = 0
      for (const object of this.#objects) {
        if (!this.#isLike(object, this.#copies[at++] as object)) return false
      }
      return true
    } catch {
      return false
    }
  }

  #copyOf(object: object): object {
    if (isDictionary(object)) {
      for (const key in object) this.#add(object[key])
      return { ...object }
    }
    if (!Array.isArray(object)) return new Date((object as Date).getTime())
    const copy: unknown[] = []
    // Not `slice()`, which a class of the application may override.
    for (let at = 0; at < object.length; at++) {
      this.#add(object[at])
      copy.push(object[at])
    }
    return copy
  }

  #add(value: unknown): void {
    if (typeof value === 'object' && value !== null) this.#objects.add(value)
  }

  #isLike(object: object, copy: object): boolean {
    if (Array.isArray(object)) {
      const items = copy as readonly unknown[]
      for (let at = 0; at < object.length; at++) if (!Object.is(object[at], items[at])) return false
      // Some serializers tell holes from `undefined`, and store named properties, whose names come after `length`.
      const isSame = object.length === items.length && Object.getPrototypeOf(object) === Array.prototype
      return isSame && this.#hasOnly(object, items.length, 'length') && !hasToJson(object)
    }
    if (isDictionary(object) && isDictionary(copy)) {
      const names = Object.keys(copy)
      let at = 0
      for (const key in object) {
        if (names[at++] !== key || !Object.is(object[key], copy[key])) return false
      }
      return at === names.length && this.#hasOnly(object, at) && !hasToJson(object)
    }
    const isDate = Object.getPrototypeOf(object) === Date.prototype && hasOnly(object, 0)
    return isDate && Object.is((object as Date).getTime(), (copy as Date).getTime())
  }

  #hasOnly(object: object, count: number, last?: string): boolean {
    return this.#ignoresHidden || hasOnly(object, count, last)
  }
}

// It could be stored as anything then.
function hasToJson(object: object): boolean {
  return 'toJSON' in object
}

/** Whether it has so many properties, all of them enumerable, and besides them this one at most. */
function hasOnly(object: object, count: number, last?: string): boolean {
  // Reflect.ownKeys() is several times slower than these.
  const names = Object.getOwnPropertyNames(object)
  if (names[count] !== last || names.length > count + 1) return false
  return Object.keys(object).length === count && Object.getOwnPropertySymbols(object).length === 0
}
