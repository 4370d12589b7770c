// Which commits of a session led to a record. A record names its own commit and the last few before it, so that a write
// whose answer was lost, and commits that a failover has cut off, are recognised.

/** A commit that is further ahead comes after the other one. */
const MAX_AGE = 2 ** 31

/** Names one committed change of a session. */
export interface Commit {
  /** Counts the committed changes; starts at 1. */
  readonly counter: number
  /** Random with every committed change, so that no two look alike. */
  readonly nonce: number
}

/** A commit and those before it. */
export interface Lineage extends Commit {
  /** The nonces of the commits before this one, newest first: that of `counter - 1`, of `counter - 2`, and so on. */
  readonly earlier: readonly number[]
}

/** Whether this commit is part of what led to another one; `undefined` if that one does not remember so far back. */
export function includes({ counter, nonce, earlier }: Lineage, commit: Commit): boolean | undefined {
  // Modulo its size: past its end the counter starts again.
  const age = (counter - commit.counter) >>> 0
  if (age > MAX_AGE) return false
  const found = age === 0 ? nonce : earlier[age - 1]
  return found === undefined ? undefined : found === commit.nonce
}

export function isSame(a: Commit, b: Commit): boolean {
  return a.counter === b.counter && a.nonce === b.nonce
}
