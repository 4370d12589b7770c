// `session.signal` of one request, and the seam for the part that watches sessions.
import { OptionError } from '../errors.js'
import type { Header } from '../records/record.js'
import type { RequestParts } from './parts.js'

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

/** The signals of one request: after a login it is another session. */
export class RequestSignals {
  readonly #parts: RequestParts
  readonly #onceOver: (callback: () => void) => void
  #watcher: Watcher | undefined
  /** The handle of the session that the watcher began with. */
  #followed: string | undefined

  /** @param onceOver Calls back when the response is complete or its connection lost. */
  constructor(parts: RequestParts, onceOver: (callback: () => void) => void) {
    this.#parts = parts
    this.#onceOver = onceOver
  }

  /** @throws {OptionError} FST_SESSION_OPTION without the option `signals` */
  current(endedBecause: string | undefined): AbortSignal {
    const { destroyed, detached, handle, stored } = this.#parts.state
    let watcher = this.#watcher
    const isOther = stored !== undefined && handle !== this.#followed
    if (watcher === undefined || (watcher.signal.aborted && isOther)) watcher = this.#create()
    if (stored === undefined && (destroyed || detached === 'moved')) watcher.end(endedBecause)
    this.follow()
    return watcher.signal
  }

  /** Follows the session as soon as it is stored. */
  follow(): void {
    const { handle, stored } = this.#parts.state
    const watcher = this.#watcher
    if (stored === undefined || watcher === undefined || watcher.isFollowing || watcher.signal.aborted) return
    this.#followed = handle
    watcher.follow(handle, stored.header)
  }

  #create(): Watcher {
    const { signals } = this.#parts.context
    if (signals === undefined)
      throw new OptionError('signals', 'is off: set it to true to use session.signal')
    const created = signals.createWatcher()
    this.#watcher = created
    this.#onceOver(() => created.release())
    return created
  }
}
