// Loads the session of a request: finds its record, decodes it on first access, and reports problems.
import type { Dictionary } from '../../serializers/serializer.js'
import type { SessionCookie } from '../cookies/session-cookie.js'
import type { RequestCookies, SessionIds } from '../cookies/session-id.js'
import { PayloadError } from '../data/codec.js'
import { UnavailableError, UndecodableError } from '../errors.js'
import { type Log, report, reportAmbiguous, reportRollback, timed } from '../events.js'
import { cookieExpiry } from '../records/expiry.js'
import { type Commit, includes } from '../records/lineage.js'
import type { SessionRecord } from '../records/record.js'
import type { Records } from '../records/records.js'
import { markDestroyed } from './commit.js'
import { type Found, find, type LookupContext, lookUp } from './lookup.js'
import type { SessionState } from './state.js'

export interface LoadContext extends LookupContext {
  ids: SessionIds
  onUndecodable: 'empty' | 'error'
}

export class Loader {
  readonly #context: LoadContext
  readonly #state: SessionState
  readonly #records: Records
  readonly #cookie: SessionCookie
  readonly #log: Log
  /** Whether the log already says that the record cannot be decoded. */
  #isReported = false
  /** The request is over: an error can no longer reach its route. */
  isClosed = false

  constructor(context: LoadContext, state: SessionState, records: Records, cookie: SessionCookie, log: Log) {
    this.#context = context
    this.#state = state
    this.#records = records
    this.#cookie = cookie
    this.#log = log
  }

  /** @param onUnavailable If the store does not answer: an error, or an empty session. */
  async load(handle: string, cookies: RequestCookies, onUnavailable: 'error' | 'anonymous'): Promise<void> {
    const state = this.#state
    try {
      await timed(
        () => this.#find(cookies),
        (ms) => ({ type: 'load', handle, found: state.stored !== undefined, ms })
      )
    } catch (reason) {
      const error = reason ?? new UnavailableError('read', 'no reason')
      // After a failed read nothing is written.
      state.detach('unavailable')
      // The status decides, since a custom store has its own error classes.
      if (onUnavailable === 'error' || (error as { statusCode?: number }).statusCode !== 503) throw error
      return
    }
    for (const { handle, seen } of cookies.ids) if (seen !== undefined) this.#compare(handle, seen)
  }

  async reload(): Promise<void> {
    const state = this.#state
    const { handle, id, stored } = state
    if (stored === undefined) return state.reset()
    const received = { id, handle, outdated: false, seen: undefined }
    const found = await lookUp(received, this.#records, this.#context).catch((error) => {
      state.detach('unavailable')
      throw error
    })
    state.reset()
    if (found.state === 'missing') markDestroyed(state, this.#cookie, this.#log, handle)
    else this.#take(found)
  }

  async #find(cookies: RequestCookies): Promise<void> {
    const found = await find(cookies, this.#records, this.#context)
    if (found.state === 'ambiguous') reportAmbiguous(this.#context, this.#log, found.handles)
    else if (found.state === 'missing') this.#cookie.ended()
    else {
      if (found.state === 'living') this.#cookie.hold(found.received)
      this.#take(found)
    }
  }

  #take(found: Exclude<Found, { state: 'missing' }>): void {
    const state = this.#state
    const { id, handle } = found.received
    if (found.state === 'living') {
      const { record } = found
      state.take(id, handle, record, () => this.#decode(record))
      this.#cookie.expires(cookieExpiry(record.header, this.#context.lifetimes))
    } else if (found.state === 'moved') {
      state.take(id, handle)
      state.detach('moved')
    } else {
      state.take(id, handle, undefined, () => this.#refuse(found.reason))
      state.detach('undecodable')
    }
  }

  // Responses arrive in any order, so a browser may have seen less than the store holds, but never more.
  #compare(handle: string, seen: Commit): void {
    const state = this.#state
    if (state.detached !== undefined || (state.stored !== undefined && state.handle !== handle)) return
    const there = state.stored?.header
    if (there !== undefined && includes(there, seen) !== false) return
    state.rolledBack = true
    if (!this.#context.ids.isFirstAlarm(handle, seen)) return
    reportRollback(this.#log, handle, seen, there)
  }

  #decode(record: SessionRecord): Dictionary {
    try {
      return this.#context.codec.decode(record.header.tag, record.payload)
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error
      return this.#refuse(error.message)
    }
  }

  // Reported on first access: requests that never read the session are not affected.
  #refuse(reason: string): Dictionary {
    if (this.#isReported) return {}
    this.#isReported = true
    const state = this.#state
    const { handle } = state
    state.detach('undecodable')
    state.draft.rebase(false, {})
    const error = new UndecodableError(handle, reason)
    report(this.#log, 'error', { type: 'undecodable', handle, reason }, error.message)
    // Not thrown after the response: in a log serializer that reads the session it would end the process.
    if (this.#context.onUndecodable === 'error' && !this.isClosed) throw error
    return {}
  }
}
