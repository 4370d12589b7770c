// The seam for parts that follow the life of sessions, such as an index of a user's sessions.
import type { SessionRecord } from '../records/record.js'

/**
 * Follows the life of the sessions of one registration. The commit awaits each call, and fails with its error, so a call
 * before the write can refuse it. A commit that only touches the session does not fail: the log reports the error.
 * - A commit that tries again calls again.
 * - A write may fail after the call: no record may be stored then, or a moved session may keep its old id.
 */
export interface SessionObserver {
  /** Before the record of a new session is stored. */
  created?(handle: string, record: SessionRecord): Promise<void>
  /** Before the session moves to a new id, and its record is stored under the new handle. */
  moved?(from: string, to: string, record: SessionRecord): Promise<void>
  /** Before a commit that extends the session is stored. */
  touched?(handle: string, record: SessionRecord): Promise<void>
  /** After this request has ended the session and removed its record. */
  destroyed?(handle: string): Promise<void>
}
