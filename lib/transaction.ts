// One request's session: loads it, and orders what the request asks for.
import type { Dictionary } from '../serializers/serializer.js'
import { PayloadError } from './codec.js'
import { type CommitContext, Committer, movedError, vanish } from './commit.js'
import type { Cookie, ResponseCookie } from './cookie.js'
import { Draft, type DraftObserver, type Keep } from './draft.js'
import { ConflictError, DetachedError, ReloadingError, UnavailableError, UndecodableError } from './errors.js'
import { type Log, report, reportAmbiguous, reportEnd, reportRollback, timed } from './events.js'
import { cookieExpiry, isExtendable } from './expiry.js'
import { Held } from './held.js'
import { type Commit, includes } from './lineage.js'
import { type Found, find, look } from './lookup.js'
import { type Plan, planOf } from './plan.js'
import type { SessionRecord } from './record.js'
import { Records, type RecordsOptions } from './records.js'
import type { Detached, SessionOwner } from './session.js'
import { type CookieHeaders, SessionCookie } from './session-cookie.js'
import type { Received, SessionIds } from './session-id.js'
import { GuardedStore, type HealthRecord } from './stores/guarded.js'
import type { Store } from './stores/store.js'

/** What all transactions of one registration share. */
export interface Context extends RecordsOptions, CommitContext {
  store: Store
  /** Milliseconds for all that a request waits for its store. */
  timeout: number
  health: HealthRecord
  cookie: Cookie
  ids: SessionIds
  onUndecodable: 'empty' | 'error'
  /** Whether the browser remembers which commit it has seen last. */
  detectRollback: boolean
}

/** The response, as far as a transaction knows it. */
export interface Response extends CookieHeaders {
  readonly log: Log
  /** Calls back when the response has been sent or has failed; soon, if that is over. */
  onceClosed(callback: () => void): void
}

export class Transaction implements SessionOwner, DraftObserver {
  readonly #context: Context
  readonly #response: Response
  readonly #cookie: SessionCookie
  readonly #store: GuardedStore
  readonly #records: Records
  readonly #held: Held
  #committer: Committer | undefined
  /** Everything that the browser sent. */
  #received: Received | undefined
  /** An error of `regenerate` or `destroy`: an answer that hides it would be wrong. */
  #failure: { error: unknown } | undefined
  /** Whether it was reported that the record cannot be decoded. */
  #isReported = false
  #phase: 'open' | 'committed' | 'over' = 'open'
  #isWatched = false
  #lastTurn: Promise<void> | undefined
  /** How many calls of reload() are under way. */
  #reloads = 0
  /** Why it is disabled. */
  #reason: string | undefined

  constructor(context: Context, response: Response) {
    this.#context = context
    this.#response = response
    this.#cookie = new SessionCookie(context, response)
    this.#store = new GuardedStore(context.store, context.timeout, context.health)
    this.#records = new Records(this.#store, context)
    this.#held = new Held(context.ids, this)
  }

  get draft(): Draft {
    return this.#held.draft
  }

  get handle(): string {
    return this.#held.nextHandle
  }

  get isNew(): boolean {
    return this.#held.stored === undefined
  }

  get destroyed(): boolean {
    return this.#held.destroyed
  }

  get rolledBack(): boolean {
    return this.#held.rolledBack
  }

  get detached(): Detached | undefined {
    return this.#held.detached
  }

