// What must not be found: a version that was served although a later one had been answered long enough ago.

/** A version past all others: the session has ended. */
export const ENDED = Number.MAX_SAFE_INTEGER

/** What a process knows of a version. Instants are milliseconds by one clock of the machine. */
export interface Fact {
  /** Whose near cache is concerned; `undefined`: none. */
  process: number | undefined
  key: string
  version: number
  at: number
}

export interface Facts {
  /** When the last read began that was served this version. */
  served: Fact[]
  /** When the first answer came that says that this version is stored. */
  stored: Fact[]
}

export interface Stale extends Fact {
  /** By how many milliseconds the bound was exceeded. */
  by: number
}

/**
 * The versions that were served too late. A process may not serve what its own answers have superseded; what others were
 * answered it may not have heard of for `maxStale` milliseconds.
 */
export function findStale({ served, stored }: Facts, maxStale: number): Stale[] {
  const byKey = new Map<string, Fact[]>()
  for (const fact of stored) byKey.set(fact.key, [...(byKey.get(fact.key) ?? []), fact])
  return served.flatMap(({ process, key, version, at }) => {
    const later = (byKey.get(key) ?? []).filter((fact) => fact.version > version)
    const until = Math.min(...later.map((fact) => fact.at + (fact.process === process ? 0 : maxStale)))
    return at > until ? [{ process, key, version, at, by: at - until }] : []
  })
}
