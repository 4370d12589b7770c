// The contract of an index: the sets of session handles, one for each user. A set is a list of members, each with the
// instant at which it may be forgotten:
//
//   handle       a session
//   + handle     its record may be about to be written
//   ! handle     it is being ended
//   *            sessions that are no members were ended: one that is not known may not come back

export const REVOKED = '*'
export const ENTERING = '+'
export const ENDING = '!'

/**
 * Each operation is one atomic step on one key, and may be repeated. Lifetimes are milliseconds, by the clock of the
 * store. A set whose members are all forgotten is gone.
 */
export interface SessionIndex {
  /** Adds a session, or renews its entry. */
  enter(key: string, entry: Entry): Promise<Entered>
  /** The sessions of the set, whether their records exist or not. */
  list(key: string): Promise<Indexed[]>
  /** Removes these sessions. */
  leave(key: string, handles: readonly string[]): Promise<void>
  /**
   * Takes all sessions but these out of the set, and refuses those that are no members from now on, except logins.
   * @returns The handles to end, also those that an earlier call returned, until they leave.
   */
  revoke(key: string, keep: readonly string[], lifetime: number): Promise<string[]>
}

export interface Entry {
  handle: string
  lifetime: number
  /** How long its record may be about to be written. 0 if it exists. */
  entering: number
  /** The handle that the session had before. */
  from: string
  /** Whether the user has just signed in. Other sessions are refused if they are not known and sessions were revoked. */
  isLogin: boolean
  /** The most sessions that a login may make of them. 0: any number. A session that is known adds none. */
  limit: number
  /** Sessions that leave first. */
  drop: readonly string[]
}

/** The sessions of the set if it is full: nothing was added. */
export type Entered = 'entered' | 'refused' | Indexed[]

export interface Indexed {
  handle: string
  /** Its record may be about to be written. */
  isEntering: boolean
}

/** The sessions among these members. */
export function sessionsIn(members: readonly string[]): Indexed[] {
  const entering = new Set(members.filter((member) => member.startsWith(ENTERING)))
  return members
    .filter((member) => member !== REVOKED && !member.startsWith(ENTERING))
    .map((member) => (member.startsWith(ENDING) ? member.slice(ENDING.length) : member))
    .map((handle) => ({ handle, isEntering: entering.has(ENTERING + handle) }))
}

/** Every member that this handle may have. */
export function membersOf(handle: string): string[] {
  return [handle, ENTERING + handle, ENDING + handle]
}
