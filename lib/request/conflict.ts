// Decides how a commit continues if others changed the record since the request read it. It logs, but does no I/O.
import type { Codec } from '../data/codec.js'
import { ConflictError } from '../errors.js'
import { type Log, reportRollback } from '../events.js'
import { mergeDurations } from '../records/expiry.js'
import { type Commit, includes, isSame } from '../records/lineage.js'
import { type Header, SessionRecord } from '../records/record.js'
import { decodeRecord } from './plan.js'
import type { SessionState } from './state.js'

/**
 * Continues from the record that is stored now. A request without changes shows its data; otherwise the next plan
 * merges the changes into it, unless the record was only touched.
 * @param known The last record that this request knew to be stored.
 */
export function rebaseOn(
  state: SessionState,
  theirs: SessionRecord,
  known: SessionRecord | undefined,
  codec: Codec
): void {
  const { base, draft, handle } = state
  const isRead = !draft.written && !draft.handedOut
  if (isRead) {
    const duration = mergeDurations(base?.header ?? draft.duration, draft.duration, theirs.header)
    draft.showInstead(duration, () => decodeRecord(theirs, handle, codec))
  }
  const isTouched = base !== undefined && base === known && isSame(base.header, theirs.header)
  if (isRead || isTouched) state.base = state.stored
}

/** Detects that a failover lost commits which this request had read, and decides whether they are stored again. */
export function resolveRollback(
  state: SessionState,
  read: Header,
  theirs: SessionRecord,
  codec: Codec,
  log: Log
): void {
  if (includes(theirs.header, read) !== false) return
  state.rolledBack = true
  reportRollback(log, state.handle, read, theirs.header)
  // They are stored again if no other commit came since. Otherwise those commits stand, since they were acknowledged.
  if (includes(read, theirs.header) === true && codec.versionOf(read) === codec.versionOf(theirs.header)) {
    state.base = theirs
    state.draft.claim()
  }
  // No new commit may get a number that a browser has already seen.
  if (theirs.header.counter < read.counter) state.stored = renumbered(theirs, read)
}

function renumbered({ bytes, header }: SessionRecord, { counter }: Commit): SessionRecord {
  return new SessionRecord(bytes, { ...header, counter, earlier: [] })
}

export function movedError(handle: string): Error {
  return new ConflictError(handle, 'another request has just given it a new id')
}
