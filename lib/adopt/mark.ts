// Marks an old session as adopted, so that it is adopted once: a session that has ended here stays ended. The mark lives
// as long as the old record, if nobody extends that. If the old application has done so, it has used the session since.

import type { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { type Lifetimes, newHeader } from '../records/expiry.js'
import {
  DEFAULT_DURATION,
  NotARecordError,
  revisionOf,
  tryRecord,
  UnsealedRecord
} from '../records/record.js'
import type { GuardedStore } from '../stores/guarded.js'

/** Milliseconds by which clocks may differ. An extension by less goes unnoticed. */
const TOLERANCE = 60_000

/** The handle of the mark of an old session. */
export function markHandle(origin: string): string {
  return hash('sha256', `adopted\n${origin}`, 'base64url')
}

/** @param left Milliseconds that the old record lives on, if nobody extends it. */
export async function writeMark(
  store: GuardedStore,
  key: string,
  left: number,
  earlier: Buffer | undefined,
  lifetimes: Lifetimes
): Promise<boolean> {
  const now = Date.now()
  // A tombstone: to everybody else there is no session under this key.
  const header = {
    ...newHeader(DEFAULT_DURATION, lifetimes, now),
    moved: true,
    idleTimeout: Math.ceil(left / 1000)
  }
  const { bytes } = new UnsealedRecord('').seal(header)
  const endsAt = now + left + TOLERANCE
  if (earlier === undefined) return store.create(key, bytes, endsAt)
  return (await store.update(key, revisionOf(earlier), bytes, endsAt)) === 'done'
}

/** Whether the old application has extended the record since it was marked. A mark that cannot be opened stands. */
export function isUsedSince(mark: Buffer, left: number): boolean {
  const record = tryRecord(mark)
  if (record instanceof NotARecordError) return false
  const { touchedAt, idleTimeout } = record.header
  return Date.now() + left > touchedAt + idleTimeout * 1000 + TOLERANCE
}
