// The transaction of one request: runs its steps in order, and gives the response its cookie.
import type { ResponseCookie } from '../cookies/cookie.js'
import { type CookieHeaders, SessionCookie } from '../cookies/session-cookie.js'
import type { RequestCookies } from '../cookies/session-id.js'
import { DetachedError, OptionError, ReloadingError } from '../errors.js'
import { type Log, reportEnd } from '../events.js'
import { cookieExpiry, isExtendable } from '../records/expiry.js'
import { Records } from '../records/records.js'
import type { DraftObserver, Keep } from '../session/draft.js'
import type { SessionOwner } from '../session/session.js'
import { GuardedStore } from '../stores/guarded.js'
import { Committer, movedError } from './commit.js'
import { endAll } from './end.js'
import { load, loadAtOnce, reload } from './load.js'
import type { Origin } from './origin.js'
import type { Context, RequestParts } from './parts.js'
import { isModified, type Plan, planOf } from './plan.js'
import { settleUnchanged } from './seal.js'
import type { Watcher } from './signals.js'
import { SessionState } from './state.js'
import { UnsavedChanges } from './unsaved.js'

/** The response, as far as a transaction knows it. */
export interface Response extends CookieHeaders {
  readonly log: Log
  /** Calls back when the response has been sent or has failed; soon if that has already happened. */
  onceClosed(callback: () => void): void
  /** Calls back when the response is complete or its connection lost. */
  onceOver(callback: () => void): void
}

export class Transaction implements RequestParts, SessionOwner, DraftObserver {
  readonly context: Context
  readonly #response: Response
  readonly #isUse: boolean
  readonly cookie: SessionCookie
  readonly store: GuardedStore
  readonly records: Records
  readonly state: SessionState
  origin: Origin | undefined
  #committer: Committer | undefined
  #cookies: RequestCookies | undefined
  /** An error of `regenerate` or `destroy`: a response that looks like a success must fail with it. */
  #failure: { error: unknown; of: 'destroy' | 'regenerate' } | undefined
  readonly #changes: UnsavedChanges
  #lastStep: Promise<void> | undefined
  /** How many calls of reload() are under way. */
  #reloads = 0
  /** Of `session.signal`, if the request has asked for it. */
  #watcher: Watcher | undefined
  /** The handle of the session that it began with. */
  #followed: string | undefined
  /** Why the session is disabled. */
  #reason: string | undefined

  /** @param isUse Whether `save()` counts as use of the session. */
  constructor(context: Context, response: Response, isUse = true) {
    this.context = context
    this.#isUse = isUse
    this.#response = response
    this.cookie = new SessionCookie(context, response)
    this.store = new GuardedStore(context.store, context.timeout, context.health)
    this.records = new Records(this.store, context)
    this.state = new SessionState(context.ids, this)
    this.#changes = new UnsavedChanges(this)
  }

  get log(): Log {
    return this.#response.log
  }

  get isEnding(): boolean {
    return !this.#changes.isOpen
  }

  get endedBecause(): string | undefined {
    return this.state.isNew ? this.records.endedBecause : undefined
  }

  get signal(): AbortSignal {
    const { signals } = this.context
    if (signals === undefined)
      throw new OptionError('signals', 'is off: set it to true to use session.signal')
    const { destroyed, detached, handle, stored } = this.state
    let watcher = this.#watcher
    // After a login it is another session.
    const isOther = stored !== undefined && handle !== this.#followed
    if (watcher === undefined || (watcher.signal.aborted && isOther)) {
      const created = signals.createWatcher()
      watcher = this.#watcher = created
      this.#response.onceOver(() => created.release())
    }
    if (stored === undefined && (destroyed || detached === 'moved')) watcher.end(this.endedBecause)
    this.#follow()
    return watcher.signal
  }

  get isModified(): boolean {
    return isModified(this.state, this.context)
  }

