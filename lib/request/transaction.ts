// The transaction of one request: runs its steps in order, and gives the response its cookie.
import type { ResponseCookie } from '../cookies/cookie.js'
import { type CookieHeaders, SessionCookie } from '../cookies/session-cookie.js'
import type { RequestCookies } from '../cookies/session-id.js'
import { ReloadingError, rejected } from '../errors.js'
import type { Log } from '../events.js'
import { cookieExpiry, isExtendable, touchAfterOf } from '../records/expiry.js'
import { Records } from '../records/records.js'
import type { DraftObserver, Keep } from '../session/draft.js'
import type { DeviceBound, SessionOwner } from '../session/session.js'
import { GuardedStore } from '../stores/guarded.js'
import { Committer } from './commit.js'
import { movedError } from './conflict.js'
import type { DeviceBinding } from './devices.js'
import { endAll } from './end.js'
import { load, loadAtOnce, reload } from './load.js'
import type { Origin } from './origin.js'
import type { Context, RequestParts } from './parts.js'
import { isModified, type Plan, planOf } from './plan.js'
import { settleUnchanged } from './seal.js'
import { RequestSignals } from './signals.js'
import { SessionState } from './state.js'
import { Steps } from './steps.js'
import { UnsavedChanges } from './unsaved.js'

/** The response, as far as a transaction knows it. */
export interface Response extends CookieHeaders {
  readonly log: Log
  /** The address that the request came from. */
  readonly address?: string
  /** Undefined without the option `deviceBound`, and outside a request. */
  readonly device?: DeviceBinding | undefined
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
  readonly #steps = new Steps()
  /** How many calls of reload() are under way. */
  #reloads = 0
  /** If the request has asked for `session.signal`. */
  #signals: RequestSignals | undefined

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

  get address(): string | undefined {
    return this.#response.address
  }

  get isEnding(): boolean {
    return !this.#changes.isOpen
  }

  get endedBecause(): string | undefined {
    return this.state.isNew ? this.records.endedBecause : undefined
  }

  get signal(): AbortSignal {
    this.#signals ??= new RequestSignals(this, (callback) => this.#response.onceOver(callback))
    return this.#signals.current(this.endedBecause)
  }

  get deviceBound(): DeviceBound | undefined {
    return this.#response.device?.status
  }

  get isJson(): boolean {
    return this.context.codec.isJson(this.state.stored?.header.tag)
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
    if (this.#steps.areNone && this.#failure === undefined) {
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
      if (this.state.detached !== 'undecodable') this.state.refuseIfDetached('save')
      await this.#perform(this.#isUse)
      sendCookie(this)
      this.state.refuseIfDetached('save')
    })
  }

  reload(): Promise<void> {
    this.#reloads++
    return this.#next(async () => {
      const { keep } = this.state.draft
      try {
        // After a reload() that failed, another one may succeed.
        if (!this.state.isInterrupted) this.state.refuseIfDetached('reload')
        await reload(this)
        this.#committer = undefined
      } finally {
        this.#reloads--
      }
      // An earlier regenerate() still takes place.
      if (keep !== undefined && !this.state.isNew) this.state.regenerate(keep)
    })
  }

  destroy(reason?: string): Promise<void> {
    const { changes } = this.state.draft
    return this.#next(async () => {
      this.#failure = undefined
      try {
        await endAll(this, this.#cookies, this.#committer?.pending, reason)
        this.#cookies = undefined
      } catch (error) {
        this.#failure = { error, of: 'destroy' }
        throw error
      }
      this.#committer = undefined
      this.state.detached = undefined
      if (this.state.draft.changes !== changes)
        this.#changes.report('it was changed while destroy() was under way', 'await destroy() first')
      this.state.reset()
      this.cookie.clear()
    })
  }

  regenerate(keep: Keep): Promise<void> {
    try {
      if (this.state.detached === 'moved') throw movedError(this.state.handle)
      if (this.state.detached !== 'undecodable') this.state.refuseIfDetached('regenerate')
      this.state.regenerate(keep)
      // A session that destroy() could not end is still there.
      if (this.#failure?.of === 'regenerate') this.#failure = undefined
      return Promise.resolve()
    } catch (error) {
      // The response must not look as if the id were new, even if the route ignores this promise.
      this.#failure ??= { error, of: 'regenerate' }
      return rejected(error)
    }
  }

  touch(): boolean {
    this.state.draft.touch = true
    return isExtendable(this.state.draft.duration, this.context.lifetimes)
  }

  setCookie(attributes: ResponseCookie): void {
    this.cookie.setAttributes(attributes)
  }

  beforeChange(): void {
    if (this.state.detached === 'disabled') this.state.refuseIfDetached('change')
    if (this.#reloads > 0 && this.#changes.isOpen) throw new ReloadingError()
    this.#watch()
  }

  afterHandOut(): void {
    this.#watch()
  }

  beforePeek(key: string, value: object): void {
    this.context.peeks?.note(this.state.draft, key, value, this.context.codec)
  }

  #next(step: () => Promise<void>): Promise<void> {
    if (!this.cookie.isOpen) this.store.renew()
    return this.#steps.run(step)
  }

  async #perform(mayTouch: boolean, plan = planOf(this.state, mayTouch, this.context)): Promise<void> {
    if (this.#settleIfUnchanged(plan)) return
    // After a login or a logout an old id must lead nowhere.
    const isRenewed = this.state.draft.keep !== undefined
    if (plan.step === 'remove' || isRenewed) await this.origin?.end(this)
    this.#committer ??= new Committer(this)
    await this.#committer.commit(plan, mayTouch)
    // Only browsers have keys, and they send cookies.
    const { device, header } = this.#response
    if (isRenewed && header === undefined && !this.state.isNew) device?.renewed(this.state.handle)
    this.#signals?.follow()
  }

  #settleIfUnchanged({ step }: Plan): boolean {
    if (step !== 'nothing' || this.#committer?.isUnsettled === true) return false
    settleUnchanged(this.state, this.context, this.log)
    return true
  }

  #conclude(): void {
    sendCookie(this)
    this.context.peeks?.check(this.state, this.context.codec, this.log)
    if (this.state.detached !== undefined && this.state.draft.written)
      this.#changes.report(this.state.detached, 'routes and onSend hooks can check session.detached')
  }

  #watch(): void {
    this.#changes.watch((check) => {
      this.#response.onceClosed(() => this.#steps.afterwards(check))
    })
  }
}

function sendCookie({ context, cookie, state }: RequestParts): void {
  const { detached, stored, id } = state
  if (stored === undefined || detached !== undefined) return
  const lastCommit = context.detectRollback ? stored.header : undefined
  const { header } = stored
  const { lifetimes } = context
  cookie.send(id, cookieExpiry(header, lifetimes), lastCommit, touchAfterOf(header, lifetimes))
}
