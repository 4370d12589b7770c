// One request's dealings with its session: load, commit, and what the session asks for in between.
import type { Buffer } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import type { Dictionary } from '../serializers/serializer.js'
import { type Codec, PayloadError } from './codec.js'
import { decide, type Step } from './commit.js'
import type { Cookie, ResponseCookie } from './cookie.js'
import { Draft, type DraftObserver, type Keep, kept } from './draft.js'
import { ConflictError, DetachedError, HeadersSentError, isRefusal, UndecodableError } from './errors.js'
import { type Log, report, timed } from './events.js'
import { expiresAt, isExpired, isExtendable, isTouchDue, newHeader, touched } from './expiry.js'
import type { FidelityCheck } from './fidelity.js'
import { MergeConflict, type MergeRules, mergeLive } from './merge.js'
import {
  type Header,
  NotARecordError,
  newNonce,
  openRecord,
  type SessionRecord,
  UnsealedRecord
} from './record.js'
import { ours, Records, type RecordsOptions } from './records.js'
import type { Detached, SessionOwner } from './session.js'
import { type CookieHeaders, SessionCookie } from './session-cookie.js'
import { isSame, type Received, type ReceivedId, type Seen, type SessionIds } from './session-id.js'
import { GuardedStore, type HealthRecord } from './stores/guarded.js'
import type { Outcome, Store } from './stores/store.js'
import type { Left, Turns } from './turns.js'

/** How often a commit is tried before it gives up, since other processes were faster each time. */
const MAX_TRIES = 200

/** What all transactions of one registration share. */
export interface Context extends RecordsOptions {
  store: Store
  /** Milliseconds for all that a request waits for its store. */
  timeout: number
  health: HealthRecord
  cookie: Cookie
  ids: SessionIds
  codec: Codec
  merge: MergeRules
  onUndecodable: 'empty' | 'error'
  /** Whether the cookie tells which commit the browser has seen last. */
  detectRollback: boolean
  turns: Turns
  /** Undefined in production. */
  fidelity: FidelityCheck | undefined
}

/** The response, as far as a transaction knows it. */
export interface Response extends CookieHeaders {
  readonly log: Log
  /** Calls back when the response has been sent or has failed. */
  onceClosed(callback: () => void): void
}

export class Transaction implements SessionOwner, DraftObserver {
  readonly #context: Context
  readonly #response: Response
  readonly #cookie: SessionCookie
  readonly #store: GuardedStore
  readonly #records: Records
  #draft: Draft | undefined
  detached: Detached | undefined
  destroyed = false
  rolledBack = false
  /** The id of the session, once it has one. */
  #id: string | undefined
  #handle: string | undefined
  /** The record that the draft began with. */
  #stored: SessionRecord | undefined
  /** What the draft encodes to, where that differs from the record. */
  #encoded: UnsealedRecord | undefined
  /** A commit whose write was not answered: it may be in the store all the same. */
  #unanswered: Seen | undefined
  /** The one that was sent last, which a client that loses the answer sends again. */
  #sent: Seen | undefined
  #failedDestroy: unknown
  #phase: 'open' | 'committed' | 'over' = 'open'
  #isWatched = false
  #lastTurn: Promise<void> | undefined
  #disabledBy = 'disabled'
  #tried: readonly ReceivedId[] = []
  /** How often the current commit has been tried. */
  #tries = 0

  constructor(context: Context, response: Response) {
    this.#context = context
    this.#response = response
    this.#cookie = new SessionCookie(context, response)
    this.#store = new GuardedStore(context.store, context.timeout, context.health)
    this.#records = new Records(this.#store, context)
  }

  get draft(): Draft {
    this.#draft ??= new Draft(this)
    return this.#draft
  }

  get handle(): string {
    this.#handle ??= this.#context.ids.handleOf(this.#ensureId())
    return this.#handle
  }

  get isNew(): boolean {
    return this.#stored === undefined
  }

  get isModified(): boolean {
    const step = this.#decide(false)
    return step !== 'nothing' && step !== 'touch'
  }

