// Rules for keys that two requests change at once: what most applications need, ready to name in `merge`.
import { Buffer } from 'node:buffer'
import { types } from 'node:util'
import { MAX_ENTRIES } from '../../serializers/serializer.js'
import { type Budget, BudgetError, currentBudget, isEqual } from './equal.js'
import type { Merge } from './merge.js'

/**
 * For counters: what each side added is added. A side without the key counts as 0. Fails, rather than be inexact, for
 * whole numbers beyond 2^53.
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
  if (!Number.isFinite(total)) throw new RangeError('not a number any more')
  return total
}

function exactSum([base, mine, theirs]: readonly unknown[]): bigint {
  return BigInt(mine as bigint) - BigInt(base as bigint) + BigInt(theirs as bigint)
}

/** For what only grows, such as the time of the last visit: the larger of the two. NaN and invalid Dates are smallest. */
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

/** For lists: what this side removed is gone, and what it added stands behind what the other side has. */
export const append: Merge = (base, mine, theirs) => {
  const [before, own, others] = [listOf(base), listOf(mine), listOf(theirs)]
  const budget = currentBudget()
  return [...without(others, without(before, own, budget), budget), ...without(own, before, budget)]
}

/** For sets, as a Set or as a list without duplicates: what either side added is there, what either removed is not. */
export const union: Merge = (base, mine, theirs) => {
  const merged = append(base, mine, theirs) as unknown[]
  if (mine instanceof Set || theirs instanceof Set) {
    // Numbers that collide make a large Set slow, and such a Set could not be stored.
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

// What `items` has beyond `others`, each as often as it has it more. A common beginning, the usual case, is skipped.
function without(items: readonly unknown[], others: readonly unknown[], budget: Budget): unknown[] {
  let common = 0
  while (common < items.length && common < others.length && isEqual(items[common], others[common], budget))
    common++
  const tally = new Tally(budget)
  for (const other of others.slice(common)) tally.add(other)
  return items.slice(common).filter((item) => !tally.take(item))
}

// How often each value occurs. Values are found by a key that equal ones have in common.
class Tally {
  readonly #budget: Budget
  readonly #byKey = new Map<unknown, { item: unknown; count: number }[]>()

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** @returns How often it has been added. */
  add(item: unknown): number {
    const { entries, entry } = this.#find(item)
    if (entry !== undefined) return ++entry.count
    entries.push({ item, count: 1 })
    return 1
  }

  /** @returns Whether there was one to take. */
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

/** How far a key looks into an object: into so many levels and so many values of each. */
const LEVELS = 3
const VALUES = 8
const BYTES = 32
/** In steps of the budget. */
const KEY_OF_OBJECT = 5

// Texts with a letter in front: V8 gives them a secret hash. The hash of a number is public, so that a visitor who
// chooses the numbers could make them collide.
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

// A function or a symbol stands for all of its type.
function textOf(key: unknown): string {
  return typeof key === 'symbol' || typeof key === 'function' ? typeof key : String(key)
}
