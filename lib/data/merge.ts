// Merges the changes of two concurrent requests: a three-way merge of each top-level key.
import type { Dictionary } from '../../serializers/serializer.js'
import { Budget, BudgetError, isEqual, spending } from './equal.js'
import { keyName, keyNames } from './key-names.js'

/**
 * Merges one key that two concurrent requests changed. A value is `undefined` if that side does not have the key.
 * The function must be synchronous. If it throws or returns a promise, the request fails with FST_SESSION_CONFLICT.
 * @param base The value that this request read.
 * @param mine The value that this request wants to store.
 * @param theirs The value that another request has stored meanwhile.
 * @returns The value to store; `undefined` deletes the key.
 * @example
 * const longest: Merge = (_base, mine, theirs) =>
 *   String(mine ?? '').length >= String(theirs ?? '').length ? mine : theirs
 */
export type Merge = (base: unknown, mine: unknown, theirs: unknown) => unknown

/** The merge rule for a key: a function, or `'conflict'` to fail with FST_SESSION_CONFLICT. */
export type MergeRule = Merge | 'conflict'

/** Merge rules by top-level key. */
export type MergeRules = Readonly<Record<string, MergeRule>>

/** The keys in conflict: their rule is `'conflict'` or failed, or the key is too large to merge. */
export class MergeConflict extends Error {
  constructor(
    readonly keys: readonly string[],
    message: string
  ) {
    super(message)
  }
}

/**
 * If only one side changed, added or deleted a key, its value wins. If both did, the rule of the key decides. Without a
 * rule, mine wins, since it is the later commit.
 * @param given Returns the copy of mine that rules receive and may modify.
 * @param budget Limits the comparisons and the rules of this package.
 * @throws {MergeConflict}
 */
export function merge(
  base: Dictionary,
  mine: Dictionary,
  theirs: Dictionary,
  rules: MergeRules,
  given = () => mine,
  budget = new Budget()
): Dictionary {
  const merged: Dictionary = { ...theirs }
  const conflicts = new Map<string, string>()
  for (const key of new Set([...Object.keys(base), ...Object.keys(mine)])) {
    const [was, is, other] = [own(base, key), own(mine, key), own(theirs, key)]
    bounded(key, () => {
      if (isEqual(was, is, budget)) return
      const rule = own(rules, key)
      if (rule === undefined) {
        assign(merged, key, is)
      } else if (isEqual(was, other, budget)) {
        assign(merged, key, is)
      } else if (rule === 'conflict') {
        if (!isEqual(is, other, budget)) conflicts.set(key, keyName(key))
      } else {
        // Equal changes are two changes: if both sides raised a counter from 1 to 2, it becomes 3.
        const value = attempt(rule, was, own(given(), key), other, budget)
        if (value instanceof Failure) conflicts.set(key, `${keyName(key)} (${value.message})`)
        else assign(merged, key, value)
      }
    })
  }
  if (conflicts.size > 0) {
    const names = keyNames([...conflicts.keys()], (key) => conflicts.get(key) as string)
    throw new MergeConflict([...conflicts.keys()], `two requests changed ${names}`)
  }
  return merged
}

/**
 * Like `merge`, for live values of a request. Base and theirs have been through the serializer, so mine is compared
 * after a round trip as well. The result keeps the live objects whose values are unchanged.
 * @param normalize Encodes and decodes data.
 * @throws {MergeConflict}
 */
export function mergeLive(
  base: Dictionary,
  mine: Dictionary,
  theirs: Dictionary,
  rules: MergeRules,
  normalize: (data: Dictionary) => Dictionary,
  budget = new Budget()
): Dictionary {
  const stored = normalize(mine)
  // A rule may modify and return its argument.
  let copy: Dictionary | undefined
  const given = () => {
    copy ??= normalize(mine)
    return copy
  }
  const merged = merge(base, stored, theirs, rules, given, budget)
  for (const key of Object.keys(merged)) {
    if (Object.hasOwn(mine, key) && bounded(key, () => isEqual(merged[key], stored[key], budget)))
      assign(merged, key, mine[key])
  }
  return merged
}

function bounded<Result>(key: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error
    throw new MergeConflict([key], `key ${keyName(key)} is too large to merge: store less in it`)
  }
}

/** Why an application's rule returned no value. Its own error may quote values and is dropped. */
class Failure extends Error {}

function attempt(rule: Merge, was: unknown, is: unknown, other: unknown, budget: Budget): unknown {
  try {
    const value = spending(budget, () => rule(was, is, other))
    if (!isThenable(value)) return value
    // A rejection of this promise must not end the process.
    Promise.resolve(value).catch(() => {})
    return new Failure('its rule is async')
  } catch (error) {
    if (error instanceof BudgetError) throw error
    return new Failure('its rule failed')
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function own<Value>(values: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(values, key) ? values[key] : undefined
}

function assign(data: Dictionary, key: string, value: unknown): void {
  if (value === undefined) delete data[key]
  else if (key !== '__proto__') data[key] = value
  else Object.defineProperty(data, key, { value, writable: true, enumerable: true, configurable: true })
}
