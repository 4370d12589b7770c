// Makes the record that a commit stores: the header follows from the stored one, the payload from the plan.
import type { Codec } from '../data/codec.js'
import type { FidelityCheck, KeptReport } from '../data/fidelity.js'
import type { Log } from '../events.js'
import { isExtendable, isSameDuration, type Lifetimes, touched } from '../records/expiry.js'
import { followed, type Header, type SessionRecord, UnsealedRecord } from '../records/record.js'
import type { Draft } from '../session/draft.js'
import { decodeRecord, type Plan } from './plan.js'
import type { SessionState } from './state.js'

export interface SealContext {
  codec: Codec
  /** Undefined in production. */
  fidelity: FidelityCheck | undefined
  keptReport: KeptReport
}

export function nextHeader(
  { startsOver, duration, step }: Plan,
  header: Header,
  draft: Draft,
  mayTouch: boolean,
  lifetimes: Lifetimes
): Header {
  const now = Date.now()
  const isUsed = (mayTouch || draft.touch) && isExtendable(duration, lifetimes)
  const next =
    isUsed || !isSameDuration(duration, header) ? touched(header, duration, lifetimes, now) : { ...header }
  if (step === 'touch' || step === 'nothing') return next
  // A new id alone does not make a session younger. If it keeps no data, it begins another session.
  if (startsOver) next.createdAt = now
  if (step === 'move') next.binding = undefined
  return followed(next)
}

/**
 * @param header Becomes the header of the record, with the serializer and the version of the payload.
 * @throws {InvalidError} FST_SESSION_INVALID if the data would not pass the application's schema when it is read
 */
export function seal(
  { encoded, merged, startsOver }: Plan,
  header: Header,
  { draft, nextHandle, stored }: SessionState,
  { codec, fidelity, keptReport }: SealContext,
  log: Log
): SessionRecord {
  if (encoded === undefined) return new UnsealedRecord(stored?.payload ?? '').seal(header)
  const { record, tag, keys } = encoded
  const data = merged?.data ?? draft.data
  header.tag = tag
  if (startsOver) header.schemaVersion = 0
  if (codec.versions !== undefined) header.schemaVersion = codec.versionOf(header)
  const sealed = record.seal(header)
  if (codec.versions !== undefined) decodeRecord(sealed, nextHandle, codec)
  if (tag === codec.writer.tag) fidelity?.check(data, sealed, codec, log)
  else keptReport.warn(keys, tag, data, codec, log)
  return sealed
}

/** Settles a draft without changes to store, such as a key that was set to the value that it had. */
export function settleUnchanged(
  { detached, draft, stored }: SessionState,
  { codec, fidelity }: SealContext,
  log: Log
): void {
  if (detached !== undefined) return
  // If the serializer cannot represent the change, developers want to know.
  if (draft.written && stored?.header.tag === codec.writer.tag) {
    fidelity?.check(draft.data, stored, codec, log)
  }
  draft.settle(draft.snapshot())
}
