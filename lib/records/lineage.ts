// Which commits of a session led to a record. A record names its own commit and the last few before it. Thus a request
// recognises its own write whose answer was lost, and commits that a failover has lost.

/** With a larger distance, modulo 2³², the commit comes after the lineage. */
const MAX_AGE = 2 ** 31

/** Identifies one committed change of a session. */
export interface Commit {
  /** Counts the committed changes; starts at 1. */
  readonly counter: number
  /** Random for every committed change, so no two are alike. */
  readonly nonce: number
}

/** A commit and those before it. */
export interface Lineage extends Commit {
  /** The nonces of the commits `counter - 1`, `counter - 2` and so on. */
  readonly earlier: readonly number[]
}

/** Whether this commit is in the lineage of another one; `undefined` if the lineage does not reach back far enough. */
export function includes({ counter, nonce, earlier }: Lineage, commit: Commit): boolean | undefined {
  // Modulo 2³²: the counter wraps around.
  const age = (counter - commit.counter) >>> 0
  if (age > MAX_AGE) return false
  const found = age === 0 ? nonce : earlier[age - 1]
  return found === undefined ? undefined : found === commit.nonce
}

/** Whether the second commit comes directly after the first one. */
export function isParentOf(commit: Commit, { counter, earlier }: Lineage): boolean {
  return counter === (commit.counter + 1) >>> 0 && earlier[0] === commit.nonce
}

export function isSame(a: Commit, b: Commit): boolean {
  return a.counter === b.counter && a.nonce === b.nonce
}
