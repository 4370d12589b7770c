// Deep equality at a bounded cost. A small record can decode to a graph that doubles in size at every level.
import { Buffer } from 'node:buffer'
import { isDeepStrictEqual, types } from 'node:util'

/** The budget of a comparison or merge is exhausted. */
export class BudgetError extends Error {}

/** Steps per request for comparing and merging: about 50 ms on a slow machine. */
const STEPS = 300_000
/** Steps for a pair of objects, which takes about ten times as long as a pair of primitives. */
const PAIR_OF_OBJECTS = 10
/** Extra steps for a lookup of an object in a Set or Map, and for a comparison by node:util. */
const ATTEMPT = 20
/** Characters or bytes per step. */
const CHUNK = 64

/** The remaining steps. A pair of primitives costs one step, and one more per 64 characters; a pair of objects ten. */
export class Budget {
  #left: number

  constructor(steps = STEPS) {
    this.#left = steps
  }

  /** The budget for records of this size. One merge may compare a record several times. */
  static forRecords(maxRecordBytes: number): Budget {
    return new Budget(Math.max(STEPS, 4 * maxRecordBytes))
  }

  get left(): number {
    return this.#left
  }

  /** @throws {BudgetError} */
  spend(steps = 1): void {
    this.#left -= steps
    if (this.#left < 0) throw new BudgetError('too much to compare')
  }
}

let shared: Budget | undefined

/** Runs an application's rule. It may call the rules of this package, which spend this budget. */
export function spending<Result>(budget: Budget, rule: () => Result): Result {
  shared = budget
  try {
    return rule()
  } finally {
    shared = undefined
  }
}

/** The budget of the current merge, or a new one if the application calls a rule outside a merge. */
export function currentBudget(): Budget {
  return shared ?? new Budget()
}

/**
 * Like `isDeepStrictEqual` of node:util, except that invalid Dates are equal. The time is linear in the number of
 * distinct objects.
 * @throws {BudgetError}
 */
export function isEqual(a: unknown, b: unknown, budget: Budget): boolean {
  if (!isObject(a) || !isObject(b)) return areSamePrimitives(a, b, budget)
  if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) {
    budget.spend(PAIR_OF_OBJECTS)
    return a === b || areSameViews(a, b, budget)
  }
  try {
    return new Comparison(budget).areEqual(a, b)
  } catch (error) {
    // A thousand nested Sets overflow the stack.
    throw error instanceof RangeError ? new BudgetError('too deep to compare') : error
  }
}

// Node compares the causes of errors since version 22.
const comparesCauses = !isDeepStrictEqual(new Error('', { cause: 1 }), new Error('', { cause: 2 }))
const HIDDEN_IN_ERRORS = ['message', 'name', ...(comparesCauses ? ['cause', 'errors'] : [])]

class Comparison {
  readonly #budget: Budget
  // An object's first partner, with which it is equal or being compared: all that data without shared objects needs.
  readonly #partners = new Map<object, object>()
  /** The objects with a partner, in the order in which they got it. */
  readonly #partnered: object[] = []
  /** For objects that meet a second partner. */
  #trees: Trees | undefined

  constructor(budget: Budget) {
    this.#budget = budget
  }

  areEqual(a: unknown, b: unknown): boolean {
    // A list instead of recursion: data may be nested more deeply than the stack allows.
    const pairs: Pairs = []
    if (!this.#match(a, b, pairs)) return false
    while (pairs.length > 0) {
      const [y, x] = [pairs.pop(), pairs.pop()]
      if (!this.#areEqualIfPairsAre(x as object, y as object, pairs)) return false
    }
    return true
  }

  // Compares primitives at once, and adds objects to the list.
  #match(a: unknown, b: unknown, pairs: Pairs): boolean {
    if (!isObject(a) || !isObject(b)) return areSamePrimitives(a, b, this.#budget)
    pairs.push(a, b)
    return true
  }

  // Adds pairs to the list. If it returns true, the values are equal provided that these pairs are.
  #areEqualIfPairsAre(a: object, b: object, pairs: Pairs): boolean {
    this.#budget.spend(PAIR_OF_OBJECTS)
    if (a === b) return true
    const partner = this.#partners.get(a)
    if (partner === b) return true
    if (partner === undefined) {
      this.#partners.set(a, b)
      this.#partnered.push(a)
      return this.#areSameObjects(a, b, pairs)
    }
    this.#trees ??= new Trees(this.#budget)
    return !this.#trees.join(a, b) || this.#areSameObjects(a, b, pairs)
  }

  // One attempt of several: if it fails, undo its partners and joins.
  #mayBeEqual(a: unknown, b: unknown): boolean {
    this.#budget.spend(ATTEMPT)
    const [partnered, joins] = [this.#partnered.length, this.#trees?.joins ?? 0]
    if (this.areEqual(a, b)) return true
    for (const object of this.#partnered.splice(partnered)) this.#partners.delete(object)
    this.#trees?.undo(joins)
    return false
  }

  #areSameObjects(a: object, b: object, pairs: Pairs): boolean {
    if (ArrayBuffer.isView(a) && ArrayBuffer.isView(b)) return areSameViews(a, b, this.#budget)
    const tag = tagOf(a)
    if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b) || tag !== tagOf(b)) return false
    if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && this.#haveSameKeys(a, b, pairs)
    if (types.isSet(a) && types.isSet(b)) return this.#areSameSets(a, b) && this.#haveSameKeys(a, b, pairs)
    if (types.isMap(a) && types.isMap(b))
      return this.#areSameMaps(a, b, pairs) && this.#haveSameKeys(a, b, pairs)
    if (a instanceof Error && b instanceof Error) {
      return (
        HIDDEN_IN_ERRORS.every((name) =>
          this.#match((a as object as Named)[name], (b as object as Named)[name], pairs)
        ) && this.#haveSameKeys(a, b, pairs)
      )
    }
    if (tag === '[object Object]') return this.#haveSameKeys(a, b, pairs)
    if (types.isDate(a) && types.isDate(b))
      return Object.is(a.getTime(), b.getTime()) && this.#haveSameKeys(a, b, pairs)
    // No other type contains values.
    this.#budget.spend(ATTEMPT)
    return isDeepStrictEqual(a, b)
  }

