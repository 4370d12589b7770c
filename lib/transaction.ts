// One request's dealings with its session: load, commit, and what the session asks for in between.
import { Buffer } from 'node:buffer'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dictionary } from '../serializers/serializer.js'
import { type Codec, PayloadError } from './codec.js'
import { decide, type Step } from './commit.js'
import { type Cookie, type ResponseCookie, withAttributes } from './cookie.js'
import { ConflictError, DetachedError, EncodeError, HeadersSentError, UndecodableError } from './errors.js'
import { type Log, report } from './events.js'
import {
  expiresAt,
  isExpired,
  isExtendable,
  isTouchDue,
  type Lifetimes,
  newHeader,
  touched
} from './expiry.js'
import type { FidelityCheck } from './fidelity.js'
import { MergeConflict, type MergeRules, mergeLive } from './merge.js'
import {
  type Header,
  isMark,
  NotARecordError,
  openRecord,
  revisionOf,
  type SessionRecord,
  sealRecord,
  touchOf
} from './record.js'
import { type Detached, Draft, type DraftObserver, kept, type SessionOwner } from './session.js'
import { handleOf, newSessionId, type ReceivedId } from './session-id.js'
import type { Outcome, Store } from './stores/store.js'
import type { Left, Turns } from './turns.js'

/** How often a commit is tried before it gives up, since other processes were faster each time. */
const MAX_TRIES = 100
/** Milliseconds that a commit waits at the most before it tries again. */
const MAX_JITTER = 20
const NOTHING = Buffer.alloc(0)

/** What all transactions of one registration share. */
export interface Context {
  store: Store
  prefix: string
  cookie: Cookie
  codec: Codec
  lifetimes: Lifetimes
  merge: MergeRules
  /** Seconds. */
  graceAfterRegenerate: number
  onUndecodable: 'empty' | 'error'
  turns: Turns
  /** Undefined in production. */
  fidelity: FidelityCheck | undefined
}

/** The response, as far as a transaction knows it. */
export interface Response {
  readonly log: Log
  /** Whether a Set-Cookie header can still be sent. */
  readonly isOpen: boolean
  /** @param maxAge Seconds; `undefined` for a cookie that goes with the browser. */
  setCookie(cookie: Cookie, id: string, maxAge: number | undefined): void
  clearCookie(cookie: Cookie): void
  /** Calls back when the response has been sent or has failed. */
  onceClosed(callback: () => void): void
}

export class Transaction implements SessionOwner, DraftObserver {
  readonly #context: Context
  readonly #response: Response
  draft: Draft = new Draft(this)
  detached: Detached | undefined
  destroyed = false
  /** The id of the session, once it has one. */
  #id: string | undefined
  #handle: string | undefined
  /** The record that the draft began with. */
  #stored: SessionRecord | undefined
  /** What the draft encodes to, where that differs from the record. */
  #payload: Uint8Array | undefined
  /** The record under the new id, while the session moves there. */
  #successor: { key: string; record: Buffer } | undefined
  /** What the browser has, and the instant at which that expires if it is not when the browser closes. */
  #received: ReceivedId | undefined
  #receivedExpiresAt: number | undefined
  /** The cookie with the attributes that this response is to give it, if they are its own. */
  #ownCookie: Cookie | undefined
  #phase: 'open' | 'committed' | 'over' = 'open'
  #watched = false
  #lastTurn: Promise<void> | undefined

  constructor(context: Context, response: Response) {
    this.#context = context
    this.#response = response
  }

  get handle(): string {
    this.#handle ??= handleOf(this.#ensureId())
    return this.#handle
  }

  get isNew(): boolean {
    return this.#stored === undefined
  }

  get isModified(): boolean {
    const step = this.#decide(false)
    return step !== 'nothing' && step !== 'touch'
  }

  /** Reads the session of this id. Where there is none the session is a new one, and will have an id of its own. */
  async load(received: ReceivedId): Promise<void> {
    this.#received = received
    try {
      await this.#read(received.id)
    } catch (error) {
      this.detached ??= 'unavailable'
      throw error
    }
    this.#receivedExpiresAt = this.#stored && this.#cookieExpiry(this.#stored)
  }

  /** Makes this an empty session that takes no changes. */
  disable(): void {
    this.detached = 'disabled'
  }

