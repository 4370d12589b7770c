// Ready-made merge rules for the option `merge`.
import { types } from 'node:util'
import { MAX_ENTRIES } from '../../serializers/serializer.js'
import { type Budget, BudgetError, bytesOf, currentBudget, isEqual } from './equal.js'
import type { Merge } from './merge.js'

/**
 * For counters: adds what each side added. A missing key counts as 0. Takes numbers and bigints.
 * @throws if a value is of another type, or if the result would be inexact (integers from 2^53) or not finite; the
 * request then fails with FST_SESSION_CONFLICT
 * @example
 * await app.register(redisSession, { merge: { visits: mergeRules.sum } })
 */
export const sum: Merge = (base = 0, mine = 0, theirs = 0) => {
  const values = [base, mine, theirs]
  if (!values.every((value) => typeof value === 'number' || typeof value === 'bigint')) {
    throw new TypeError('neither a number nor a bigint')
  }
  if (values.every(Number.isSafeInteger)) {
    const total = Number(exactSum(values))
    if (!Number.isSafeInteger(total)) throw new RangeError('too large to be exact: use a bigint')
    return total
  }
  if (!values.every((value) => typeof value === 'number')) return exactSum(values)
  if (values.some((value) => Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw new RangeError('too large to be exact: use a bigint')
  }
  const total = Number(mine) - Number(base) + Number(theirs)
  if (!Number.isFinite(total)) throw new RangeError('not finite: store finite numbers only')
  return total
}

function exactSum([base, mine, theirs]: readonly unknown[]): bigint {
  return BigInt(mine as bigint) - BigInt(base as bigint) + BigInt(theirs as bigint)
}

/**
 * For values that only grow, such as the time of the last visit: keeps the larger one. Any other value is larger than
 * NaN, an invalid Date or a missing key.
 * @throws if a value is an object other than a Date; the request then fails with FST_SESSION_CONFLICT
 * @example
 * await app.register(redisSession, { merge: { lastVisit: mergeRules.larger } })
 */
export const larger: Merge = (_base, mine, theirs) => {
  if (isNothing(mine)) return isNothing(theirs) ? (mine ?? theirs) : theirs
  return !isNothing(theirs) && (theirs as number) > (mine as number) ? theirs : mine
}

function isNothing(value: unknown): boolean {
  if (typeof value === 'object' && value !== null && !types.isDate(value)) {
    throw new TypeError('neither a primitive value nor a Date')
  }
  return value === undefined || Number.isNaN(types.isDate(value) ? value.getTime() : value)
}

/**
 * For arrays: takes the other side's array, removes what this side removed, and appends what this side added. A missing
 * key counts as empty. Returns an array, also for Sets.
 * @throws if a value is neither an array nor a Set; the request then fails with FST_SESSION_CONFLICT
 * @example
 * await app.register(redisSession, { merge: { messages: mergeRules.append } })
 */
export const append: Merge = (base, mine, theirs) => {
  const [before, own, others] = [listOf(base), listOf(mine), listOf(theirs)]
  const budget = currentBudget()
  // A common beginning is the usual case, and needs no index.
  const common = commonLength(before, own, budget)
  const index = new Index(budget)
  const [was, is] = [before.slice(common), own.slice(common)].map((items) => index.of(items)) as [
    Indexed,
    Indexed
  ]
  const [removed, added] = [without(was, is), without(is, was)]
  const kept = removed.items.length === 0 ? others : without(index.of(others), removed).items
  return [...kept, ...added.items]
}

/**
 * For Sets, and for arrays without duplicates: has what either side added, lacks what either side removed. A missing
 * key counts as empty.
 * @throws if a value is neither an array nor a Set, or for a Set of more than 2,048 entries; the request then fails
 * with FST_SESSION_CONFLICT
 * @example
 * await app.register(redisSession, { merge: { roles: mergeRules.union } })
 */
export const union: Merge = (base, mine, theirs) => {
  const merged = append(base, mine, theirs) as unknown[]
  if (mine instanceof Set || theirs instanceof Set) {
    // Colliding numbers make a large Set slow, and the plugin does not store a Set of this size.
    if (merged.length > MAX_ENTRIES) throw new BudgetError('too many entries')
    return new Set(merged)
  }
  const { numbers } = new Index(currentBudget()).of(merged)
  const seen = new Set<number>()
  return merged.filter((_, at) => seen.size < seen.add(numbers[at] as number).size)
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value
  if (value instanceof Set) return [...value]
  throw new TypeError('neither a list nor a Set')
}

function commonLength(a: readonly unknown[], b: readonly unknown[], budget: Budget): number {
  let common = 0
  while (common < a.length && common < b.length && isEqual(a[common], b[common], budget)) common++
  return common
}

/** Items, and a number for each. Equal items have the same number. */
interface Indexed {
  items: readonly unknown[]
  numbers: readonly number[]
}

// The items minus the others, counting duplicates.
function without({ items, numbers }: Indexed, others: Indexed): Indexed {
  const counts: number[] = []
  for (const number of others.numbers) counts[number] = (counts[number] ?? 0) + 1
  const rest: { items: unknown[]; numbers: number[] } = { items: [], numbers: [] }
  numbers.forEach((number, at) => {
    const count = counts[number] ?? 0
    if (count > 0) counts[number] = count - 1
    else {
      rest.items.push(items[at])
      rest.numbers.push(number)
    }
  })
  return rest
}

// Numbers different values from 0 on.
class Index {
  readonly #budget: Budget
  #size = 0
  /** Equal primitives have the same key, and no others have it. */
  readonly #primitives = new Map<unknown, number>()
  /** Equal objects have the same key, and others may have it too. */
  readonly #objects = new Map<unknown, { item: object; number: number }[]>()

  constructor(budget: Budget) {
    this.#budget = budget
  }

  of(items: readonly unknown[]): Indexed {
    return { items, numbers: items.map((item) => this.#numberOf(item)) }
  }

  #numberOf(item: unknown): number {
    const key = keyOf(item, this.#budget)
    if (typeof item === 'object' && item !== null) return this.#numberOfObject(key, item)
    let number = this.#primitives.get(key)
    if (number === undefined) {
      number = this.#size++
      this.#primitives.set(key, number)
    }
    return number
  }

  #numberOfObject(key: unknown, item: object): number {
    const alike = this.#objects.get(key)
    const found = alike?.find((other) => isEqual(other.item, item, this.#budget))
    if (found !== undefined) return found.number
    const entry = { item, number: this.#size++ }
    if (alike === undefined) this.#objects.set(key, [entry])
    else alike.push(entry)
    return entry.number
  }
}

/** A key covers this many levels of an object, values of a list, keys of an object and bytes of binary data. */
const LEVELS = 3
const VALUES = 8
const BYTES = 32
/** In budget steps. */
const KEY_OF_OBJECT = 5

// Strings with a prefix, even for numbers: V8 seeds the hashes of strings. The hash of a number is public, so a visitor
// could choose numbers that collide.
function keyOf(value: unknown, budget: Budget, level = 0): unknown {
  budget.spend()
  if (typeof value === 'string') return `s${value}`
  if (typeof value === 'number') return Object.is(value, -0) ? 'n-0' : `n${value}`
  if (typeof value === 'bigint') return `b${value}`
  if (typeof value !== 'object' || value === null) return value
  budget.spend(KEY_OF_OBJECT)
  if (Array.isArray(value)) {
    let text = `[${value.length}`
    for (let at = 0; level < LEVELS && at < value.length && at < VALUES; at++)
      text += `,${textOf(keyOf(value[at], budget, level + 1))}`
    return text
  }
  if (types.isDate(value)) return `d${value.getTime()}`
  if (ArrayBuffer.isView(value)) return `v${value.byteLength},${bytesOf(value).toString('latin1', 0, BYTES)}`
  const keys = Object.keys(value)
  budget.spend(keys.length)
  let text = `{${keys.length}`
  if (level === LEVELS || keys.length > VALUES) return text
  for (const key of keys.sort()) text += `,${key}:${textOf(keyOf((value as Named)[key], budget, level + 1))}`
  return text
}

type Named = Record<string, unknown>

// All functions share one text, and so do all symbols.
function textOf(key: unknown): string {
  return typeof key === 'symbol' || typeof key === 'function' ? typeof key : String(key)
}
