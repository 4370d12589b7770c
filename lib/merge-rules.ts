// Rules for keys that two requests change at once: what most applications need, ready to name in `merge`.
import { isDeepStrictEqual } from 'node:util'
import type { Merge } from './merge.js'

/** For counters: what each side added is added. A side without the key counts as 0. */
export const sum: Merge = (base = 0, mine = 0, theirs = 0) => {
  const values = [base, mine, theirs]
  if (values.every((value) => typeof value === 'number')) return Number(mine) - Number(base) + Number(theirs)
  return BigInt(mine as bigint) - BigInt(base as bigint) + BigInt(theirs as bigint)
}

/** For what only grows, such as the time of the last visit: the larger of the two. */
export const larger: Merge = (_base, mine, theirs) => {
  if (mine === undefined) return theirs
  return theirs !== undefined && (theirs as number) > (mine as number) ? theirs : mine
}

/** For lists: what this side removed is gone, and what it added stands behind what the other side has. */
export const append: Merge = (base, mine, theirs) => {
  const [before, own, others] = [listOf(base), listOf(mine), listOf(theirs)]
  return [...without(others, without(before, own)), ...without(own, before)]
}

/** For sets, as a Set or as a list without duplicates: what either side added is there, what either removed is not. */
export const union: Merge = (base, mine, theirs) => {
  const merged = append(base, mine, theirs) as unknown[]
  if (mine instanceof Set || theirs instanceof Set) return new Set(merged)
  return merged.filter((item, index) => merged.findIndex((other) => isDeepStrictEqual(other, item)) === index)
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value
  if (value instanceof Set) return [...value]
  throw new TypeError('neither a list nor a Set')
}

// What `items` has beyond `others`, each as often as it has it more. A common beginning, the usual case, is skipped.
function without(items: readonly unknown[], others: readonly unknown[]): unknown[] {
  let common = 0
  while (common < items.length && common < others.length && isDeepStrictEqual(items[common], others[common]))
    common++
  const left = others.slice(common)
  return items.slice(common).filter((item) => {
    const at = left.findIndex((other) => isDeepStrictEqual(other, item))
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
}
