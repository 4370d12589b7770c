// Loads the session of a request: finds its record, decodes it when it is first looked at, reports what is wrong with it.
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
import { vanish } from './commit.js'
import { type Found, find, type LookupContext, look } from './lookup.js'
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
  /** It was reported that the record cannot be decoded. */
  #isReported = false
  /** The request is over: no error reaches its route any more. */
  isClosed = false

  constructor(context: LoadContext, state: SessionState, records: Records, cookie: SessionCookie, log: Log) {
    this.#context = context
    this.#state = state
    this.#records = records
    this.#cookie = cookie
    this.#log = log
  }

  /** @param onUnavailable What follows if the store does not answer: an error, or an empty session. */
  async load(handle: string, cookies: RequestCookies, onUnavailable: 'error' | 'anonymous'): Promise<void> {
    const state = this.#state
    try {
      await timed(
        () => this.#find(cookies),
        (ms) => ({ type: 'load', handle, found: state.stored !== undefined, ms })
      )
    } catch (reason) {
      const error = reason ?? new UnavailableError('read', 'no reason')
      // Nothing is written after a read that failed.
      state.detach('unavailable')
      // By its status: a custom store has errors of its own.
      if (onUnavailable === 'error' || (error as { statusCode?: number }).statusCode !== 503) throw error
      return
    }
    for (const { handle, seen } of cookies.ids) if (seen !== undefined) this.#compare(handle, seen)
  }

  async reload(): Promise<void> {
    const state = this.#state
    const { handle, id, stored } = state
    if (stored === undefined) return state.forget()
    const received = { id, handle, outdated: false, seen: undefined }
    const found = await look(received, this.#records, this.#context).catch((error) => {
      state.detach('unavailable')
      throw error
    })
    state.forget()
    if (found.state === 'missing') vanish(state, this.#cookie, this.#log, handle)
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

  // Reported when the session is looked at: requests that never read it are not affected.
  #refuse(reason: string): Dictionary {
    if (this.#isReported) return {}
    this.#isReported = true
    const state = this.#state
    const { handle } = state
    state.detach('undecodable')
    state.draft.rebase(false, {})
    const error = new UndecodableError(handle, reason)
    report(this.#log, 'error', { type: 'undecodable', handle, reason }, error.message)
    // Not after the response: a log serializer that looks at the session would end the process.
    if (this.#context.onUndecodable === 'error' && !this.isClosed) throw error
    return {}
  }
}
