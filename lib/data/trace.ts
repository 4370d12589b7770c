// Tells whether objects have changed since they were handed out, without encoding them.
import { isDictionary } from './weight.js'

/** Follows the parts of each object. */
const END = Symbol('end')

/** What was inside an object and all that it contains. */
export class Trace {
  /** Each object once, so that shared parts and cycles end. */
  readonly #objects: Set<object>
  readonly #parts: unknown[] = []
  #isComplete = true

  constructor(root: object) {
    this.#objects = new Set([root])
    try {
      for (const object of this.#objects) this.#note(object)
    } catch {
      // A getter or a proxy that the request has put inside.
      this.#isComplete = false
    }
  }

  /** Whether nothing has changed since. Always false if it contains more than lists, dictionaries and Dates. */
  get isUnchanged(): boolean {
    if (!this.#isComplete) return false
    try {
      let at = 0
      for (const object of this.#objects) {
        at = endOf(object, this.#parts, at)
        if (this.#parts[at++] !== END) return false
      }
      return true
    } catch {
      return false
    }
  }

  // One loop for each kind, and no call for each part: this runs for every object that a request reads.
  #note(object: object): void {
    const from = this.#parts.length
    if (Array.isArray(object)) {
      for (let at = 0; at < object.length; at++) this.#parts.push(object[at])
    } else if (isDictionary(object)) {
      for (const key in object) this.#parts.push(key, object[key])
    } else {
      this.#parts.push((object as Date).getTime())
    }
    for (let at = from; at < this.#parts.length; at++) {
      const part = this.#parts[at]
      if (typeof part === 'object' && part !== null) this.#objects.add(part)
    }
    this.#parts.push(END)
  }
}

/** Where the parts of this object end that begin at this place; -1 if it has others now. */
function endOf(object: object, parts: readonly unknown[], from: number): number {
  let at = from
  if (Array.isArray(object)) {
    for (let index = 0; index < object.length; index++) if (!Object.is(object[index], parts[at++])) return -1
    // Some serializers tell holes from `undefined`, and store named properties, whose names come after `length`.
    return hasOnly(object, object.length + 1, 'length') && !('toJSON' in object) ? at : -1
  }
  if (isDictionary(object)) {
    for (const key in object) if (parts[at++] !== key || !Object.is(object[key], parts[at++])) return -1
    // With toJSON() it could be stored as anything. Some serializers store what this loop does not see.
    return hasOnly(object, (at - from) / 2) && !('toJSON' in object) ? at : -1
  }
  const isDate = Object.getPrototypeOf(object) === Date.prototype && hasOnly(object, 0)
  return isDate && Object.is((object as Date).getTime(), parts[at++]) ? at : -1
}

// Reflect.ownKeys() is several times slower than these two.
function hasOnly(object: object, count: number, last?: string): boolean {
  const names = Object.getOwnPropertyNames(object)
  const isKnown = names.length === count && (last === undefined || names[count - 1] === last)
  return isKnown && Object.getOwnPropertySymbols(object).length === 0
}
