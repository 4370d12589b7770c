// Tells whether objects have changed since they were handed out, without encoding them.
import { isDictionary } from './weight.js'

/** What was inside one object: the names of a dictionary, and the values of any object. */
interface Inside {
  names: readonly string[]
  values: readonly unknown[]
}

const NO_NAMES: readonly string[] = []

/** What was inside an object and all that it contains. */
export class Trace {
  /** Each object once, so that shared parts and cycles end. */
  readonly #objects: Set<object>
  readonly #insides: Inside[] = []
  #isComplete = true

  constructor(root: object) {
    this.#objects = new Set([root])
    try {
      for (const object of this.#objects) this.#note(insideOf(object))
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
        if (!hasInside(object, this.#insides[at++] as Inside)) return false
      }
      return true
    } catch {
      return false
    }
  }

  #note(inside: Inside): void {
    for (const value of inside.values) {
      if (typeof value === 'object' && value !== null) this.#objects.add(value)
    }
    this.#insides.push(inside)
  }
}

// `Object.keys()` and `Object.values()` take half the time of a loop over the keys.
function insideOf(object: object): Inside {
  if (isDictionary(object)) return { names: Object.keys(object), values: Object.values(object) }
  const values: unknown[] = []
  // Not `slice()`, which a class of the application may override.
  if (Array.isArray(object)) for (let at = 0; at < object.length; at++) values.push(object[at])
  else values.push((object as Date).getTime())
  return { names: NO_NAMES, values }
}

function hasInside(object: object, { names, values }: Inside): boolean {
  if (Array.isArray(object)) {
    for (let at = 0; at < object.length; at++) if (!Object.is(object[at], values[at])) return false
    // Some serializers tell holes from `undefined`, and store named properties, whose names come after `length`.
    return (
      object.length === values.length && hasOnly(object, values.length + 1, 'length') && !hasToJson(object)
    )
  }
  if (isDictionary(object)) {
    let at = 0
    for (const key in object) {
      if (names[at] !== key || !Object.is(object[key], values[at])) return false
      at++
    }
    // Some serializers store what this loop does not see.
    return at === values.length && hasOnly(object, at) && !hasToJson(object)
  }
  const isDate = Object.getPrototypeOf(object) === Date.prototype && hasOnly(object, 0)
  return isDate && Object.is((object as Date).getTime(), values[0])
}

// It could be stored as anything then.
function hasToJson(object: object): boolean {
  return 'toJSON' in object
}

// Reflect.ownKeys() is several times slower than these two.
function hasOnly(object: object, count: number, last?: string): boolean {
  const names = Object.getOwnPropertyNames(object)
  const isKnown = names.length === count && (last === undefined || names[count - 1] === last)
  return isKnown && Object.getOwnPropertySymbols(object).length === 0
}
