// Ends a session by its handle, wherever it has moved.
import { ConflictError } from '../errors.js'
import { reportEnd } from '../events.js'
import { NotARecordError, tryRecord } from '../records/record.js'
import { successorOf } from '../records/tombstone.js'
import { lookUp } from '../request/lookup.js'
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
  let { handle } = receivedAs(id, 'end')
  const reason = reasonIn(options, 'sessions.end()')
  const { records, store } = openRecords(context)
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    // An observer wants to know what has ended.
    const found = context.observer && (await lookUp(named(handle), records, context))
    const outcome = await records.end(handle, undefined, reason)
    if (outcome === 'busy') throw new ConflictError(handle, 'other requests keep changing it')
    if (outcome === 'done') {
      reportEnd(log, handle, 'outside a request')
      const before = found?.state === 'living' ? found.record : undefined
      await context.observer?.destroyed?.(handle, before, { store })
    }
    if (outcome === 'done' || outcome === 'missing') return outcome === 'done'
    const tombstone = tryRecord(outcome)
    const successor = tombstone instanceof NotARecordError ? undefined : successorOf(tombstone)
    if (successor === undefined) return false
    handle = successor
  }
  throw new ConflictError(id, 'it keeps moving to new ids')
}
