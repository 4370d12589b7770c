// The record that a commit stores: its header follows from the one that is there, its payload from the plan.
import type { Codec } from '../data/codec.js'
import type { FidelityCheck, KeptReport } from '../data/fidelity.js'
import type { Log } from '../events.js'
import { isExtendable, type Lifetimes, touched } from '../records/expiry.js'
import { followed, type Header, type SessionRecord, UnsealedRecord } from '../records/record.js'
import type { Draft } from '../session/draft.js'
import type { Plan } from './plan.js'
import type { SessionState } from './state.js'

export interface SealContext {
  codec: Codec
  /** Undefined in production. */
  fidelity: FidelityCheck | undefined
  keptReport: KeptReport
}

export function nextHeader(
  { beginsAnew, permanent, step }: Plan,
  header: Header,
  draft: Draft,
  mayTouch: boolean,
  lifetimes: Lifetimes
): Header {
  const now = Date.now()
  const isUsed = (mayTouch || draft.touch) && isExtendable(permanent, lifetimes)
  const next =
    isUsed || permanent !== header.permanent ? touched(header, permanent, lifetimes, now) : { ...header }
  if (step === 'touch' || step === 'nothing') return next
  // A new id is still the same session, and grows as old; one that kept nothing is another.
  if (beginsAnew) next.createdAt = now
  return followed(next)
}

/** @param header Becomes the record's, with the tag of the serializer that wrote the payload. */
export function seal(
  { encoded, merged }: Plan,
  header: Header,
  { draft, stored }: SessionState,
  { codec, fidelity, keptReport }: SealContext,
  log: Log
): SessionRecord {
  if (encoded === undefined) return new UnsealedRecord(stored?.payload ?? '').seal(header)
  const { record, tag, keys } = encoded
  const data = merged?.data ?? draft.data
  if (tag === codec.writer.tag) fidelity?.check(data, record.payload, codec, log)
  else keptReport.tell(keys, tag, data, codec, log)
  header.tag = tag
  return record.seal(header)
}

/** What was set to the value that it had is no change: nothing is stored. */
export function settleUnchanged(
  { detached, draft, stored }: SessionState,
  { codec, fidelity }: SealContext,
  log: Log
): void {
  if (detached !== undefined) return
  // Or the serializer has no word for the change, which developers want to know.
  if (draft.written && stored?.header.tag === codec.writer.tag) {
    fidelity?.check(draft.data, stored.payload, codec, log)
  }
  draft.settle(draft.snapshot())
}
