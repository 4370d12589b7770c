// What is the same again and again is said the first time, and then at most once a minute.
import { now } from './clock.js'

const MINUTE = 60_000

export class LogThrottle {
  readonly #saidAt = new Map<string, number>()

  /** Whether this is to be said now. What is another thing than before always is. */
  isDue(what: string): boolean {
    const saidAt = this.#saidAt.get(what)
    if (saidAt !== undefined && now() - saidAt < MINUTE) return false
    this.#saidAt.set(what, now())
    return true
  }

  /** What is said next is the first time again. */
  forget(): void {
    this.#saidAt.clear()
  }
}
