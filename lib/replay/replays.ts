// Ids that lead to no session: one that `regenerate()` replaced long ago may be stolen, and many unknown ones are guesses.
import { now } from '../clock.js'
import { lruCache } from '../data/lru-cache.js'
import { announce, type Log, report } from '../events.js'
import type { Missing } from '../request/lookup.js'
import type { RequestParts } from '../request/parts.js'
import type { ReplayWatch } from '../request/replay.js'
import { endWherever } from '../sessions/end.js'
import { LogThrottle } from '../throttle.js'
import { UnknownIds } from './unknown-ids.js'

/** What to do with the session whose old id comes back. */
export type ReplayAction = 'end' | 'report'

/** What `session.endedBecause` then is. */
const REASON = 'replayed'
/** Maximum replayed ids to remember. */
const LOGGED = 1_000

export class Replays implements ReplayWatch {
  readonly #action: ReplayAction
  // Whoever has a replayed id may send it again and again.
  readonly #logged = lruCache<true>(LOGGED)
  readonly #unknownIds = new UnknownIds()
  readonly #throttle = new LogThrottle()

  constructor(action: ReplayAction) {
    this.#action = action
  }

  async notice(parts: RequestParts, { received, replacedBy }: Missing): Promise<void> {
    const { address, log, records } = parts
    // Outside a request the application itself asks.
    if (address === undefined) return
    const count = this.#unknownIds.add(address, records.unknownIds, now())
    if (count !== undefined) this.#reportUnknown(log, address, count)
    if (replacedBy === undefined) return
    this.#report(parts, received.handle, replacedBy)
    if (this.#action === 'report') return
    // Only the timeout of the request limits the moves to follow: a session may have moved often within the window.
    await endWherever(parts, replacedBy, REASON, 'because an id that it had replaced came back', Infinity)
    records.endedBecause = REASON
  }

  // Whoever has many addresses must not fill the log.
  #reportUnknown(log: Log, address: string, count: number): void {
    const event = { type: 'unknown', address, count } as const
    if (!this.#throttle.isDue('unknown')) {
      announce(event)
      return
    }
    report(
      log,
      'warn',
      event,
      `${address} has sent ${count} session ids that the store does not know: somebody may be guessing, or Redis has lost ` +
        'sessions; limit the requests of this address'
    )
  }

  #report({ log }: RequestParts, handle: string, successor: string): void {
    const event = { type: 'replay', handle, successor, action: this.#action } as const
    if (this.#logged.has(handle)) {
      announce(event)
      return
    }
    this.#logged.set(handle, true)
    const advice =
      this.#action === 'end'
        ? 'the session is ended; ask its user whether that was their device'
        : 'ask its user whether that was their device, or end it by app.sessions.end()'
    report(
      log,
      'warn',
      event,
      `the id of session ${handle} came back after ${successor} had replaced it: its cookie may be stolen, or its browser ` +
        `never got the new one; ${advice}`
    )
  }
}
