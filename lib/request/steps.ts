// The steps of one request: they run one after another, even if the request does not await them.

export class Steps {
  #last: Promise<void> | undefined

  /** No step was ever begun. */
  get areNone(): boolean {
    return this.#last === undefined
  }

  /**
   * Runs this step after the earlier ones. If the caller ignores the promise, later steps still run, and there is no
   * unhandled rejection.
   */
  run(step: () => Promise<void>): Promise<void> {
    const next = this.#last === undefined ? step() : this.#last.then(step, step)
    this.#last = next
    next.catch(() => {})
    return next
  }

  /** Calls back after the steps that were begun so far; at once if there are none. */
  afterwards(callback: () => void): void {
    if (this.#last === undefined) callback()
    else this.#last.then(callback, callback)
  }
}
