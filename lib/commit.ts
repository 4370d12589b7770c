// Carries out what a request wants stored: attempt, conflict, again. A write whose answer is lost is sent again, and
// recognised by its nonce, so that it takes place once, or fails as uncertain.

import type { Snapshot } from './draft.js'
import type { Budget } from './equal.js'
import {
  ConflictError,
  HeadersSentError,
  isRefusal,
  NotReplicatedError,
  UncertainError,
  UndecodableError
} from './errors.js'
import { type Log, report, reportEnd, reportRollback } from './events.js'
import { isExtendable, newHeader, touched } from './expiry.js'
import type { FidelityCheck, KeptReport } from './fidelity.js'
import type { Held } from './held.js'
import { includes, isSame, type Lineage } from './lineage.js'
import { type Plan, type PlanContext, planOf, takeMerged } from './plan.js'
import {
  followed,
  type Header,
  type NotARecordError,
  openRecord,
  SessionRecord,
  UnsealedRecord
} from './record.js'
import type { Records } from './records.js'
import type { SessionCookie } from './session-cookie.js'
import type { GuardedStore } from './stores/guarded.js'
import type { Outcome } from './stores/store.js'
import type { Left, Turns } from './turns.js'

/** How often a commit is tried before it gives up, since other processes were faster each time. */
const MAX_TRIES = 200
/** How often a write is sent again whose answer was lost. */
const MAX_RESENDS = 2

export interface CommitContext extends PlanContext {
  turns: Turns
  /** How many replicas a commit waits for. */
  replicas: number
  /** Undefined in production. */
  fidelity: FidelityCheck | undefined
  keptReport: KeptReport
}

/** A write, what it stores, and how far the draft had come. */
interface Sent {
  record: SessionRecord
  plan: Plan
  seen: Snapshot
}

/** The commits of one request. */
export class Committer {
  readonly #context: CommitContext
  readonly #held: Held
  readonly #store: GuardedStore
  readonly #records: Records
  readonly #cookie: SessionCookie
  readonly #log: Log
  /** Writes that may have taken place, of this request, on the record that it knows to be stored. */
  #unanswered: Sent[] = []
  /** Why that is not known. */
  #uncertainty: unknown
  /** The write that was sent last. A client may have sent it twice without a word. */
  #sent: Sent | undefined
  /** What stands under the next id already. */
  #successor: SessionRecord | undefined
  /** Tombstones of this request that may stand under the id. */
  #tombstones: Sent[] = []
  /** A write of this request is stored, and its replicas have not confirmed it. */
  #isUnconfirmed = false
  /** For all merges of the request. */
  readonly #budget: Budget
  /** How often the current commit has been tried. */
  tries = 0

  constructor(
    context: CommitContext,
    held: Held,
    store: GuardedStore,
    records: Records,
    cookie: SessionCookie,
    log: Log
  ) {
    this.#context = context
    this.#held = held
    this.#store = store
    this.#records = records
    this.#cookie = cookie
    this.#log = log
    this.#budget = context.codec.newBudget()
  }

  /** Carries out this plan, and what becomes of it when others were faster. */
  async commit(plan: Plan, mayTouch: boolean): Promise<void> {
    if ((plan.step === 'create' || plan.step === 'move') && !this.#cookie.isOpen) throw new HeadersSentError()
    this.tries = 0
    if (plan.step === 'create') return this.#create(plan)
    try {
      await this.#change(plan, mayTouch)
    } catch (error) {
      const isUncertain = this.#isUncertain
      await this.#giveUpMove()
      if (plan.step === 'touch') this.#reportUntouched(error)
      // A refusal of this try says nothing of an earlier one.
      else throw isUncertain ? this.#uncertainty : error
    }
  }

  get #isUncertain(): boolean {
    return this.#unanswered.length > 0 || this.#tombstones.length > 0 || this.#isUnconfirmed
  }