  /**
   * Reads the session that these ids lead to. Where there is none the session is a new one, and will have an id of its own.
   * @param onUnavailable What follows where the store does not answer: an error, or an empty session.
   */
  load(received: Received, onUnavailable: 'error' | 'anonymous'): Promise<void> | undefined {
    this.#cookie.receive(received)
    const [first = received.next] = received.ids
    if (first === undefined) return undefined
    return timed(
      () => this.#choose(received),
      (ms) => ({ type: 'load', handle: this.#handle ?? first.handle, found: this.#stored !== undefined, ms })
    ).then(
      () => {
        for (const { handle, seen } of this.#tried) {
          if (seen !== undefined && this.detached === undefined) this.#compare(handle, seen)
        }
      },
      (error) => {
        // By its status: a store of the application's own has errors of its own.
        if (onUnavailable === 'error' || error.statusCode !== 503) throw error
      }
    )
  }

  async #choose({ ids, next }: Received): Promise<void> {
    const alive: ReceivedId[] = []
    for (const each of ids) if (ids.length === 1 || (await this.#isAlive(each))) alive.push(each)
    if (alive.length > 1) {
      this.#response.log.warn(
        {},
        `the browser sent the cookies of ${alive.length} sessions, none of which was taken: ` +
          'clear cookies of this name with another domain or path, or set cookie.name'
      )
      return
    }
    const [chosen] = alive
    if (chosen !== undefined && (await this.#try(chosen))) return
    const isMoved = this.detached === 'moved'
    if (next !== undefined && (this.detached === undefined || isMoved)) {
      this.detached = undefined
      if (await this.#try(next)) return
      if (this.detached === undefined && isMoved) this.detached = 'moved'
    }
    if (this.detached === undefined) this.#cookie.ended()
  }

  /** @returns Whether there is a session under this id, as far as can be told. */
  async #try(received: ReceivedId): Promise<boolean> {
    const { id, handle } = received
    this.#tried = [received]
    this.#cookie.hold(received)
    await this.#read(id, handle)
    if (this.#stored !== undefined) this.#cookie.expires(this.#cookieExpiry(this.#stored))
    return this.#stored !== undefined || this.detached === 'undecodable'
  }

  async #isAlive({ id, handle }: ReceivedId): Promise<boolean> {
    await this.#read(id, handle)
    const isAlive = this.#stored !== undefined || this.detached === 'undecodable'
    this.detached = undefined
    this.#adopt(undefined, undefined)
    this.#draft = undefined
    return isAlive
  }

  /** Makes this an empty session that takes no changes. */
  disable(reason = 'disabled'): void {
    this.detached = 'disabled'
    this.#disabledBy = reason
  }

  /**
   * Commits what the request has made of its session; later calls do nothing. Where there is nothing to do it returns
   * nothing, so that most requests wait for no promise.
   * @param mayTouch Whether the request counts as use of the session.
   */
  commit(mayTouch: boolean): Promise<void> | undefined {
    if (this.#phase !== 'open') return undefined
    this.#phase = 'committed'
    const step = this.#lastTurn === undefined ? this.#decide(mayTouch) : undefined
    if (step === 'nothing') {
      this.#conclude()
      return undefined
    }
    return this.#inTurn(async () => {
      try {
        if (this.#failedDestroy !== undefined) throw this.#failedDestroy
        await this.#perform(mayTouch, step)
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
      this.#sendCookie()
      this.#refuseIfDetached('save')
    })
  }

  reload(): Promise<void> {
    const { changes } = this.draft
    return this.#inTurn(async () => {
      this.#refuseIfDetached('reload')
      const id = this.#stored && this.#id
      const { handle } = this
      this.#forgetAll(changes)
      if (id === undefined) return
      await this.#read(id, handle)
      if (this.#stored === undefined && this.detached === undefined) this.#vanish(handle)
    })
  }

  destroy(): Promise<void> {
    const { changes } = this.draft
    return this.#inTurn(async () => {
      if (this.detached === 'moved') throw this.#movedError()
      if (this.detached === 'disabled' || this.detached === 'unavailable') this.#refuseIfDetached('destroy')
      if (this.#stored !== undefined || this.detached === 'undecodable') {
        // Until it is known to be gone, a response that says so would be wrong.
        await this.#destroyRecord().catch((error) => {
          this.#failedDestroy = error
          throw error
        })
        this.#failedDestroy = undefined
        this.destroyed = true
      }
      this.detached = undefined
      this.#forgetAll(changes)
      this.#cookie.clear()
    })
  }

