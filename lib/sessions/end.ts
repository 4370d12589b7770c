// Ends a session by its handle, wherever it has moved.
import { ConflictError, UndecodableError } from '../errors.js'
import { reportEnd } from '../events.js'
import { isSealed, NotARecordError, tryRecord } from '../records/record.js'
import { successorOf } from '../records/tombstone.js'
import { lookUp } from '../request/lookup.js'
import type { RequestParts } from '../request/parts.js'
import { type EndOptions, reasonIn } from '../session/reason.js'
import { named, openRecords, receivedAs } from './access.js'
import type { SessionsParts } from './sessions.js'

/** Gives up if the session has moved on after each of so many steps. */
const MAX_STEPS = 100

export async function end(
  { context, log }: SessionsParts,
  id: string,
  options?: EndOptions
): Promise<boolean> {
  const { handle } = receivedAs(id, 'end')
  const reason = reasonIn(options, 'sessions.end()')
  const parts = { context, log, ...openRecords(context) }
  return endWherever(parts, handle, reason, 'outside a request', MAX_STEPS)
}

/**
 * Ends the session with this handle, or the one that it has become.
 * @param how For the log.
 * @param maxSteps How many moves to follow.
 * @returns Whether there was one.
 * @throws {ConflictError} FST_SESSION_CONFLICT
 * @throws {UndecodableError} FST_SESSION_UNDECODABLE if it has moved, and the key is missing that says where
 */
export async function endWherever(
  { context, log, records, store }: Pick<RequestParts, 'context' | 'log' | 'records' | 'store'>,
  first: string,
  reason: string | undefined,
  how: string,
  maxSteps: number
): Promise<boolean> {
  let handle = first
  for (let steps = 0; steps < maxSteps; steps++) {
    // An observer wants to know what has ended.
    const found = context.observer && (await lookUp(named(handle), records, context))
    const outcome = await records.end(handle, undefined, reason)
    if (outcome === 'busy') throw new ConflictError(handle, 'other requests keep changing it')
    if (outcome === 'done') {
      reportEnd(log, handle, how)
      const before = found?.state === 'living' ? found.record : undefined
      await context.observer?.destroyed?.(handle, before, { store })
    }
    if (outcome === 'done' || outcome === 'missing') return outcome === 'done'
    const tombstone = tryRecord(outcome)
    // It leads to a living session, and nobody without the key knows to which.
    if (tombstone instanceof NotARecordError && isSealed(outcome)) {
      throw new UndecodableError(handle, tombstone.message)
    }
    const successor = tombstone instanceof NotARecordError ? undefined : successorOf(tombstone)
    if (successor === undefined) return false
    handle = successor
  }
  throw new ConflictError(first, 'it keeps moving to new ids')
}
