// Tells whether objects have changed since they were handed out, without encoding them.
import { isDictionary } from './weight.js'

/** Follows the parts of each object. */
const END = Symbol('end')

/** What was inside an object and all that it contains. */
export class Trace {
  /** Each object once, so that shared parts and cycles end. */
  readonly #objects: Set<object>
  readonly #parts: unknown[] = []
  readonly #isComplete: boolean

  constructor(root: object) {
    const objects = new Set([root])
    const parts = this.#parts
    this.#objects = objects
    this.#isComplete = this.#visit((part) => {
      parts.push(part)
      if (typeof part === 'object' && part !== null) objects.add(part)
      return true
    })
  }

  /** Whether nothing has changed since. Always false if it contains more than lists, dictionaries and Dates. */
  get isUnchanged(): boolean {
    if (!this.#isComplete) return false
    const parts = this.#parts
    let at = 0
    return this.#visit((part) => Object.is(part, parts[at++]))
  }

  // True if all objects are of the known kinds, and `visit` returned true for all of their parts.
  #visit(visit: (part: unknown) => boolean): boolean {
    try {
      for (const object of this.#objects) {
        if (!visitParts(object, visit) || !visit(END)) return false
      }
      return true
    } catch {
      // A getter or a proxy that the request has put inside.
      return false
    }
  }
}

function visitParts(object: object, visit: (part: unknown) => boolean): boolean {
  if (Array.isArray(object)) {
    for (let at = 0; at < object.length; at++) if (!visit(object[at])) return false
    // Some serializers tell holes from `undefined`, and store named properties, whose keys come after `length`.
    const keys = Reflect.ownKeys(object)
    return keys.length === object.length + 1 && keys.at(-1) === 'length'
  }
  if (isDictionary(object)) {
    let count = 0
    for (const key in object) {
      if (!visit(key) || !visit(object[key])) return false
      count++
    }
    // With toJSON() it could be stored as anything. Some serializers store what this loop does not see.
    return Reflect.ownKeys(object).length === count && !('toJSON' in object)
  }
  return Object.getPrototypeOf(object) === Date.prototype && visit((object as Date).getTime())
}
