// The old sessions that the cookies of one request lead to: continues one of them here, or ends all of them there.
import type { ReceivedId } from '../cookies/session-id.js'
import { announce } from '../events.js'
import { remaining } from '../records/expiry.js'
import { type Ambiguous, type Found, lookUp } from '../request/lookup.js'
import type { Origin } from '../request/origin.js'
import type { RequestParts } from '../request/parts.js'
import type { Library } from './library.js'
import { isUsedSince, markHandle, writeMark } from './mark.js'
import { convert } from './old-record.js'
import { Refusal, type RefusalReport } from './refusal.js'

/** A cookie that verifies, and where it leads. */
export interface Claim {
  library: Library
  /** The key of the old record. */
  key: string
  /** Names the old session among those of all libraries. */
  origin: string
  /** The id of this session here. */
  received: ReceivedId
}

export class OldSessions implements Origin {
  readonly #claims: readonly [Claim, ...Claim[]]
  readonly #refusals: RefusalReport
  #isEnded = false

  constructor(claims: readonly [Claim, ...Claim[]], refusals: RefusalReport) {
    this.#claims = claims
    this.#refusals = refusals
  }

  get ids(): readonly [ReceivedId, ...ReceivedId[]] {
    const [first, ...more] = this.#claims
    return [first.received, ...more.map(({ received }) => received)]
  }

  async find(parts: RequestParts, own: Found | Ambiguous): Promise<Found | undefined> {
    const isMissing = own.state === 'missing'
    if (!isMissing && !this.#isOvertaken(own, parts)) return undefined
    for (const claim of this.#claims) {
      const found = await this.#continue(parts, claim)
      if (found?.state === 'living' || (isMissing && found !== undefined)) return found
    }
    return undefined
  }

  async end({ cookie, store }: RequestParts): Promise<void> {
    if (this.#isEnded) return
    for (const { key, library } of this.#claims) await store.wait(library.redis.remove(key), 'DEL')
    this.#isEnded = true
    for (const { library } of this.#claims) {
      const { name, also = [], domain, path = '/' } = library.adopter.cookie
      for (const each of [name, ...also]) cookie.clearOther(each, domain, path)
    }
  }

  // A session that was adopted, and has had no login here since, gives way if the old application has begun another one.
  #isOvertaken(own: Found | Ambiguous, { context }: RequestParts): boolean {
    if (own.state !== 'living') return false
    const { id } = own.received
    return this.#claims.every(({ received }) => received.id !== id) && context.ids.isDerived(id)
  }

  async #continue(parts: RequestParts, claim: Claim): Promise<Found | undefined> {
    const { context, log } = parts
    try {
      return await this.#adopt(parts, claim)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const refused = this.#refusals.report(log, claim.library.adopter.name, error.reason)
      if (context.onUndecodable === 'error') throw refused
      return undefined
    }
  }

  async #adopt(parts: RequestParts, { key, library, origin, received }: Claim): Promise<Found | undefined> {
    const { context, records, store } = parts
    const { adopter, keepOld, redis } = library
    const { codec, lifetimes, observer, prefix } = context
    const { handle } = received
    const markKey = prefix + markHandle(origin)
    const there = await lookUp(received, records, context)
    if (there.state !== 'missing') return there
    const reading = store.wait(redis.read(key, adopter.fields), 'GET')
    const [mark, old] = await Promise.all([store.read(markKey), reading])
    if (mark !== undefined && (old === undefined || !isUsedSince(mark, old.left))) {
      // A parallel request may have adopted it since the lookup.
      return lookUp(received, records, context)
    }
    if (old === undefined) return undefined
    const record = convert(old, library, codec, lifetimes)
    if (record === undefined) return undefined
    const left = await store.wait(redis.shorten(key, keepOld * 1000), 'EVAL')
    if (left === undefined) return undefined
    await observer?.created?.(handle, record, parts)
    const now = Date.now()
    if (
      !(await store.create(prefix + handle, record.bytes, now + remaining(record.header, lifetimes, now)))
    ) {
      // A parallel request has adopted it.
      return lookUp(received, records, context)
    }
    if (!(await writeMark(store, markKey, left, mark, lifetimes))) {
      // A parallel request has adopted it, and it has ended since.
      await records.end(handle)
      return undefined
    }
    announce({ type: 'adopted', handle, library: adopter.name })
    return { state: 'living', received, record }
  }
}