  /**
   * Reads the session that the cookies name. If there is none, the session is a new one with another id.
   * @param fresh Whether the store must be asked.
   * @param origin Where the session comes from if these cookies lead to none.
   */
  load(
    cookies: RequestCookies,
    onUnavailable: 'error' | 'anonymous',
    fresh = false,
    origin?: Origin
  ): Promise<void> | undefined {
    this.origin = origin
    this.#cookies = origin === undefined ? cookies : { ...cookies, ids: [...cookies.ids, ...origin.ids] }
    this.cookie.receive(cookies)
    if (!fresh && origin === undefined && loadAtOnce(this, cookies)) return undefined
    const [{ handle } = cookies.next ?? origin?.ids[0] ?? {}] = cookies.ids
    return handle === undefined ? undefined : load(this, handle, cookies, onUnavailable)
  }

  /** Makes this an empty session that takes no changes. */
  disable(reason?: string): void {
    this.state.detach('disabled')
    this.#reason = reason
  }

  /**
   * Commits the changes of the request; later calls do nothing. Returns `undefined` if there is nothing to do, so that
   * most requests wait for no promise.
   * @param mayTouch Whether the request counts as use of the session.
   * @param isError Whether the response says that the request failed, so that it hides no failure.
   */
  commit(mayTouch: boolean, isError = false): Promise<void> | undefined {
    if (!this.#changes.isOpen) return undefined
    this.#changes.commit()
    let plan: Plan | undefined
    if (this.#lastStep === undefined && this.#failure === undefined) {
      plan = planOf(this.state, mayTouch, this.context)
      if (this.#settleIfUnchanged(plan)) {
        this.#conclude()
        return undefined
      }
    }
    return this.#next(async () => {
      try {
        if (this.#failure === undefined) await this.#perform(mayTouch, plan)
        else if (isError) return this.#changes.drop('destroy() or regenerate() failed')
        else throw this.#failure.error
      } catch (error) {
        this.#changes.end()
        throw error
      }
      this.#conclude()
    })
  }

