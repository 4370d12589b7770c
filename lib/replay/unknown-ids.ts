// How many unknown ids each address sends. A few are sessions that have expired; many in a minute are guesses.
import { lruCache } from '../data/lru-cache.js'

const MINUTE = 60_000
/** So many within a minute are reported. */
const MANY = 10
/** Maximum addresses to remember. */
const ADDRESSES = 1_000

interface Count {
  /** When the minute began: with the first id, or with a report. */
  since: number
  /** Within this minute. */
  ids: number
  /** Since the last report. */
  unreported: number
  isReported: boolean
}

export class UnknownIds {
  readonly #counts = lruCache<Count>(ADDRESSES)

  /**
   * Counts ids of a request.
   * @param now In milliseconds.
   * @returns How many came since the last report, if it is time for another one: at most once a minute for each address.
   */
  add(address: string, ids: number, now: number): number | undefined {
    if (ids === 0) return undefined
    let count = this.#counts.get(address)
    if (count === undefined || now - count.since >= MINUTE) {
      const unreported = count?.isReported === true ? count.unreported : 0
      count = { since: now, ids: 0, unreported, isReported: false }
      this.#counts.set(address, count)
    }
    count.ids += ids
    count.unreported += ids
    if (count.isReported || count.ids < MANY) return undefined
    const { unreported } = count
    this.#counts.set(address, { since: now, ids: 0, unreported: 0, isReported: true })
    return unreported
  }
}
