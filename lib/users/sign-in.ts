// A login enters the index, and makes room for itself if its user may not have more sessions.
import { pause } from '../clock.js'
import { ConflictError, LimitError } from '../errors.js'
import { reportEnd } from '../events.js'
import { isParentOf } from '../records/lineage.js'
import type { SessionRecord } from '../records/record.js'
import { Records } from '../records/records.js'
import { type Found, lookUp } from '../request/lookup.js'
import type { RequestParts } from '../request/parts.js'
import { named } from '../sessions/access.js'
import type { Indexed } from '../stores/session-index.js'
import type { MaxPerUser, Users } from './users.js'

/** Maximum tries of a login whose user keeps signing in elsewhere. */
const MAX_TRIES = 200
/** So many tries wait for logins and moves that are under way, each for so many milliseconds. */
const PATIENT_TRIES = 25
const PAUSE = 2

interface Login {
  handle: string
  record: SessionRecord
  /** The handle that the session has now, if it is one of the same user. */
  from: string
}

/**
 * @throws {LimitError} FST_SESSION_LIMIT if the user has too many sessions, and none may be ended for this one
 * @throws {ConflictError} FST_SESSION_CONFLICT if other logins keep taking the room
 */
export async function signIn(
  users: Users,
  parts: RequestParts,
  user: string,
  { handle, record, from }: Login
): Promise<void> {
  const { maxPerUser, entering } = users
  const entry = { handle, from, entering, lifetime: users.lifetimeOf(record.header), isLogin: true }
  if (maxPerUser === undefined) {
    await users.enter(parts.store, user, { ...entry, limit: 0, drop: [] })
    return
  }
  const { limit } = maxPerUser
  const lease = users.queue.join(user)
  try {
    if (lease.previous !== undefined) await parts.store.wait(lease.previous)
    let drop: readonly string[] = []
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const answer = await users.enter(parts.store, user, { ...entry, limit, drop })
      if (typeof answer === 'string') return
      drop = await makeRoom(users, parts, user, answer, maxPerUser, tries < PATIENT_TRIES)
    }
  } finally {
    lease.release()
  }
  throw new ConflictError(handle, 'its user signed in elsewhere before each of many tries')
}

/**
 * Ends sessions until there is room for one more.
 * @param isPatient Whether to wait for logins and moves that are under way.
 * @returns The sessions that no longer count.
 */
async function makeRoom(
  users: Users,
  parts: RequestParts,
  user: string,
  indexed: Indexed[],
  { limit, onFull }: MaxPerUser,
  isPatient: boolean
): Promise<string[]> {
  const { context, log } = parts
  const records = new Records(parts.store, context)
  const sessions = await Promise.all(
    indexed.map(async ({ handle, isEntering }) => {
      const found = await lookUp(named(handle), records, context)
      return { handle, isEntering, found, isLiving: isLiving(found, users, user) }
    })
  )
  const living = sessions.filter((each) => each.isLiving)
  const begun = sessions.filter(
    ({ found, ...each }) => !each.isLiving && each.isEntering && found.state !== 'moved'
  )
  const excess = living.length + begun.length + 1 - limit
  const isBusy = begun.length > 0 || living.some((a) => living.some((b) => hasMoved(a.found, b.found)))
  if (excess > 0 && isPatient && isBusy) {
    await pause(PAUSE)
    return []
  }
  if (excess > 0 && onFull === 'refuse') throw new LimitError(limit)
  living.sort((a, b) => usedAt(a.found) - usedAt(b.found))
  const oldest = [...living, ...begun].slice(0, Math.max(0, excess))
  const dead = sessions.filter((each) => !living.includes(each) && !begun.includes(each))
  // Nothing is stored under them, but a process that stood still may be about to.
  const missing = dead.filter(({ found }) => found.state === 'missing')
  const ending = [...oldest, ...missing].map(({ handle }) => handle)
  const [isGone] = await Promise.all([
    Promise.all(dead.map(({ found }) => isGoneForGood(found, records))),
    records.endFinally(ending, users.markFor, 'too-many')
  ])
  for (const { handle } of oldest) reportEnd(log, handle, 'because its user has signed in elsewhere')
  return [...oldest, ...dead.filter((_, at) => isGone[at])].map(({ handle }) => handle)
}

// Writes what was read again, so that it is on the replicas. Otherwise a failover might bring the session back, which then
// would not be in the index.
async function isGoneForGood(found: Found, records: Records): Promise<boolean> {
  const { handle } = found.received
  if (found.state === 'moved') return records.confirmMoved(handle)
  if (found.state === 'living')
    return (await records.update(handle, found.record.revision, found.record)) === 'done'
  return true
}

// What cannot be read may be a session of this user.
function isLiving(found: Found, { identity }: Users, user: string): boolean {
  if (found.state === 'living') return identity.owns(user, found.record)
  return found.state === 'undecodable'
}

/** Whether the second one is the first one under its next id, which it is about to leave. */
function hasMoved(from: Found, to: Found): boolean {
  return from.state === 'living' && to.state === 'living' && isParentOf(from.record.header, to.record.header)
}

function usedAt(found: Found): number {
  return found.state === 'living' ? found.record.header.touchedAt : 0
}