  /** Ends the transaction without a commit. */
  discard(reason: string): void {
    if (this.#changes.isOpen) this.#changes.drop(reason)
    else this.#changes.end()
  }

  /** The error of `destroy()` or `regenerate()`, if the last call failed. */
  get failure(): unknown {
    return this.#failure?.error
  }

  save(): Promise<void> {
    return this.#next(async () => {
      // A record that cannot be decoded stays. What is saved begins another session.
      if (this.state.detached !== 'undecodable') this.#refuseIfDetached('save')
      await this.#perform(this.#isUse)
      this.#sendCookie()
      this.#refuseIfDetached('save')
    })
  }

  reload(): Promise<void> {
    this.#reloads++
    return this.#next(async () => {
      const { keep } = this.state.draft
      try {
        // After a reload() that failed, another one may succeed.
        if (!this.#isInterrupted) this.#refuseIfDetached('reload')
        await reload(this)
        this.#committer = undefined
      } finally {
        this.#reloads--
      }
      // An earlier regenerate() still takes place.
      if (keep === undefined || this.state.isNew) return
      this.state.draft.regenerate(keep)
      this.state.renew()
    })
  }

  destroy(reason?: string): Promise<void> {
    const { changes } = this.state.draft
    return this.#next(async () => {
      const state = this.state
      this.#failure = undefined
      try {
        if (state.detached === 'moved') throw movedError(state.handle)
        const isUnknown = state.detached === 'unavailable' && !this.#isInterrupted
        if (isUnknown || state.detached === 'disabled') this.#refuseIfDetached('destroy')
        // First, so that no other request continues it.
        await this.origin?.end(this)
        const wasStored = await endAll(this.records, state, this.#cookies, this.#committer?.pending, reason)
        this.#cookies = undefined
        if (wasStored) await this.#ended()
      } catch (error) {
        this.#failure = { error, of: 'destroy' }
        throw error
      }
      this.#committer = undefined
      state.detached = undefined
      if (this.state.draft.changes !== changes)
        this.#changes.report('it was changed while destroy() was under way', 'await destroy() first')
      state.reset()
      this.cookie.clear()
    })
  }

  regenerate(keep: Keep): Promise<void> {
    try {
      if (this.state.detached === 'moved') throw movedError(this.state.handle)
      if (this.state.detached !== 'undecodable') this.#refuseIfDetached('regenerate')
      this.state.draft.regenerate(keep)
      this.state.renew()
      // A session that destroy() could not end is still there.
      if (this.#failure?.of === 'regenerate') this.#failure = undefined
      return Promise.resolve()
    } catch (error) {
      // The response must not look as if the id were new, even if the route ignores this promise.
      this.#failure ??= { error, of: 'regenerate' }
      const failed = Promise.reject(error)
      failed.catch(() => {})
      return failed
    }
  }

  touch(): boolean {
    this.state.draft.touch = true
    return isExtendable(this.state.draft.permanent, this.context.lifetimes)
  }

  setCookie(attributes: ResponseCookie): void {
    this.cookie.setAttributes(attributes)
  }

  beforeChange(): void {
    if (this.state.detached === 'disabled') this.#refuseIfDetached('change')
    if (this.#reloads > 0 && this.#changes.isOpen) throw new ReloadingError()
    this.#watch()
  }

  afterHandOut(): void {
    this.#watch()
  }

  beforePeek(key: string, value: object): void {
    this.context.peeks?.note(this.state.draft, key, value, this.context.codec)
  }

  // The steps of a request run one after another, even if it does not await them. If it ignores a promise, later steps
  // and the commit still run, and there is no unhandled rejection.
  #next(step: () => Promise<void>): Promise<void> {
    if (!this.cookie.isOpen) this.store.renew()
    const next = this.#lastStep === undefined ? step() : this.#lastStep.then(step, step)
    this.#lastStep = next
    next.catch(() => {})
    return next
  }

  async #perform(mayTouch: boolean, plan = planOf(this.state, mayTouch, this.context)): Promise<void> {
    if (this.#settleIfUnchanged(plan)) return
    // After a login or a logout an old id must lead nowhere.
    if (plan.step === 'remove' || this.state.draft.keep !== undefined) await this.origin?.end(this)
    this.#committer ??= new Committer(this)
    await this.#committer.commit(plan, mayTouch)
    this.#follow()
  }

  #follow(): void {
    const { handle, stored } = this.state
    const watcher = this.#watcher
    if (stored === undefined || watcher === undefined || watcher.isFollowing || watcher.signal.aborted) return
    this.#followed = handle
    watcher.follow(handle, stored.header)
  }

  #settleIfUnchanged({ step }: Plan): boolean {
    if (step !== 'nothing' || this.#committer?.isUnsettled === true) return false
    settleUnchanged(this.state, this.context, this.log)
    return true
  }

  /** The store did not answer a reload(), but the session is known. */
  get #isInterrupted(): boolean {
    return this.state.detached === 'unavailable' && this.state.stored !== undefined
  }

  async #ended(): Promise<void> {
    const { state } = this
    state.destroyed = true
    reportEnd(this.log, state.handle, 'by this request')
    await this.context.observer?.destroyed?.(state.handle, state.stored, this)
  }

  #refuseIfDetached(action: string): void {
    const { detached } = this.state
    if (detached !== undefined) throw new DetachedError(action, this.#reason ?? detached)
  }

  // ---------------------------------------------------------------- the response

  #conclude(): void {
    this.#sendCookie()
    this.context.peeks?.check(this.state, this.context.codec, this.log)
    if (this.state.detached !== undefined && this.state.draft.written)
      this.#changes.report(this.state.detached, 'routes and onSend hooks can check session.detached')
  }

  #sendCookie(): void {
    const { detached, stored, id } = this.state
    if (stored === undefined || detached !== undefined) return
    const lastCommit = this.context.detectRollback ? stored.header : undefined
    this.cookie.send(id, cookieExpiry(stored.header, this.context.lifetimes), lastCommit)
  }

  #watch(): void {
    this.#changes.watch((check) => {
      this.#response.onceClosed(() => {
        if (this.#lastStep === undefined) check()
        else this.#lastStep.then(check, check)
      })
    })
  }
}
