// The seam for `session.signal`: what a transaction needs of the part that watches sessions.
import type { Header } from '../records/record.js'

/** Aborts a signal when the session ends that it follows. */
export interface Watcher {
  readonly signal: AbortSignal
  /** Whether it follows a session yet. */
  readonly isFollowing: boolean
  /** Follows this session, also to new ids. */
  follow(handle: string, header?: Header): void
  /** The session has ended. */
  end(reason?: string): void
  /** Stops following. */
  release(): void
}

export interface SessionSignals {
  createWatcher(): Watcher
}
