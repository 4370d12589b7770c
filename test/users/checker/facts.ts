// What the checker has seen, and what of that must not be. Instants are milliseconds by the clock of the checker.

/** A request and its answer. */
export interface Exchange {
  sentAt: number
  answeredAt: number
}

/** A session between its login and its end. */
interface Stay {
  user: string
  stay: number
  /** When its login was answered. */
  signedInAt: number
}

/** A browser held a session under this handle. */
export interface Held extends Stay {
  handle: string
  /** The answer that gave it the handle; the last request that was answered with the session. */
  since: number
  until: number
}

/** A request that was answered with a session of the user. */
export interface Served extends Exchange, Stay {
  handle: string
}

/** `endAllOf()` was answered. */
export interface Revocation extends Exchange {
  user: string
  /** The handle of the session that stays. */
  except: string | undefined
}

/** A session was ended under this handle, by the request that was answered then, or as that has seen. */
export interface Ended {
  handle: string
  answeredAt: number
}

export interface Listed extends Exchange {
  user: string
  handles: readonly string[]
}

export interface Facts {
  held: Held[]
  served: Served[]
  revocations: Revocation[]
  ended: Ended[]
  lists: Listed[]
}

/** What must not be found, one line each. */
export function findViolations({ held, served, revocations, ended, lists }: Facts, limit: number): string[] {
  const violations: string[] = []
  const endedAt = new Map<string, number>()
  for (const { handle, answeredAt } of ended) {
    endedAt.set(handle, Math.min(answeredAt, endedAt.get(handle) ?? answeredAt))
  }
  for (const { handle, sentAt } of served) {
    const by = sentAt - (endedAt.get(handle) ?? sentAt)
    if (by > 0) violations.push(`ALIVE ${handle}, ${ms(by)} after its own end`)
  }
  for (const revocation of revocations) {
    // The session that stays may move.
    const kept = held.filter(({ handle }) => handle === revocation.except).map(({ stay }) => stay)
    const ends = ({ user, stay, signedInAt }: Stay) =>
      user === revocation.user && signedInAt < revocation.sentAt && !kept.includes(stay)
    for (const { handle, sentAt } of served.filter(ends)) {
      const by = sentAt - revocation.answeredAt
      if (by > 0) violations.push(`ALIVE ${handle}, ${ms(by)} after its end`)
    }
    for (const { handle, since } of held.filter(ends)) {
      if (since < revocation.sentAt && !endedAt.has(handle)) endedAt.set(handle, revocation.answeredAt)
    }
  }
  for (const { user, handles, sentAt, answeredAt } of lists) {
    for (const session of held) {
      const isAlive = session.user === user && session.since < sentAt && answeredAt < session.until
      if (isAlive && !handles.includes(session.handle))
        violations.push(`MISSING ${session.handle} in a list of ${user}`)
    }
    for (const handle of handles) {
      const at = endedAt.get(handle)
      if (at !== undefined && at < sentAt)
        violations.push(`DEAD ${handle} in a list of ${user}, ${ms(sentAt - at)} after its end`)
    }
    const alive = held.filter((each) => each.user === user && each.since < sentAt && answeredAt < each.until)
    if (alive.length > limit) violations.push(`LIMIT: ${alive.length} sessions of ${user} answered at once`)
  }
  return violations
}

function ms(milliseconds: number): string {
  return `${milliseconds.toFixed(1)} ms`
}