  regenerate(keep: Keep): void {
    if (this.detached === 'moved') throw this.#movedError()
    if (this.detached !== 'undecodable') this.#refuseIfDetached('regenerate')
    this.draft.regenerate(keep)
  }

  setCookie(attributes: ResponseCookie): void {
    this.#cookie.setAttributes(attributes)
  }

  beforeChange(): void {
    if (this.detached === 'disabled') this.#refuseIfDetached('change')
    this.#watch()
  }

  afterHandOut(): void {
    this.#watch()
  }

  // ---------------------------------------------------------------- the record

  #ensureId(): string {
    this.#id ??= this.#context.ids.create()
    return this.#id
  }

  #adopt(id: string | undefined, record: SessionRecord | undefined): void {
    if (id !== this.#id) this.#handle = undefined
    this.#id = id
    this.#stored = record
    this.#encoded = undefined
  }

  // Back to a session without id, record and data. What was changed since then, while this was under way, is lost.
  #forgetAll(changes: number): void {
    if (this.draft.changes !== changes) {
      this.#reportUnsaved('it was changed while reload() or destroy() was under way')
    }
    this.#adopt(undefined, undefined)
    this.#draft = undefined
  }

  async #read(id: string, handle: string): Promise<void> {
    const { codec, lifetimes } = this.#context
    this.#adopt(id, undefined)
    this.#handle = handle
    try {
      const bytes = await this.#records.read(handle)
      const record = bytes && this.#open(bytes)
      if (this.detached !== undefined) return
      if (record === undefined || isExpired(record.header, lifetimes, Date.now())) {
        this.#adopt(undefined, undefined)
      } else if (record.header.moved) {
        this.detached = 'moved'
      } else {
        if (!codec.isReady(record.header.tag)) await codec.load(record.header.tag)
        this.#stored = record
        this.#draft = new Draft(this, record.header.permanent, () => this.#decode(record))
      }
    } catch (error) {
      // Nothing is written after a read that failed.
      this.detached = 'unavailable'
      throw error
    }
  }

  // Responses arrive in any order, so a browser may have seen less than the store holds, but never more.
  #compare(handle: string, seen: Seen): void {
    const found = this.#stored?.header
    if (found === undefined || isCutOff(seen, found)) this.#reportRollback(handle, seen, found)
  }

  #reportRollback(handle: string, { counter: expected, nonce }: Seen, there: Seen | undefined): void {
    this.rolledBack = true
    if (!this.#context.ids.isFirstAlarm(handle, { counter: expected, nonce })) return
    const found = there?.counter
    const what = found === expected ? 'another commit of this number' : (found ?? 'none')
    report(
      this.#response.log,
      'warn',
      { type: 'rollback', handle, expected, found },
      `session ${handle} has lost commits: ${what} is stored, ${expected} was answered`
    )
  }

  #open(bytes: Buffer): SessionRecord | undefined {
    try {
      return openRecord(bytes)
    } catch (error) {
      if (!(error instanceof NotARecordError)) throw error
      this.detached = 'undecodable'
      this.#draft = new Draft(this, false, () => this.#undecodable(error))
      return undefined
    }
  }

  #decode(record: SessionRecord): Dictionary {
    try {
      return this.#context.codec.decode(record.header.tag, record.payload)
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error
      return this.#undecodable(error)
    }
  }

  // Said when the session is looked at: who does not look does not mind.
  #undecodable({ message: reason }: Error): Dictionary {
    this.detached = 'undecodable'
    this.#stored = undefined
    const error = new UndecodableError(this.handle, reason)
    report(this.#response.log, 'error', { type: 'undecodable', handle: this.handle, reason }, error.message)
    if (this.#context.onUndecodable === 'error') throw error
    return {}
  }

  // The header is the record's from then on. A payload that the draft still has from the store is stored again as it is,
  // under the tag of its writer.
  #seal(header: Header): SessionRecord {
    const { codec, fidelity } = this.#context
    if (this.#encoded === undefined && this.#stored !== undefined) {
      return new UnsealedRecord(this.#stored.payload).seal(header)
    }
    const { data } = this.draft
    const encoded = this.#encoded ?? codec.encode(data)
    // Sealed once only: from here on its bytes are those of the record.
    this.#encoded = undefined
    fidelity?.check(data, encoded.payload, codec, this.#response.log)
    header.tag = codec.writer.tag
    return encoded.seal(header)
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

  #differs(record: SessionRecord): boolean {
    const { draft } = this
    const { header } = record
    const { codec } = this.#context
    this.#encoded = undefined
    if (draft.written || draft.handedOut) {
      if (header.tag !== codec.writer.tag) {
        if (!this.#isAsWritten(record)) this.#encoded = codec.encode(draft.data)
      } else {
        const encoded = codec.encode(draft.data)
        if (!record.payload.equals(encoded.payload)) this.#encoded = encoded
      }
    }
    return this.#encoded !== undefined || draft.permanent !== header.permanent
  }

  // Where another serializer wrote the record: nothing counts as changed because of that alone, and nothing as
  // unchanged because that one cannot tell it apart.
  #isAsWritten({ header: { tag }, payload }: SessionRecord): boolean {
    const { codec } = this.#context
    const { data } = this.draft
    try {
      return (
        payload.equals(codec.encode(data, tag).payload) && isDeepStrictEqual(codec.decode(tag, payload), data)
      )
    } catch {
      return false
    }
  }

  #isTouchDue({ header }: SessionRecord, mayTouch: boolean): boolean {
    const { lifetimes } = this.#context
    if (this.draft.touch) return isExtendable(header.permanent, lifetimes)
    return mayTouch && isTouchDue(header, lifetimes, Date.now())
  }

  // ---------------------------------------------------------------- the commit

  // What a request asks for happens one after the other, also where it does not wait for it. Where it never looks at
  // the promise either, the commit still has to succeed, and no error is left for the process to end by.
  #inTurn(work: () => Promise<void>): Promise<void> {
    if (!this.#cookie.isOpen) this.#store.renew()
    const turn = this.#lastTurn === undefined ? work() : this.#lastTurn.then(work, work)
    this.#lastTurn = turn
    turn.catch(() => {})
    return turn
  }

  /** @param step What is to be done, where that has just been decided. */
  #perform(mayTouch: boolean, step = this.#decide(mayTouch)): Promise<void> | undefined {
    if (step === 'nothing') return undefined
    const ending = step === 'remove' ? this.handle : undefined
    if ((step === 'create' || step === 'move') && !this.#cookie.isOpen) throw new HeadersSentError()
    return timed(
      () => (step === 'create' ? this.#create() : this.#change(mayTouch, step)),
      (ms) => ({ type: 'commit', handle: ending ?? this.handle, step, tries: this.#tries, ms })
    )
  }

  async #create(): Promise<void> {
    this.#tries = 1
    if (this.detached === 'undecodable') this.#adopt(undefined, undefined)
    const { draft } = this
    const seen = draft.snapshot()
    const header = newHeader(draft.permanent, this.#context.lifetimes, Date.now())
    const record = this.#seal(header)
    try {
      await this.#records.create(this.handle, record)
    } catch (error) {
      // It may be there all the same: another try has another id.
      this.#adopt(undefined, undefined)
      throw error
    }
    this.detached = undefined
    this.#stored = record
    draft.settle(seen)
  }

  // Until it is done, or nothing is left to do. In a turn: takes up what the one before left, and leaves its own.
  async #change(mayTouch: boolean, decided: Step): Promise<void> {
    const { handle } = this
    const turn = this.#context.turns.enter(handle)
    let step: Step | undefined = decided
    let left: Left
    this.#tries = 0
    try {
      if (turn.before !== undefined) {
        const found = await this.#store.wait(turn.before)
        // What this request read may be newer: another process, another connection.
        if (found !== undefined && this.#isNewer(found)) await this.#absorb(found)
        // Meanwhile the session may have changed, too.
        step = undefined
      }
      while (this.#tries++ < MAX_TRIES) {
        const { draft } = this
        const seen = draft.snapshot()
        const outcome = await this.#attempt(mayTouch, step ?? this.#decide(mayTouch))
        step = undefined
        if (outcome === 'done') {
          draft.settle(seen)
          if (this.#handle === handle) left = this.#stored?.bytes
          return
        }
        if (outcome === 'missing') return this.#vanish(handle)
        // At once: while it waited, what it has just been given would get out of date, and the next try fail for certain.
        await this.#absorb(outcome)
        if (this.detached !== undefined) return
      }
    } finally {
      turn.leave(left)
    }
    throw new ConflictError(handle, `other requests changed it before each of ${MAX_TRIES} tries to commit`)
  }

  async #attempt(mayTouch: boolean, step: Step): Promise<Outcome> {
    const stored = this.#stored
    if (stored === undefined || step === 'nothing') return 'done'
    if (step === 'remove') return this.#remove(stored)
    const header = this.#nextHeader(stored, step, mayTouch)
    const record = this.#seal(header)
    if (step === 'move') return this.#move(stored, record)
    const write = step === 'touch' ? this.#records.touch : this.#records.update
    if (step === 'update') this.#sent = header
    try {
      const outcome = ours(record, await write.call(this.#records, this.handle, stored.revision, record))
      if (outcome === 'done') this.#adopt(this.#id, record)
      return outcome
    } catch (error) {
      if (step === 'update') this.#unanswered = header
      throw error
    }
  }

  async #remove({ revision }: SessionRecord): Promise<Outcome> {
    const outcome = await this.#records.remove(this.handle, revision)
    if (outcome === 'done') {
      this.#adopt(undefined, undefined)
      this.#cookie.clear()
    }
    return outcome
  }

  // First the new record, then the mark in place of the old one: at no instant is there no session, and once the old
  // id leads nowhere the new one is known to nobody but this response.
  async #move(stored: SessionRecord, successor: SessionRecord): Promise<Outcome> {
    const id = this.#context.ids.create()
    await this.#records.create(this.#context.ids.handleOf(id), successor)
    let outcome: Outcome
    try {
      outcome = await this.#records.mark(this.handle, stored)
    } catch (error) {
      if (isRefusal(error)) await this.#drop(id, successor)
      else {
        // Nobody knows whether the old id still leads anywhere. The new one does, so the browser gets it.
        this.#adopt(id, successor)
        this.#sendCookie()
      }
      throw error
    }
    if (outcome === 'done') this.#adopt(id, successor)
    else await this.#drop(id, successor)
    return outcome
  }

  // Nobody has this id: where its record cannot be removed, it ends by itself.
  async #drop(id: string, { revision }: SessionRecord): Promise<void> {
    try {
      await this.#records.remove(this.#context.ids.handleOf(id), revision)
    } catch {}
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
      this.#cookie.withdraw()
      return
    }
    if (!codec.isReady(theirs.header.tag)) await codec.load(theirs.header.tag)
    const permanent = draft.permanent === base.header.permanent ? theirs.header.permanent : draft.permanent
    if (isCutOff(base.header, theirs.header)) {
      // A failover has lost commits that this request has read: they are stored again, with what else is there.
      this.#reportRollback(this.handle, base.header, theirs.header)
      draft.rebase(permanent, { ...kept(this.#decodeOther(theirs), draft.keep ?? true), ...draft.data })
      theirs.header.counter = base.header.counter
    } else if (isSame(this.#unanswered, theirs.header) || isSame(this.#sent, theirs.header)) {
      // A write of our own whose answer was lost is not merged with itself, also where it has been touched since.
    } else if (draft.written || draft.handedOut) {
      draft.rebase(permanent, this.#merge(base, theirs))
    } else {
      draft.showInstead(permanent, () => this.#decode(theirs))
    }
    this.#stored = theirs
  }

  #isNewer(bytes: Uint8Array): boolean {
    return this.#openOther(bytes).header.counter > (this.#stored?.header.counter ?? 0)
  }

  #openOther(bytes: Uint8Array): SessionRecord {
    try {
      return openRecord(bytes)
    } catch (error) {
      throw new UndecodableError(this.handle, (error as NotARecordError).message)
    }
  }

  #merge(base: SessionRecord, theirs: SessionRecord): Dictionary {
    const { data, keep = true } = this.draft
    const was = this.#asRead(base, keep)
    const others = this.#asRead(theirs, keep)
    try {
      return mergeLive(was, data, others, this.#context.merge, (values) => this.#asStored(values))
    } catch (error) {
      throw error instanceof MergeConflict ? new ConflictError(this.handle, error.message) : error
    }
  }

  #decodeOther({ header, payload }: SessionRecord): Dictionary {
    try {
      return this.#context.codec.decode(header.tag, payload)
    } catch (error) {
      throw new UndecodableError(this.handle, (error as PayloadError).message)
    }
  }

  // As the serializer of this process would have brought it back, whose values it is compared with.
  #asRead(record: SessionRecord, keep: Keep): Dictionary {
    const data = kept(this.#decodeOther(record), keep)
    return record.header.tag === this.#context.codec.writer.tag ? data : this.#asStored(data)
  }

  // What would come back of these values; themselves where the serializer refuses them, which another one has stored.
  #asStored(values: Dictionary): Dictionary {
    const { codec } = this.#context
    try {
      return codec.decode(codec.writer.tag, codec.encode(values).payload)
    } catch {
      return values
    }
  }

  #nextHeader({ header }: SessionRecord, step: Step, mayTouch: boolean): Header {
    const { lifetimes } = this.#context
    const { permanent, keep, touch } = this.draft
    const now = Date.now()
    const isUsed = (mayTouch || touch) && isExtendable(permanent, lifetimes)
    const next =
      isUsed || permanent !== header.permanent ? touched(header, permanent, lifetimes, now) : { ...header }
    if (step !== 'touch') {
      next.counter = header.counter + 1
      next.nonce = newNonce()
    }
    // A new id is still the same session, and grows as old; one that dropped data is another.
    if (step === 'move' && keep !== true) next.createdAt = now
    return next
  }

  async #destroyRecord(): Promise<void> {
    const turn = this.#context.turns.enter(this.handle)
    try {
      if (turn.before !== undefined) await this.#store.wait(turn.before)
      const result = await this.#records.destroy(this.handle, this.#stored?.revision)
      if (result === 'moved') throw this.#movedError()
      if (result === 'busy') throw new ConflictError(this.handle, 'other requests change it all the time')
    } finally {
      turn.leave()
    }
  }

  #movedError(): Error {
    return new ConflictError(this.handle, 'another request has just given it a new id')
  }

  #refuseIfDetached(action: string): void {
    if (this.detached === undefined) return
    throw new DetachedError(action, this.detached === 'disabled' ? this.#disabledBy : this.detached)
  }

  #vanish(handle: string): void {
    this.#stored = undefined
    this.detached = 'destroyed'
    this.destroyed = true
    this.#cookie.withdraw()
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
    if (this.#stored === undefined || this.#id === undefined) return
    const seen = this.#context.detectRollback ? this.#stored.header : undefined
    this.#cookie.send(this.#id, this.#cookieExpiry(this.#stored), seen)
  }

  #cookieExpiry({ header }: SessionRecord): number | undefined {
    return header.permanent ? expiresAt(header, this.#context.lifetimes) : undefined
  }

  // A change that no commit will store, after the response or without one, is not lost without a word.
  #watch(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    const check = () => {
      if (this.detached === undefined && this.#isLost()) {
        this.#reportUnsaved('it was changed without a commit: call save()')
      }
    }
    this.#response.onceClosed(() => {
      if (this.#lastTurn === undefined) check()
      else this.#lastTurn.then(check, check)
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

/** Whether a commit that was seen is not part of what led to the one that is there, as far as that can be told. */
function isCutOff(seen: Seen, there: Seen): boolean {
  return there.counter < seen.counter || (there.counter === seen.counter && there.nonce !== seen.nonce)
}
