// Changes that no commit stores: none is lost silently.
import { report } from '../events.js'
import { isSameDuration } from '../records/expiry.js'
import type { Snapshot } from '../session/draft.js'
import type { RequestParts } from './parts.js'
import { isModified } from './plan.js'

/** The changes of one request, and whether a commit is still to come for them. */
export class UnsavedChanges {
  readonly #parts: RequestParts
  #phase: 'open' | 'committed' | 'over' = 'open'
  /** The draft when the request ended without a commit. Later changes are lost as well. */
  #end: Snapshot | undefined
  #isWatched = false

  constructor(parts: RequestParts) {
    this.#parts = parts
  }

  /** Whether the commit has not begun yet. */
  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  /** The commit begins. */
  commit(): void {
    this.#phase = 'committed'
  }

  /** The request ends without a commit. The error of a commit that failed is its own report. */
  end(): void {
    this.#phase = 'over'
    this.#end = this.#parts.state.draft.snapshot()
  }

  /** The request ends, and what it has changed is not committed. */
  drop(reason: string): void {
    if (this.#isLost()) this.report(reason, 'call save() for changes that an error must not undo')
    this.end()
  }

  /** Reports changes that are made after the commit, or without one. `schedule` calls back after the response. */
  watch(schedule: (check: () => void) => void): void {
    if (this.#isWatched) return
    this.#isWatched = true
    schedule(() => {
      if (this.#parts.state.detached !== undefined) return
      if (this.#isLost()) this.report('it was changed without a commit', 'call save()')
      else this.#isWatched = false
    })
  }

  report(reason: string, cure: string): void {
    const { log, state } = this.#parts
    const { handle } = state
    report(
      log,
      'warn',
      { type: 'unsaved', handle, reason },
      `changes of session ${handle} are lost: ${reason}; ${cure}`
    )
  }

  // Also called by events of the response, in which an error would end the process.
  #isLost(): boolean {
    const { context, state } = this.#parts
    const { draft, stored } = state
    if (this.#end !== undefined) return draft.hasChangedSince(this.#end)
    if (this.#phase === 'committed') {
      const isKept = stored === undefined || isSameDuration(stored.header, draft.duration)
      return draft.written || draft.keep !== undefined || !isKept
    }
    try {
      return isModified(state, context)
    } catch {
      return true
    }
  }
}
