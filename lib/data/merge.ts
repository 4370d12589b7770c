// What becomes of a session that two requests changed at once: a three-way merge, top-level key by top-level key.
import type { Dictionary } from '../../serializers/serializer.js'
import { Budget, BudgetError, isEqual, spending } from './equal.js'
import { keyName, keyNames } from './key-names.js'

/**
 * Merges one key that both sides changed. Each value is `undefined` if that side does not have the key.
 * @param base The value as this request read it.
 * @param mine The value as this request leaves it.
 * @param theirs The value as another request has stored it meanwhile.
 * @returns The value to store; `undefined` to delete the key.
 */
export type Merge = (base: unknown, mine: unknown, theirs: unknown) => unknown

/** A rule for a key: a function, or `'conflict'` to fail with FST_SESSION_CONFLICT. */
export type MergeRule = Merge | 'conflict'

/** The rules of an application, by top-level key. */
export type MergeRules = Readonly<Record<string, MergeRule>>

/** The keys that both sides changed and whose rule is `'conflict'`, or fails; or the one that is too much to merge. */
export class MergeConflict extends Error {
  constructor(
    readonly keys: readonly string[],
    message: string
  ) {
    super(message)
  }
}

/**
 * Base, mine and theirs in one. A key that one side changed, added or deleted is as on that side; a key that both
 * changed is as its rule says, and as on mine, the later one, where it has none.
 * @param given What of mine the rules are given, which they may change.
 * @param budget What all of it may cost: comparing, and the rules of this package.
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
        // Equal changes are still two changes: a counter that both raised from 1 to 2 is 3.
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
 * The same where mine holds live values, as the request works with them: it is compared as it would come back from
 * the store, as the others have, and what is merged keeps its very objects wherever they are still right.
 * @param normalize What comes back of data that is stored.
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
  // A rule may well change what it is given, and return that.
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
    throw new MergeConflict([key], `too much to merge: key ${keyName(key)}`)
  }
}

/** Why a rule of the application gave nothing to store. What it says itself may quote values, and is dropped. */
class Failure extends Error {}

function attempt(rule: Merge, was: unknown, is: unknown, other: unknown, budget: Budget): unknown {
  try {
    const value = spending(budget, () => rule(was, is, other))
    if (!isThenable(value)) return value
    // Nobody waits for it: if it rejects, that must not end the process.
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
