// At most so many writes a second.
import { now, pause } from '../clock.js'

/** Writes that are sent at once if there is no limit: a page. */
const MAX_AT_ONCE = 256
/** A limited command pauses about so often in a second, so that it sends little at once. */
const PAUSES = 10

export class Pace {
  readonly #rate: number
  /** How many writes may be sent at once. */
  readonly atOnce: number
  /** When the next writes are due, on the clock of `now()`. */
  #due = now()

  /** @param rate Writes a second. */
  constructor(rate = Number.POSITIVE_INFINITY) {
    this.#rate = rate
    this.atOnce = Math.min(MAX_AT_ONCE, Math.ceil(rate / PAUSES))
  }

  /** Waits until so many writes that were sent are within the limit. What was not used before is not made up for. */
  async keep(writes: number): Promise<void> {
    this.#due = Math.max(this.#due, now()) + (1000 * writes) / this.#rate
    const early = this.#due - now()
    if (early > 0) await pause(early)
  }
}
