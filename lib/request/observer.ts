// The seam for parts that follow the lives of sessions, such as an index of a user's sessions.
import type { SessionRecord } from '../records/record.js'

/**
 * Follows the lives of the sessions of one registration. The commit awaits each call, and fails with its error: what
 * comes before the record is stored can refuse it.
 */
export interface SessionObserver {
  /** Before the record of a new session is stored. */
  created?(handle: string, record: SessionRecord): Promise<void>
  /** Before the session moves to a new id: its record is about to be stored under the new handle. */
  moved?(from: string, to: string, record: SessionRecord): Promise<void>
  /** Before a commit that extends the session is stored. */
  touched?(handle: string, record: SessionRecord): Promise<void>
  /** After the session has ended by this request: its record is gone. */
  destroyed?(handle: string): Promise<void>
}