  get isModified(): boolean {
    const { step } = planOf(this.#held, false, this.#context)
    return step !== 'nothing' && step !== 'touch'
  }

  /**
   * Reads the session that the browser names. If there is none, the session is a new one, and will have an id of its own.
   * @param onUnavailable What follows if the store does not answer: an error, or an empty session.
   */
  load(received: Received, onUnavailable: 'error' | 'anonymous'): Promise<void> | undefined {
    this.#received = received
    this.#cookie.receive(received)
    const [{ handle } = received.next ?? {}] = received.ids
    if (handle === undefined) return undefined
    return timed(
      () => this.#find(received),
      (ms) => ({ type: 'load', handle, found: !this.isNew, ms })
    ).then(
      () => {
        for (const id of received.ids) if (id.seen !== undefined) this.#compare(id.handle, id.seen)
      },
      (reason) => {
        const error = reason ?? new UnavailableError('read', 'no reason')
        // Nothing is written after a read that failed.
        this.#held.detach('unavailable')
        // By its status: a store of the application's own has errors of its own.
        if (onUnavailable === 'error' || error.statusCode !== 503) throw error
      }
    )
  }

  /** Makes this an empty session that takes no changes. */
  disable(reason?: string): void {
    this.#held.detach('disabled')
    this.#reason = reason
  }

  /**
   * Commits what the request has made of its session; later calls do nothing. If there is nothing to do it returns
   * nothing, so that most requests wait for no promise.
   * @param mayTouch Whether the request counts as use of the session.
   */
  commit(mayTouch: boolean): Promise<void> | undefined {
    if (this.#phase !== 'open') return undefined
    this.#phase = 'committed'
    let plan: Plan | undefined
    if (this.#lastTurn === undefined && this.#failure === undefined) {
      plan = planOf(this.#held, mayTouch, this.#context)
      if (plan.step === 'nothing' && this.#committer?.isUnconfirmed !== true) {
        this.#settle()
        this.#conclude()
        return undefined
      }
    }
    return this.#inTurn(async () => {
      try {
        if (this.#failure !== undefined) throw this.#failure.error
        await this.#perform(mayTouch, plan)
      } catch (error) {
        this.#phase = 'over'
        throw error
      }
      this.#conclude()
    })
  }

  /** Ends the transaction without a commit. */
  discard(reason: string): void {
    if (this.#phase === 'open' && this.#isLost()) this.#reportUnsaved(reason)
    this.#phase = 'over'
  }

  save(): Promise<void> {
    return this.#inTurn(async () => {
      // What cannot be decoded stays, and what is saved begins another session.
      if (this.detached !== 'undecodable') this.#refuseIfDetached('save')
      await this.#perform(true)
      this.#sendCookie()
      this.#refuseIfDetached('save')
    })
  }

  reload(): Promise<void> {
    this.#reloads++
    return this.#inTurn(async () => {
      const { keep } = this.draft
      try {
        await this.#readAgain()
      } finally {
        this.#reloads--
      }
      // A sign-in that was asked for before still gets its new id.
      if (keep === undefined || this.isNew) return
      this.draft.regenerate(keep)
      this.#held.renew()
    })
  }

  destroy(): Promise<void> {
    const { changes } = this.draft
    return this.#inTurn(async () => {
      const held = this.#held
      this.#failure = undefined
      try {
        if (held.detached === 'moved') throw movedError(held.handle)
        if (held.detached === 'disabled' || held.detached === 'unavailable') this.#refuseIfDetached('destroy')
        await this.#endAll()
      } catch (error) {
        this.#failure = { error }
        throw error
      }
      this.#committer = undefined
      held.detached = undefined
      if (this.draft.changes !== changes) this.#reportUnsaved('it was changed while destroy() was under way')
      held.forget()
      this.#cookie.clear()
    })
  }

  regenerate(keep: Keep): Promise<void> {
    try {
      if (this.detached === 'moved') throw movedError(this.#held.handle)
      if (this.detached !== 'undecodable') this.#refuseIfDetached('regenerate')
      this.draft.regenerate(keep)
      this.#held.renew()
      this.#failure = undefined
      return Promise.resolve()
    } catch (error) {
      // A response that looks as if it had a new id would be wrong, also if nobody waits for this promise.
      this.#failure = { error }
      const failed = Promise.reject(error)
      failed.catch(() => {})
      return failed
    }
  }

  touch(): boolean {
    this.draft.touch = true
    return isExtendable(this.draft.permanent, this.#context.lifetimes)
  }

  setCookie(attributes: ResponseCookie): void {
    this.#cookie.setAttributes(attributes)
  }

  beforeChange(): void {
    if (this.detached === 'disabled') this.#refuseIfDetached('change')
    if (this.#reloads > 0 && this.#phase === 'open') throw new ReloadingError()
    this.#watch()
  }

  afterHandOut(): void {
    this.#watch()
  }

  // ---------------------------------------------------------------- the record

  async #readAgain(): Promise<void> {
    this.#refuseIfDetached('reload')
    const held = this.#held
    const { handle, id, stored } = held
    if (stored === undefined) return held.forget()
    const received = { id, handle, outdated: false, seen: undefined }
    const found = await look(received, this.#records, this.#context).catch((error) => {
      held.detach('unavailable')
      throw error
    })
    this.#committer = undefined
    held.forget()
    if (found.state === 'missing') vanish(held, this.#cookie, this.#response.log, handle)
    else this.#take(found)
  }

  async #find(received: Received): Promise<void> {
    const found = await find(received, this.#records, this.#context)
    if (found.state === 'ambiguous') {
      reportAmbiguous(this.#context, this.#response.log, found.handles)
    } else if (found.state === 'missing') this.#cookie.ended()
    else {
      if (found.state === 'living') this.#cookie.hold(found.received)
      this.#take(found)
    }
  }

  #take(found: Found): void {
    const held = this.#held
    const { id, handle } = found.received
    if (found.state === 'living') {
      const { record } = found
      held.take(id, handle, record, new Draft(this, record.header.permanent, () => this.#decode(record)))
      this.#cookie.expires(cookieExpiry(record.header, this.#context.lifetimes))
    } else if (found.state === 'moved') {
      held.take(id, handle)
      held.detach('moved')
    } else if (found.state === 'undecodable') {
      held.take(id, handle, undefined, new Draft(this, false, () => this.#refuseUndecodable(found.reason)))
      held.detach('undecodable')
    }
  }

  // Responses arrive in any order, so a browser may have seen less than the store holds, but never more.
  #compare(handle: string, seen: Commit): void {
    const held = this.#held
    if (held.detached !== undefined || (held.stored !== undefined && held.handle !== handle)) return
    const there = held.stored?.header
    if (there !== undefined && includes(there, seen) !== false) return
    held.rolledBack = true
    if (!this.#context.ids.isFirstAlarm(handle, seen)) return
    reportRollback(this.#response.log, handle, seen, there)
  }

  #decode(record: SessionRecord): Dictionary {
    try {
      return this.#context.codec.decode(record.header.tag, record.payload)
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error
      return this.#refuseUndecodable(error.message)
    }
  }

  // Reported when the session is looked at: requests that never read it are not affected.
  #refuseUndecodable(reason: string): Dictionary {
    if (this.#isReported) return {}
    this.#isReported = true
    const held = this.#held
    const { handle } = held
    held.detach('undecodable')
    held.draft.rebase(false, {})
    const error = new UndecodableError(handle, reason)
    report(this.#response.log, 'error', { type: 'undecodable', handle, reason }, error.message)
    // Not after the response: a log serializer that looks would end the process.
    if (this.#context.onUndecodable === 'error' && this.#phase === 'open') throw error
    return {}
  }

  // Until it is known that nothing is left, a response that says so would be wrong.
  async #endAll(): Promise<void> {
    const held = this.#held
    const isStored = held.stored !== undefined || held.detached === 'undecodable'
    const { ids = [], next } = this.#received ?? {}
    const handles = new Set([...ids, ...(next === undefined ? [] : [next])].map(({ handle }) => handle))
    if (isStored) handles.add(held.handle)
    const pending = this.#committer?.pending
    if (pending !== undefined) handles.add(pending)
    for (const handle of handles) {
      const outcome = await this.#records.end(handle, isStored ? held.stored?.revision : undefined)
      if (outcome === 'busy') throw new ConflictError(handle, 'other requests change it all the time')
      // By another request: a move of this one, whose answer was lost, is ended with it.
      if (outcome === 'moved' && handle === held.handle && pending === undefined) throw movedError(handle)
    }
    this.#received = undefined
    if (!isStored) return
    held.destroyed = true
    reportEnd(this.#response.log, held.handle, 'by this request')
  }

  // ---------------------------------------------------------------- the commit

  // What a request asks for happens one after the other, also if it does not wait for it. If it never looks at the
  // promise either, the commit still has to succeed, and no error is left for the process to end by.
  #inTurn(work: () => Promise<void>): Promise<void> {
    if (!this.#cookie.isOpen) this.#store.renew()
    const turn = this.#lastTurn === undefined ? work() : this.#lastTurn.then(work, work)
    this.#lastTurn = turn
    turn.catch(() => {})
    return turn
  }

  async #perform(mayTouch: boolean, plan = planOf(this.#held, mayTouch, this.#context)): Promise<void> {
    const held = this.#held
    const { step } = plan
    if (step === 'nothing' && this.#committer?.isUnconfirmed !== true) return this.#settle()
    const { handle } = held
    this.#committer ??= new Committer(
      this.#context,
      held,
      this.#store,
      this.#records,
      this.#cookie,
      this.#response.log
    )
    const committer = this.#committer
    await timed(
      () => committer.commit(plan, mayTouch),
      (ms) => ({
        type: 'commit',
        handle: step === 'remove' ? handle : held.handle,
        step,
        tries: committer.tries,
        ms
      })
    )
  }

  // What was set to the value that it had is no change.
  #settle(): void {
    const { draft, stored } = this.#held
    if (this.detached !== undefined) return
    const { codec, fidelity } = this.#context
    // Or the serializer has no word for it: nothing is stored then, which developers want to know.
    if (draft.written && stored?.header.tag === codec.writer.tag) {
      fidelity?.check(draft.data, stored.payload, codec, this.#response.log)
    }
    draft.settle(draft.snapshot())
  }

  #refuseIfDetached(action: string): void {
    const { detached } = this
    if (detached !== undefined) throw new DetachedError(action, this.#reason ?? detached)
  }

  // ---------------------------------------------------------------- the response

  #conclude(): void {
    this.#sendCookie()
    if (this.detached !== undefined && this.draft.written) this.#reportUnsaved(this.detached)
  }

  #sendCookie(): void {
    const { stored, id } = this.#held
    if (stored === undefined) return
    const seen = this.#context.detectRollback ? stored.header : undefined
    this.#cookie.send(id, cookieExpiry(stored.header, this.#context.lifetimes), seen)
  }

  // A change that no commit will store, after the response or without one, is not lost without a word.
  #watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    const check = () => {
      if (this.detached !== undefined) return
      if (this.#isLost()) this.#reportUnsaved('it was changed without a commit: call save()')
      else this.#isWatched = false
    }
    this.#response.onceClosed(() => {
      if (this.#lastTurn === undefined) check()
      else this.#lastTurn.then(check, check)
    })
  }

  // Asked by an event of the response, where an error would end the process.
  #isLost(): boolean {
    if (this.#phase === 'over') return false
    if (this.#phase === 'committed') return this.#isChanged
    try {
      return this.isModified
    } catch {
      return true
    }
  }

  get #isChanged(): boolean {
    const { draft, stored } = this.#held
    const isPermanent = stored !== undefined && stored.header.permanent !== draft.permanent
    return draft.written || draft.keep !== undefined || isPermanent
  }

  #reportUnsaved(reason: string): void {
    const { handle } = this.#held
    report(
      this.#response.log,
      'warn',
      { type: 'unsaved', handle, reason },
      `changes of session ${handle} are lost: ${reason}`
    )
  }
}
