// The seam for parts that follow the life of sessions, such as an index of a user's sessions.
import type { SessionRecord } from '../records/record.js'
import type { RequestParts } from './parts.js'

/** The session must end, instead of being written. Thrown by `moved` and `updated`. */
export class RevokedError extends Error {}

/**
 * Follows the life of the sessions of one registration. The commit awaits each call, and fails with its error, so a call
 * before the write can refuse it. A commit that only touches the session does not fail: the log reports the error.
 * - A commit that tries again calls again.
 * - A write may fail after the call: no record may be stored then, or a moved session may keep its old id.
 * - After a write whose answer was lost, the call may be left out.
 */
export interface SessionObserver {
  /** Before the record of a new session is stored. */
  created?(handle: string, record: SessionRecord, parts: RequestParts): Promise<void> | undefined
  /** Before the session moves to a new id, and its record is stored under the new handle. */
  moved?(
    from: string,
    to: string,
    record: SessionRecord,
    before: SessionRecord,
    parts: RequestParts
  ): Promise<void> | undefined
  /** Before a commit that changes or extends the session is stored. */
  updated?(
    handle: string,
    record: SessionRecord,
    before: SessionRecord,
    parts: RequestParts
  ): Promise<void> | undefined
  /** After this request has replaced a record, by this one or by the tombstone of a session that has moved. */
  replaced?(
    handle: string,
    record: SessionRecord | undefined,
    before: SessionRecord,
    parts: RequestParts
  ): Promise<void> | undefined
  /**
   * After the session was ended, here or outside a request.
   * @param before Its record, if that is known.
   */
  destroyed?(
    handle: string,
    before: SessionRecord | undefined,
    parts: Pick<RequestParts, 'store'>
  ): Promise<void> | undefined
}