  async #create(plan: Plan): Promise<void> {
    const { lifetimes } = this.#context
    const held = this.#held
    this.tries = 1
    if (held.detached === 'undecodable' && held.nextId === held.id) held.renew()
    const { draft, nextHandle } = held
    const seen = draft.snapshot()
    const record = this.#seal(plan, newHeader(plan.permanent, lifetimes, Date.now()))
    try {
      await this.#send(() => this.#records.create(nextHandle, record))
    } catch (error) {
      // It may be there all the same: another try has another id.
      held.leave()
      throw error
    }
    held.detached = undefined
    held.settle(record)
    draft.settle(seen)
  }

  // In a turn: takes up the record that the one before left, and leaves its own.
  async #change(planned: Plan, mayTouch: boolean): Promise<void> {
    const held = this.#held
    const { handle } = held
    const turn = this.#context.turns.enter(handle)
    let plan: Plan | undefined = planned
    let left: Left
    try {
      if (turn.before !== undefined) {
        const found = await this.#store.wait(turn.before)
        if (found !== undefined && this.#isNewer(found)) await this.#learn(found)
        // Meanwhile the session may have changed, too.
        plan = undefined
      }
      while (this.tries++ < MAX_TRIES && held.detached === undefined) {
        const { draft } = held
        const seen = draft.snapshot()
        const current: Plan = plan ?? planOf(held, mayTouch, this.#context, this.#budget)
        plan = undefined
        const outcome = await this.#attempt(current, seen, mayTouch)
        if (outcome === 'done') {
          this.#settle(current, seen)
          if (held.stored !== undefined && held.handle === handle) left = held.stored.bytes
          return
        }
        if (outcome === 'missing') return this.#vanish(handle)
        // At once: while it waited, what it was just given would get out of date.
        await this.#learn(outcome)
      }
    } finally {
      turn.leave(left)
    }
    if (held.detached === undefined) {
      throw new ConflictError(handle, `other requests changed it before each of ${MAX_TRIES} tries to commit`)
    }
  }

  // What was planned is stored.
  #settle(plan: Plan, seen: Snapshot): void {
    takeMerged(this.#held, seen, plan, this.#context, this.#budget)
    this.#held.draft.settle(seen)
  }

  // ---------------------------------------------------------------- one try

  async #attempt(plan: Plan, seen: Snapshot, mayTouch: boolean): Promise<Outcome> {
    const held = this.#held
    const { handle, stored } = held
    const records = this.#records
    let { step } = plan
    // A touch writes something that replicas confirm together with what came before it.
    if (step === 'nothing' && this.#isUnconfirmed) step = 'touch'
    if (stored === undefined || step === 'nothing') {
      held.base = stored
      return 'done'
    }
    if (step === 'remove') {
      await this.#dropSuccessor()
      const outcome = await this.#send(() => records.remove(handle, stored.revision))
      if (outcome === 'done') {
        held.leave()
        this.#cookie.clear()
      }
      return outcome
    }
    const record = this.#seal(plan, this.#nextHeader(plan, stored, mayTouch))
    if (step === 'move') return this.#move(stored, { record, plan, seen })
    const outcome =
      step === 'touch'
        ? await records.touch(handle, stored.revision, record)
        : await this.#send(
            () => records.update(handle, stored.revision, record),
            { record, plan, seen },
            this.#unanswered
          )
    if (outcome === 'done') {
      held.base = held.stored = record
      this.#unanswered = []
      this.#isUnconfirmed = false
    }
    return outcome
  }

  // First the new record, then the tombstone in place of the old one: at no instant is there no session, and once the
  // old id leads nowhere the new one is known to nobody but this response.
  async #move(stored: SessionRecord, sent: Sent): Promise<Outcome> {
    const held = this.#held
    await this.#place(sent.record)
    const tombstone = this.#records.tombstoneOf(stored, held.nextHandle)
    const outcome = await this.#send(
      () => this.#records.update(held.handle, stored.revision, tombstone),
      { ...sent, record: tombstone },
      this.#tombstones
    )
    if (outcome === 'done') this.#finishMove()
    else if (outcome === 'missing') await this.#dropSuccessor()
    return outcome
  }

  async #place(record: SessionRecord): Promise<void> {
    const { nextHandle } = this.#held
    const placed = this.#successor
    try {
      const outcome = await this.#send(
        (): Promise<Outcome> =>
          placed === undefined
            ? this.#records.create(nextHandle, record)
            : this.#records.update(nextHandle, placed.revision, record)
      )
      if (outcome !== 'done')
        throw new ConflictError(nextHandle, 'its record was changed before anybody knew its id')
      this.#successor = record
    } catch (error) {
      if (this.#successor === undefined) this.#held.renew()
      throw error
    }
  }

  #finishMove(): void {
    if (this.#successor !== undefined) this.#held.settle(this.#successor)
    this.#successor = undefined
    this.#tombstones = []
  }

  async #giveUpMove(): Promise<void> {
    const successor = this.#successor
    if (successor === undefined) return
    if (this.#tombstones.length === 0) return this.#dropSuccessor()
    // The browser keeps the old id, and takes the new one if the old one leads nowhere.
    this.#cookie.offer(this.#held.nextId)
  }

  // Nobody has this id: if its record cannot be removed, it ends by itself.
  async #dropSuccessor(): Promise<void> {
    const successor = this.#successor
    if (successor === undefined) return
    const { nextHandle } = this.#held
    this.#successor = undefined
    this.#held.renew()
    try {
      await this.#records.remove(nextHandle, successor.revision)
    } catch {}
  }

  /**
   * Sends a write, and sends it again if its answer is lost.
   * @param unanswered Takes it if it is not known in the end whether it was written.
   */
  async #send(write: () => Promise<Outcome>, sent?: Sent, unanswered: Sent[] = []): Promise<Outcome> {
    let uncertainty: unknown
    this.#sent = sent
    for (let resends = 0; ; resends++) {
      try {
        const outcome = await write()
        // Another record stands there by now, which tells whether this one came before it.
        if (outcome === 'done') this.#sent = undefined
        else if (uncertainty !== undefined && sent !== undefined) unanswered.push(sent)
        return outcome
      } catch (error) {
        if (!isRefusal(error)) uncertainty ??= error
        if (!isRefusal(error) && error instanceof UncertainError && resends < MAX_RESENDS) continue
        if (uncertainty === undefined) throw error
        if (sent !== undefined) unanswered.push(sent)
        this.#uncertainty = uncertainty
        throw uncertainty
      }
    }
  }

  #seal({ encoded }: Plan, header: Header): SessionRecord {
    const { stored, draft } = this.#held
    const { codec, fidelity, keptReport } = this.#context
    if (encoded === undefined && stored !== undefined) return new UnsealedRecord(stored.payload).seal(header)
    const { record, tag, keys = [] } = encoded as NonNullable<typeof encoded>
    if (tag === codec.writer.tag) fidelity?.check(draft.data, record.payload, codec, this.#log)
    else keptReport.tell(keys, tag, draft.data, codec, this.#log)
    header.tag = tag
    return record.seal(header)
  }

  #nextHeader({ permanent, step }: Plan, { header }: SessionRecord, mayTouch: boolean): Header {
    const { lifetimes } = this.#context
    const { draft } = this.#held
    const now = Date.now()
    const isUsed = (mayTouch || draft.touch) && isExtendable(permanent, lifetimes)
    const next =
      isUsed || permanent !== header.permanent ? touched(header, permanent, lifetimes, now) : { ...header }
    if (step === 'touch' || step === 'nothing') return next
    // A new id is still the same session, and grows as old; one that kept nothing is another.
    if (draft.beginsAnew) next.createdAt = now
    return followed(next)
  }

  // ---------------------------------------------------------------- what others did

  // Another request was faster: this is what it stored.
  async #learn(bytes: Uint8Array): Promise<void> {
    const held = this.#held
    const theirs = this.#open(bytes)
    const move = this.#tombstones.find(({ record }) => isSame(record.header, theirs.header))
    if (move !== undefined) {
      this.#finishMove()
      this.#settle(move.plan, move.seen)
      return
    }
    const own = this.#findOwn(theirs.header)
    this.#sent = undefined
    if (own !== undefined) {
      // What was sent is part of it: only what this request has changed since then is left to merge.
      this.#settle(own.plan, own.seen)
      held.base = own.record
    }
    if (theirs.header.moved) return this.#moved(own !== undefined)
    this.#unanswered = []
    this.#tombstones = []
    held.stored = theirs
    if (own !== undefined) this.#expectConfirmation()
    else if (held.base !== undefined) this.#noticeRollback(held.base.header, theirs)
    const { codec } = this.#context
    const { draft } = held
    const { tag } = theirs.header
    if (!codec.isReady(tag)) await codec.load(tag)
    const base = held.base?.header
    const isRead = !draft.written && !draft.handedOut
    if (isRead) {
      const permanent = draft.permanent === base?.permanent ? theirs.header.permanent : draft.permanent
      draft.showInstead(permanent, () => codec.decode(tag, theirs.payload))
    }
    if (isRead || (base !== undefined && isSame(base, theirs.header))) held.base = held.stored
  }

  // Another try has found what an earlier one has stored: nobody has waited for its replicas.
  #expectConfirmation(): void {
    if (this.#context.replicas === 0) return
    this.#isUnconfirmed = true
    this.#uncertainty ??= new NotReplicatedError('commit', 'an unknown number of replicas')
  }

  /**
   * The write of this request that led to this record, if one did.
   * @throws {UncertainError} FST_SESSION_UNCERTAIN if so many came since that nobody can tell.
   */
  #findOwn(there: Lineage): Sent | undefined {
    const unanswered = this.#unanswered
    const isIn = ({ record }: Sent) => includes(there, record.header)
    const found = [this.#sent, ...unanswered].find((sent) => sent !== undefined && isIn(sent) === true)
    if (found !== undefined || unanswered.every((sent) => isIn(sent) === false)) return found
    throw this.#uncertainty
  }

  async #moved(isAllSent: boolean): Promise<void> {
    const held = this.#held
    this.#tombstones = []
    this.#unanswered = []
    await this.#dropSuccessor()
    if (held.draft.keep !== undefined) throw movedError(held.handle)
    this.#cookie.withdraw()
    held.stored = held.base
    // If the new id has what this request has sent, nothing is lost unless it has changed more since then.
    if (!isAllSent || planOf(held, false, this.#context, this.#budget).step !== 'nothing')
      held.detach('moved')
  }

  // A failover has lost commits that this request has read.
  #noticeRollback(read: Lineage, theirs: SessionRecord): void {
    const held = this.#held
    if (includes(theirs.header, read) !== false) return
    held.rolledBack = true
    reportRollback(this.#log, held.handle, read, theirs.header)
    // If nobody has changed anything since, they are stored again. Otherwise what the store acknowledged stands.
    if (includes(read, theirs.header) === true) {
      held.base = theirs
      held.draft.claim()
    }
    // No commit gets a number that a browser has seen already.
    if (theirs.header.counter < read.counter) {
      held.stored = new SessionRecord(theirs.bytes, { ...theirs.header, counter: read.counter, earlier: [] })
    }
  }

  #vanish(handle: string): void {
    this.#unanswered = []
    vanish(this.#held, this.#cookie, this.#log, handle)
  }

  #isNewer(bytes: Uint8Array): boolean {
    return this.#open(bytes).header.counter > (this.#held.stored?.header.counter ?? 0)
  }

  #open(bytes: Uint8Array): SessionRecord {
    try {
      return openRecord(bytes)
    } catch (error) {
      throw new UndecodableError(this.#held.handle, (error as NotARecordError).message)
    }
  }

  #reportUntouched(error: unknown): void {
    const { handle } = this.#held
    const { code, name } = error as NodeJS.ErrnoException
    const reason = code ?? name
    report(
      this.#log,
      'warn',
      { type: 'untouched', handle, reason },
      `session ${handle} was not extended: ${reason}`
    )
  }
}

export function movedError(handle: string): Error {
  return new ConflictError(handle, 'another request has just given it a new id')
}

/** The store has said that there is no record under this handle any more. */
export function vanish(held: Held, cookie: SessionCookie, log: Log, handle: string): void {
  held.detach('destroyed')
  cookie.withdraw()
  reportEnd(log, handle, 'while a request used it')
}
