// Limits how often the same thing is logged: the first time, and then at most once a minute.
import { now } from './clock.js'

const MINUTE = 60_000

export class LogThrottle {
  readonly #loggedAt = new Map<string, number>()

  /** Whether to log this now. Something that was not logged before is always due. */
  isDue(what: string): boolean {
    const loggedAt = this.#loggedAt.get(what)
    if (loggedAt !== undefined && now() - loggedAt < MINUTE) return false
    this.#loggedAt.set(what, now())
    return true
  }

  /** Makes everything due again. */
  forget(): void {
    this.#loggedAt.clear()
  }
}
