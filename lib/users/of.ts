// The sessions of a user, and the end of all of them.
import { UserError } from '../errors.js'
import { reportEnd } from '../events.js'
import { isParentOf } from '../records/lineage.js'
import { NotARecordError, tryRecord } from '../records/record.js'
import { successorOf } from '../records/tombstone.js'
import { type Living, lookUp } from '../request/lookup.js'
import { named, openRecords } from '../sessions/access.js'
import { infoOf } from '../sessions/info.js'
import type { SessionInfo, SessionsParts } from '../sessions/sessions.js'
import type { Outcome } from '../stores/store.js'
import { nameOf } from './identity.js'
import type { Users } from './users.js'

/** Newest first. */
export async function of(parts: SessionsParts, users: Users, user: unknown): Promise<SessionInfo[]> {
  const name = givenName(user)
  const { context } = parts
  const { records, store } = openRecords(context)
  const indexed = await users.list(store, name)
  const found = await Promise.all(indexed.map(({ handle }) => lookUp(named(handle), records, context)))
  const living = found.flatMap((each) =>
    each.state === 'living' && users.identity.owns(name, each.record) ? [each] : []
  )
  const isMoving = ({ record }: Living) =>
    living.some((other) => isParentOf(other.record.header, record.header))
  return (
    living
      // A session that is just getting a new id still has the old one.
      .filter((each) => !isMoving(each))
      .map(({ received, record }) => infoOf(received.handle, record, parts))
      .sort((a, b) => b.createdAt - a.createdAt)
  )
}

/** @returns How many sessions were alive. */
export async function endAllOf(
  parts: SessionsParts,
  users: Users,
  user: unknown,
  except: readonly string[],
  reason: string | undefined
): Promise<number> {
  const name = givenName(user)
  const { context, log } = parts
  const { records, store } = openRecords(context)
  const revoked = await users.revoke(store, name, except)
  let ended = 0
  const seen = new Set(except)
  for (let handles = revoked; handles.length > 0; ) {
    for (const handle of handles) seen.add(handle)
    const outcomes = await records.endFinally(handles, users.markFor, reason)
    for (const [index, handle] of handles.entries()) {
      if (outcomes[index] !== 'done') continue
      ended++
      reportEnd(log, handle, 'with all sessions of its user')
    }
    // A process without the option `user` may have moved it. Perhaps to another user, whose session is left alone.
    const next = outcomes.flatMap(successorsIn).filter((handle) => !seen.has(handle))
    const found = await Promise.all(next.map((handle) => lookUp(named(handle), records, context)))
    handles = found.flatMap((each) =>
      each.state === 'moved' || (each.state === 'living' && users.identity.owns(name, each.record))
        ? [each.received.handle]
        : []
    )
  }
  // Not awaited: until they have left, another call ends them again.
  if (revoked.length > 0) void users.leave(store, name, revoked)
  return ended
}

function successorsIn(outcome: Outcome): string[] {
  const tombstone = outcome instanceof Uint8Array ? tryRecord(outcome) : undefined
  if (tombstone === undefined || tombstone instanceof NotARecordError) return []
  const successor = successorOf(tombstone)
  return successor === undefined ? [] : [successor]
}

function givenName(user: unknown): string {
  const name = nameOf(user)
  if (name === undefined) throw new UserError(String(user) === '' ? "''" : String(user))
  return name
}