  /**
   * Commits what the request has made of its session; later calls do nothing. Where there is nothing to do it returns
   * nothing, so that most requests wait for no promise.
   * @param mayTouch Whether the request counts as use of the session.
   */
  commit(mayTouch: boolean): Promise<void> | undefined {
    if (this.#phase !== 'open') return undefined
    this.#phase = 'committed'
    if (this.#lastTurn === undefined && this.#decide(mayTouch) === 'nothing') {
      this.#conclude()
      return undefined
    }
    return this.#inTurn(async () => {
      try {
        await this.#perform(mayTouch)
      } catch (error) {
        this.#phase = 'over'
        throw error
      }
      this.#conclude()
    })
  }

  /** Ends the transaction without a commit. */
  discard(): void {
    this.#phase = 'over'
  }

  save(): Promise<void> {
    return this.#inTurn(async () => {
      this.#refuseIfDetached('save')
      await this.#perform(true)
      this.#refuseIfDetached('save')
    })
  }

  reload(): Promise<void> {
    return this.#inTurn(async () => {
      this.#refuseIfDetached('reload')
      const id = this.#stored && this.#id
      const { handle } = this
      this.#forget()
      if (id === undefined) return
      await this.#read(id)
      if (this.#stored === undefined && this.detached === undefined) this.#vanish(handle)
    })
  }

  destroy(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.detached === 'moved') throw this.#movedError()
      if (this.detached === 'disabled' || this.detached === 'unavailable') this.#refuseIfDetached('destroy')
      if (this.#stored !== undefined || this.detached === 'undecodable') {
        const revision = this.#stored?.revision ?? NOTHING
        await this.#context.turns.take(this.#key, () => this.#destroyRecord(revision))
        this.destroyed = true
      }
      this.detached = undefined
      this.#forget()
      this.#clearCookie()
    })
  }

  setCookie(attributes: ResponseCookie): void {
    this.#ownCookie = withAttributes(this.#ownCookie ?? this.#context.cookie, attributes)
    this.#received = this.#received && { ...this.#received, outdated: true }
  }

  beforeChange(): void {
    if (this.detached === 'disabled') this.#refuseIfDetached('change')
    this.#watch()
  }

  afterHandOut(): void {
    this.#watch()
  }

  // ---------------------------------------------------------------- the record

  get #key(): string {
    return this.#context.prefix + this.handle
  }

  #ensureId(): string {
    this.#id ??= newSessionId()
    return this.#id
  }

  #adopt(id: string | undefined, record: SessionRecord | undefined): void {
    if (id !== this.#id) this.#handle = undefined
    this.#id = id
    this.#stored = record
    this.#payload = undefined
  }

  // Back to a session without id, record and data.
  #forget(): void {
    this.#adopt(undefined, undefined)
    this.draft = new Draft(this)
  }

  async #read(id: string): Promise<void> {
    this.#adopt(id, undefined)
    const bytes = await this.#context.store.read(this.#key)
    const record = bytes && this.#open(bytes)
    if (this.detached !== undefined) return
    if (record === undefined || isExpired(record.header, this.#context.lifetimes, Date.now())) this.#forget()
    else if (record.header.moved) this.detached = 'moved'
    else await this.#beginWith(record)
  }

  async #beginWith(record: SessionRecord): Promise<void> {
    const { codec } = this.#context
    if (!codec.isReady(record.header.tag)) await codec.load(record.header.tag)
    this.#stored = record
    this.draft = new Draft(this, record.header.permanent, () => this.#decode(record))
  }

  #open(bytes: Buffer): SessionRecord | undefined {
    try {
      return openRecord(bytes)
    } catch (error) {
      if (!(error instanceof NotARecordError)) throw error
      this.#detachUndecodable(error.message)
      return undefined
    }
  }

  #decode(record: SessionRecord): Dictionary {
    try {
      return this.#context.codec.decode(record.header.tag, record.payload)
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error
      this.#detachUndecodable(error.message)
      return {}
    }
  }

  #detachUndecodable(reason: string): void {
    this.detached = 'undecodable'
    this.#stored = undefined
    const error = new UndecodableError(this.handle, reason)
    report(this.#response.log, 'error', { type: 'undecodable', handle: this.handle, reason }, error.message)
    if (this.#context.onUndecodable === 'error') throw error
  }

  #seal(payload: Uint8Array | undefined, header: Header, old?: SessionRecord): Buffer {
    const { codec, fidelity } = this.#context
    if (payload === undefined && old !== undefined) return sealRecord(header, old.payload)
    const encoded = payload ?? codec.encode(this.draft.data)
    fidelity?.check(this.draft.data, encoded, codec, this.#response.log)
    return sealRecord({ ...header, tag: codec.writer.tag }, encoded)
  }

  // ---------------------------------------------------------------- the decision

  #decide(mayTouch: boolean): Step {
    const { draft } = this
    const record = this.#stored
    const regenerate = draft.keep !== undefined
    return decide({
      // What cannot be decoded stays as it is, but a sign-in can begin a session under another id.
      detached: this.detached !== undefined && !(this.detached === 'undecodable' && regenerate),
      stored: record !== undefined,
      empty: draft.isEmpty,
      regenerate,
      modified: record !== undefined && !draft.isEmpty && this.#differs(record),
      touchDue: record !== undefined && this.#isTouchDue(record, mayTouch)
    })
  }

  // Compared in the encoding of the record: nothing counts as changed because another serializer would write it.
  #differs({ header, payload }: SessionRecord): boolean {
    const { draft } = this
    const { codec } = this.#context
    this.#payload = undefined
    if (draft.written || draft.handedOut) {
      if (header.tag === codec.writer.tag) {
        const encoded = codec.encode(draft.data)
        if (!payload.equals(encoded)) this.#payload = encoded
      } else if (!this.#encodesTo(payload, header.tag)) {
        this.#payload = codec.encode(draft.data)
      }
    }
    return this.#payload !== undefined || draft.permanent !== header.permanent
  }

  #encodesTo(payload: Buffer, tag: number): boolean {
    try {
      return payload.equals(this.#context.codec.encode(this.draft.data, tag))
    } catch (error) {
      if (error instanceof EncodeError) return false
      throw error
    }
  }

  #isTouchDue({ header }: SessionRecord, mayTouch: boolean): boolean {
    const { lifetimes } = this.#context
    if (this.draft.touch) return isExtendable(header.permanent, lifetimes)
    return mayTouch && isTouchDue(header, lifetimes, Date.now())
  }

  // ---------------------------------------------------------------- the commit

  // What a request asks for happens one after the other, also where it does not wait for it.
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#lastTurn === undefined ? work() : this.#lastTurn.then(work, work)
    this.#lastTurn = turn
    return turn
  }

  async #perform(mayTouch: boolean): Promise<void> {
    const step = this.#decide(mayTouch)
    if ((step === 'create' || step === 'move') && !this.#response.isOpen) throw new HeadersSentError()
    if (step === 'create') await this.#create()
    else if (step !== 'nothing')
      await this.#context.turns.take(this.#key, (left) => this.#change(mayTouch, left))
    if (this.detached === undefined) this.draft.settle()
    this.#sendCookie()
  }

  async #create(): Promise<void> {
    if (this.detached === 'undecodable') this.#adopt(undefined, undefined)
    const record = this.#seal(undefined, newHeader(this.draft.permanent, this.#context.lifetimes, Date.now()))
    await this.#createRecord(this.#key, record)
    this.detached = undefined
    this.#stored = openRecord(record)
  }

  async #createRecord(key: string, record: Buffer): Promise<void> {
    const { store } = this.#context
    if (await store.create(key, record, this.#expiry(record))) return
    // A client that loses the answer may send the command again: what is there then is our own.
    const there = await store.read(key)
    if (!there?.equals(record))
      throw new ConflictError(this.handle, 'there is another record under its new id')
  }

  // Until it is done, or nothing is left to do. In a turn: takes up what the one before left, and leaves its own.
  async #change(mayTouch: boolean, left: Left): Promise<Left> {
    const key = this.#key
    try {
      // What this request read may be newer: another process, another connection.
      if (left !== undefined && this.#isNewer(left)) await this.#absorb(left)
      for (let tries = 1; tries <= MAX_TRIES; tries++) {
        const outcome = await this.#attempt(mayTouch)
        if (outcome === 'done') return this.#stored && this.#key === key ? this.#stored.bytes : undefined
        if (outcome === 'missing') {
          this.#vanish(this.handle)
          return undefined
        }
        await sleep(Math.random() * Math.min(tries - 1, MAX_JITTER))
        await this.#absorb(outcome)
      }
      throw new ConflictError(
        this.handle,
        `other requests changed it before each of ${MAX_TRIES} tries to commit`
      )
    } finally {
      await this.#dropSuccessor()
    }
  }

  async #attempt(mayTouch: boolean): Promise<Outcome> {
    const { store } = this.#context
    const stored = this.#stored
    const step = this.#decide(mayTouch)
    if (stored === undefined || step === 'nothing') return 'done'
    if (step === 'remove') return this.#remove(stored)
    if (step === 'move') return this.#move(stored)
    const record = this.#seal(this.#payload, this.#nextHeader(stored, step, mayTouch), stored)
    const expiry = this.#expiry(record)
    const outcome =
      step === 'touch'
        ? await store.touch(this.#key, stored.revision, touchOf(record), expiry)
        : await store.update(this.#key, stored.revision, record, expiry)
    if (outcome === 'missing' || (outcome !== 'done' && !record.equals(outcome))) return outcome
    this.#adopt(this.#id, openRecord(record))
    return 'done'
  }

  async #remove({ revision }: SessionRecord): Promise<Outcome> {
    const outcome = await this.#context.store.destroy(this.#key, revision)
    if (outcome === 'done') {
      this.#forget()
      this.#clearCookie()
    }
    return outcome
  }

  // First the new record, then the mark in place of the old one: at no instant is there no session, and once the old
  // id leads nowhere the new one is known to nobody but this response.
  async #move(stored: SessionRecord): Promise<Outcome> {
    const id = newSessionId()
    const key = this.#context.prefix + handleOf(id)
    const record = this.#seal(this.#payload, this.#nextHeader(stored, 'move', true), stored)
    await this.#dropSuccessor()
    this.#successor = { key, record }
    await this.#createRecord(key, record)
    const outcome = await this.#leaveMark(stored)
    if (outcome === 'done') {
      this.#successor = undefined
      this.#adopt(id, openRecord(record))
    }
    return outcome
  }

  async #leaveMark({ header, revision }: SessionRecord): Promise<Outcome> {
    const { store, graceAfterRegenerate } = this.#context
    const now = Date.now()
    const mark = sealRecord(
      {
        ...header,
        tag: 0,
        moved: true,
        counter: header.counter + 1,
        touchedAt: now,
        idleTimeout: graceAfterRegenerate
      },
      NOTHING
    )
    const outcome = await store.update(this.#key, revision, mark, now + graceAfterRegenerate * 1000)
    return outcome !== 'done' && outcome !== 'missing' && mark.equals(outcome) ? 'done' : outcome
  }

  async #dropSuccessor(): Promise<void> {
    const successor = this.#successor
    if (successor === undefined) return
    this.#successor = undefined
    await this.#context.store.destroy(successor.key, revisionOf(successor.record))
  }

  // Another request was faster: what it stored becomes the base of what this one changed.
  async #absorb(bytes: Uint8Array): Promise<void> {
    const { codec } = this.#context
    const { draft } = this
    const base = this.#stored
    const theirs = this.#openOther(bytes)
    if (base === undefined) return
    if (theirs.header.moved) {
      if (draft.keep !== undefined) throw this.#movedError()
      this.#stored = undefined
      this.detached = 'moved'
      return
    }
    await codec.load(theirs.header.tag)
    const permanent = draft.permanent === base.header.permanent ? theirs.header.permanent : draft.permanent
    if (draft.written || draft.handedOut) draft.rebase(permanent, this.#merge(base, theirs))
    else draft.showInstead(permanent, () => this.#decode(theirs))
    this.#stored = theirs
  }

  #isNewer(bytes: Uint8Array): boolean {
    return this.#openOther(bytes).header.counter > (this.#stored?.header.counter ?? 0)
  }

  #openOther(bytes: Uint8Array): SessionRecord {
    try {
      return openRecord(bytes)
    } catch (error) {
      if (error instanceof NotARecordError) throw new UndecodableError(this.handle, error.message)
      throw error
    }
  }

  #merge(base: SessionRecord, theirs: SessionRecord): Dictionary {
    const { codec, merge } = this.#context
    const { data, keep = true } = this.draft
    try {
      return mergeLive(
        kept(codec.decode(base.header.tag, base.payload), keep),
        data,
        kept(codec.decode(theirs.header.tag, theirs.payload), keep),
        merge,
        (values) => codec.decode(codec.writer.tag, codec.encode(values))
      )
    } catch (error) {
      if (error instanceof MergeConflict) throw new ConflictError(this.handle, error.message)
      if (error instanceof PayloadError) throw new UndecodableError(this.handle, error.message)
      throw error
    }
  }

  #nextHeader({ header }: SessionRecord, step: Step, mayTouch: boolean): Header {
    const { lifetimes } = this.#context
    const { permanent, keep, touch } = this.draft
    const now = Date.now()
    const isUsed = (mayTouch || touch) && isExtendable(permanent, lifetimes)
    const next =
      isUsed || permanent !== header.permanent ? touched(header, permanent, lifetimes, now) : { ...header }
    if (step !== 'touch') next.counter = header.counter + 1
    // A new id is still the same session, and grows as old; one that dropped data is another.
    if (step === 'move' && keep !== true) next.createdAt = now
    return next
  }

  #expiry(record: Buffer): number {
    return expiresAt(openRecord(record).header, this.#context.lifetimes)
  }

  async #destroyRecord(revision: Uint8Array): Promise<undefined> {
    const { store } = this.#context
    let expected = revision
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const outcome = await store.destroy(this.#key, expected)
      if (outcome === 'done' || outcome === 'missing') return
      // The session went on under an id that this request does not have; it must not seem to have ended.
      if (isMark(outcome)) throw this.#movedError()
      expected = revisionOf(outcome)
    }
    throw new ConflictError(
      this.handle,
      `other requests changed it before each of ${MAX_TRIES} tries to destroy it`
    )
  }

  #movedError(): Error {
    return new ConflictError(this.handle, 'another request has just given it a new id')
  }

  #refuseIfDetached(action: string): void {
    if (this.detached !== undefined) throw new DetachedError(action, this.detached)
  }

  #vanish(handle: string): void {
    this.#stored = undefined
    this.detached = 'destroyed'
    this.destroyed = true
    report(
      this.#response.log,
      'info',
      { type: 'destroyed', handle },
      `session ${handle} was ended while a request used it`
    )
  }

  // ---------------------------------------------------------------- the response

  #conclude(): void {
    this.#sendCookie()
    if (this.detached !== undefined && this.draft.written) this.#reportUnsaved(this.detached)
  }

  #sendCookie(): void {
    const record = this.#stored
    if (record === undefined || this.#id === undefined || !this.#response.isOpen) return
    const expiry = this.#cookieExpiry(record)
    const received = this.#received
    if (received?.id === this.#id && !received.outdated && this.#receivedExpiresAt === expiry) return
    const maxAge = expiry === undefined ? undefined : Math.floor((expiry - Date.now()) / 1000)
    this.#response.setCookie(this.#ownCookie ?? this.#context.cookie, this.#id, maxAge)
    this.#received = { id: this.#id, outdated: false }
    this.#receivedExpiresAt = expiry
  }

  #clearCookie(): void {
    if (this.#received === undefined || !this.#response.isOpen) return
    this.#response.clearCookie(this.#ownCookie ?? this.#context.cookie)
    this.#received = undefined
  }

  #cookieExpiry({ header }: SessionRecord): number | undefined {
    return header.permanent ? expiresAt(header, this.#context.lifetimes) : undefined
  }

  // A change that no commit will store, after the response or without one, is not lost without a word.
  #watch(): void {
    if (this.#watched) return
    this.#watched = true
    this.#response.onceClosed(() => {
      if (this.detached === undefined && this.#isLost())
        this.#reportUnsaved('it was changed without a commit: call save()')
    })
  }

  // Asked by an event of the response, where an error would end the process.
  #isLost(): boolean {
    if (this.#phase !== 'open') return this.#phase === 'committed' && this.draft.written
    try {
      return this.isModified
    } catch {
      return true
    }
  }

  #reportUnsaved(reason: string): void {
    const { handle } = this
    report(
      this.#response.log,
      'warn',
      { type: 'unsaved', handle, reason },
      `changes of session ${handle} are lost: ${reason}`
    )
  }
}
