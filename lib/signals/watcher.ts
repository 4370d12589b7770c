// One `session.signal`: aborted when the session that it follows ends.
import { EndedError } from '../errors.js'
import type { Header } from '../records/record.js'
import type { Watcher } from '../request/signals.js'
import type { Signals, Watched } from './signals.js'

export class SignalWatcher implements Watcher {
  readonly #signals: Signals
  readonly #controller = new AbortController()
  #watched: Watched | undefined
  #isOver = false

  constructor(signals: Signals) {
    this.#signals = signals
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get isFollowing(): boolean {
    return this.#watched !== undefined
  }

  follow(handle: string, header?: Header): void {
    if (!this.#isOver) this.#watched = this.#signals.add(this, handle, header)
  }

  end(reason?: string): void {
    this.release()
    if (!this.signal.aborted) this.#controller.abort(new EndedError(reason))
  }

  release(): void {
    this.#isOver = true
    if (this.#watched !== undefined) this.#signals.remove(this, this.#watched)
    this.#watched = undefined
  }
}
