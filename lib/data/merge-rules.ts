// Ready-made merge rules for the option `merge`.
import { Buffer } from 'node:buffer'
import { types } from 'node:util'
import { MAX_ENTRIES } from '../../serializers/serializer.js'
import { type Budget, BudgetError, currentBudget, isEqual } from './equal.js'
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
  return [...without(others, without(before, own, budget), budget), ...without(own, before, budget)]
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
  const seen = new Tally(currentBudget())
  return merged.filter((item) => seen.add(item) === 1)
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value
  if (value instanceof Set) return [...value]
  throw new TypeError('neither a list nor a Set')
}

// The items minus the others, counting duplicates. Skips a common beginning, which is the usual case.
function without(items: readonly unknown[], others: readonly unknown[], budget: Budget): unknown[] {
  let common = 0
  while (common < items.length && common < others.length && isEqual(items[common], others[common], budget))
    common++
  const tally = new Tally(budget)
  for (const other of others.slice(common)) tally.add(other)
  return items.slice(common).filter((item) => !tally.take(item))
}

// Counts equal values. Equal values have the same key.
class Tally {
  readonly #budget: Budget
  readonly #byKey = new Map<unknown, { item: unknown; count: number }[]>()

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** @returns The number of times that the item was added. */
  add(item: unknown): number {
    const { entries, entry } = this.#find(item)
    if (entry !== undefined) return ++entry.count
    entries.push({ item, count: 1 })
    return 1
  }

  /** @returns Whether the item was there. */
  take(item: unknown): boolean {
    const { entry } = this.#find(item)
    return entry !== undefined && entry.count-- > 0
  }

  #find(item: unknown) {
    const key = keyOf(item, this.#budget)
    let entries = this.#byKey.get(key)
    if (entries === undefined) {
      entries = []
      this.#byKey.set(key, entries)
    }
    return { entries, entry: entries.find((other) => isEqual(other.item, item, this.#budget)) }
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
  const tag = Object.prototype.toString.call(value)
  if (types.isDate(value)) return `${tag}${value.getTime()}`
  if (ArrayBuffer.isView(value)) {
    const start = Buffer.from(value.buffer, value.byteOffset, Math.min(value.byteLength, BYTES))
    return `${tag}${value.byteLength}:${start.toString('latin1')}`
  }
  if (level === LEVELS) return tag
  if (Array.isArray(value)) {
    const parts = value.slice(0, VALUES).map((item) => textOf(keyOf(item, budget, level + 1)))
    return `${tag}${value.length}:${parts}`
  }
  const keys = Object.keys(value)
  budget.spend(keys.length)
  const parts = keys.length > VALUES ? [] : keys.sort()
  return `${tag}${keys.length}:${parts.map((key) => `${key}=${textOf(keyOf((value as Named)[key], budget, level + 1))}`)}`
}

type Named = Record<string, unknown>

// All functions share one text, and so do all symbols.
function textOf(key: unknown): string {
  return typeof key === 'symbol' || typeof key === 'function' ? typeof key : String(key)
}