  #haveSameKeys(a: object, b: object, pairs: Pairs): boolean {
    const keys = keysOf(a)
    if (keys.length !== keysOf(b).length) return false
    for (const key of keys) {
      if (!isOwn(b, key) || !this.#match((a as Named)[key], (b as Named)[key], pairs)) return false
    }
    return true
  }

  #areSameSets(a: Set<unknown>, b: Set<unknown>): boolean {
    if (a.size !== b.size) return false
    const objects = new Set<unknown>()
    for (const item of a) {
      this.#budget.spend()
      if (isObject(item)) objects.add(item)
      else if (!b.has(item)) return false
    }
    for (const item of b) {
      if (isObject(item) && !this.#take(objects, (other) => this.#mayBeEqual(other, item))) return false
    }
    return objects.size === 0
  }

  #areSameMaps(a: Map<unknown, unknown>, b: Map<unknown, unknown>, pairs: Pairs): boolean {
    if (a.size !== b.size) return false
    const objects = new Set<unknown>()
    for (const [key, value] of a) {
      if (isObject(key)) objects.add(key)
      else if (!b.has(key) || !this.#match(value, b.get(key), pairs)) return false
    }
    for (const [key, value] of b) {
      if (!isObject(key)) continue
      const isSame = (other: unknown) => this.#mayBeEqual([other, a.get(other)], [key, value])
      if (!this.#take(objects, isSame)) return false
    }
    return objects.size === 0
  }

  // Objects in Sets and Maps cannot be looked up by value, so this compares with the remaining ones in order.
  #take(objects: Set<unknown>, isSame: (object: unknown) => boolean): boolean {
    for (const object of objects) if (isSame(object)) return objects.delete(object)
    return false
  }
}

// Objects that are equal, or are being compared, form trees. Two objects of one tree are not compared again. This ends
// cycles and makes the cost linear (the algorithm of Hopcroft and Karp for automata).
class Trees {
  readonly #budget: Budget
  readonly #parents = new Map<object, object>()
  /** The number of objects in the tree of each root. The smaller tree joins the larger one, so trees stay flat. */
  readonly #sizes = new Map<object, number>()
  /** The objects with a parent, in the order in which they got it. */
  readonly #joined: object[] = []

  constructor(budget: Budget) {
    this.#budget = budget
  }

  get joins(): number {
    return this.#joined.length
  }

  /** @returns Whether they were in different trees. */
  join(a: object, b: object): boolean {
    const [one, other] = [this.#rootOf(a), this.#rootOf(b)]
    if (one === other) return false
    const [size, otherSize] = [this.#sizeOf(one), this.#sizeOf(other)]
    const [small, large] = size < otherSize ? [one, other] : [other, one]
    this.#parents.set(small, large)
    this.#sizes.set(large, size + otherSize)
    this.#joined.push(small)
    return true
  }

  /** Undoes all but the first joins. */
  undo(joins: number): void {
    for (const joined of this.#joined.splice(joins).reverse()) {
      const parent = this.#parents.get(joined) as object
      this.#sizes.set(parent, this.#sizeOf(parent) - this.#sizeOf(joined))
      this.#parents.delete(joined)
    }
  }

  #rootOf(value: object): object {
    let root = value
    for (let parent = this.#parents.get(root); parent !== undefined; parent = this.#parents.get(root)) {
      this.#budget.spend()
      root = parent
    }
    return root
  }

  #sizeOf(root: object): number {
    return this.#sizes.get(root) ?? 1
  }
}

/** Two objects in turn. */
type Pairs = object[]
type Named = Record<string | symbol, unknown>

// At least one of them is not an object.
function areSamePrimitives(a: unknown, b: unknown, budget: Budget): boolean {
  budget.spend()
  if (typeof a !== 'string' || typeof b !== 'string') return Object.is(a, b)
  if (a.length !== b.length) return false
  budget.spend(Math.floor(a.length / CHUNK))
  return a === b
}

function areSameViews(a: ArrayBufferView, b: ArrayBufferView, budget: Budget): boolean {
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  budget.spend(Math.floor(a.byteLength / CHUNK))
  if (!bytesOf(a).equals(bytesOf(b))) return false
  budget.spend(ATTEMPT)
  return isDeepStrictEqual(a, b)
}

export function bytesOf(view: ArrayBufferView): Buffer {
  if (Buffer.isBuffer(view)) return view
  return Buffer.from(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength)
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value)
}

function keysOf(value: object): readonly (string | symbol)[] {
  const keys = Object.keys(value)
  const symbols = Object.getOwnPropertySymbols(value)
  return symbols.length === 0 ? keys : [...keys, ...symbols.filter((symbol) => isOwn(value, symbol))]
}

function isOwn(value: object, key: string | symbol): boolean {
  return Object.prototype.propertyIsEnumerable.call(value, key)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
