// What it means for a commit that others have changed the record since the request read it. No I/O here.
import type { Codec } from '../data/codec.js'
import { type Log, reportRollback } from '../events.js'
import { type Commit, includes, isSame, type Lineage } from '../records/lineage.js'
import { SessionRecord } from '../records/record.js'
import { decodeRecord } from './plan.js'
import type { SessionState } from './state.js'

/**
 * Takes up the record that is stored now. A request that has changed nothing goes on with it; the changes of any other
 * are merged with it by the next plan.
 * @param known The last record that this request knows to have been stored.
 */
export function takeUp(
  state: SessionState,
  theirs: SessionRecord,
  known: SessionRecord | undefined,
  codec: Codec
): void {
  const { base, draft, handle } = state
  const isRead = !draft.written && !draft.handedOut
  if (isRead) {
    const permanent = draft.permanent === base?.header.permanent ? theirs.header.permanent : draft.permanent
    draft.showInstead(permanent, () => decodeRecord(theirs, handle, codec))
  }
  const isTouched = base !== undefined && base === known && isSame(base.header, theirs.header)
  if (isRead || isTouched) state.base = state.stored
}

/** Notices a failover that has lost commits which this request has read, and decides what happens to them. */
export function takeRollback(state: SessionState, read: Lineage, theirs: SessionRecord, log: Log): void {
  if (includes(theirs.header, read) !== false) return
  state.rolledBack = true
  reportRollback(log, state.handle, read, theirs.header)
  // If nobody has changed anything since, they are stored again. Otherwise what the store acknowledged stands.
  if (includes(read, theirs.header) === true) {
    state.base = theirs
    state.draft.claim()
  }
  // No commit gets a number that a browser has seen already.
  if (theirs.header.counter < read.counter) state.stored = renumbered(theirs, read)
}

function renumbered({ bytes, header }: SessionRecord, { counter }: Commit): SessionRecord {
  return new SessionRecord(bytes, { ...header, counter, earlier: [] })
}
