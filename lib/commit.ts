// Carries out what a request wants stored: attempt, conflict, again.

import type { Snapshot } from './draft.js'
import type { Budget } from './equal.js'
import { ConflictError, HeadersSentError, UndecodableError } from './errors.js'
import { type Log, report, reportEnd, reportRollback } from './events.js'
import { newHeader } from './expiry.js'
import type { Held } from './held.js'
import { includes, isSame, type Lineage } from './lineage.js'
import { Move } from './move.js'
import { decodeRecord, type Plan, type PlanContext, planOf, takeMerged } from './plan.js'
import { type NotARecordError, openRecord, SessionRecord } from './record.js'
import type { Records } from './records.js'
import { nextHeader, type SealContext, seal } from './seal.js'
import type { SessionCookie } from './session-cookie.js'
import type { GuardedStore } from './stores/guarded.js'
import type { Outcome } from './stores/store.js'
import type { Left, Turns } from './turns.js'
import { Writes } from './writes.js'

/** How often a commit is tried before it gives up, since other processes were faster each time. */
const MAX_TRIES = 200

export interface CommitContext extends PlanContext, SealContext {
  turns: Turns
  /** How many replicas a commit waits for. */
  replicas: number
}

/** The commits of one request. */
export class Committer {
  readonly #context: CommitContext
  readonly #held: Held
  readonly #store: GuardedStore
  readonly #records: Records
  readonly #cookie: SessionCookie
  readonly #log: Log
  readonly #writes = new Writes()
  readonly #move: Move
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
    this.#move = new Move(held, records, this.#writes)
  }

  /** Carries out this plan, and what becomes of it when others were faster. */
  async commit(plan: Plan, mayTouch: boolean): Promise<void> {
    if ((plan.step === 'create' || plan.step === 'move') && !this.#cookie.isOpen) throw new HeadersSentError()
    this.tries = 0
    this.#writes.begin()
    if (plan.step === 'create') return this.#create(plan)
    try {
      await this.#change(plan, mayTouch)
    } catch (error) {
      // Before the rest is tidied up, which may fail as well.
      const failure = this.#writes.errorOf(error)
      await this.#move.giveUp(this.#cookie)
      if (plan.step === 'touch') this.#reportUntouched(error)
      else throw failure
    }
  }

  async #create(plan: Plan): Promise<void> {
    const { lifetimes } = this.#context
    const held = this.#held
    this.tries = 1
    if (held.detached === 'undecodable' && held.nextId === held.id) held.renew()
    const { draft, nextId, nextHandle } = held
    const seen = draft.snapshot()
    const record = seal(
      plan,
      newHeader(plan.permanent, lifetimes, Date.now()),
      held,
      this.#context,
      this.#log
    )
    try {
      await this.#writes.sendAnyway(() => this.#records.create(nextHandle, record))
    } catch (error) {
      // It may be there all the same: another try has another id.
      held.leave()
      throw error
    }
    held.detached = undefined
    held.settle(nextId, nextHandle, record)
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
        if (outcome === 'missing') return this.#vanish(handle)
        if (outcome === 'done') this.#settle(current, seen)
        // At once: while it waited, what it was just given would get out of date.
        else if (!(await this.#learn(outcome))) continue
        if (held.stored !== undefined && held.handle === handle) left = held.stored.bytes
        return
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
    takeMerged(this.#held, seen, plan, this.#context)
    this.#held.draft.settle(seen)
  }

  // ---------------------------------------------------------------- one try

  async #attempt(plan: Plan, seen: Snapshot, mayTouch: boolean): Promise<Outcome> {
    const held = this.#held
    const { handle, stored } = held
    const records = this.#records
    let { step } = plan
    // A touch writes something that replicas confirm together with what came before it.
    if (step === 'nothing' && this.#writes.isUnconfirmed) step = 'touch'
    if (stored === undefined || step === 'nothing') {
      held.base = stored
      return 'done'
    }
    if (step === 'remove') {
      await this.#move.undo()
      let sent = 0
      const outcome = await this.#writes.sendAnyway(() => {
        sent++
        return records.remove(handle, stored.revision)
      })
      // What is sent again finds nothing if the first try took place.
      const isGone = outcome === 'done' || (outcome === 'missing' && sent > 1)
      if (!isGone) return outcome
      held.leave()
      this.#cookie.clear()
      return 'done'
    }
    const header = nextHeader(plan, stored.header, held.draft, mayTouch, this.#context.lifetimes)
    const record = seal(plan, header, held, this.#context, this.#log)
    const sent = { record, plan, seen }
    if (step === 'move') return this.#move.attempt(stored, sent)
    const outcome =
      step === 'touch'
        ? await records.touch(handle, stored.revision, record)
        : await this.#writes.send(() => records.update(handle, stored.revision, record), sent)
    if (outcome === 'done') {
      held.base = held.stored = record
      this.#writes.confirm()
    }
    return outcome
  }

  // ---------------------------------------------------------------- what others did

  // Another request was faster: this is what it stored. True if what this commit wants stored is part of it already.
  async #learn(bytes: Uint8Array): Promise<boolean> {
    const held = this.#held
    const before = held.stored
    const theirs = this.#open(bytes)
    const move = this.#writes.findMove(theirs.header)
    if (move !== undefined) {
      const isDone = this.#writes.isCurrent(move)
      this.#move.finish()
      this.#settle(move.plan, move.seen)
      return isDone
    }
    const own = this.#writes.takeOwn(theirs.header)
    if (own === undefined) {
      if (theirs.header.moved) return this.#moved(false)
      held.stored = theirs
      if (held.base !== undefined) this.#noticeRollback(held.base.header, theirs)
    } else {
      // What was sent is part of it: only what this request has changed since then is left to merge.
      held.base = own.record
      this.#settle(own.plan, own.seen)
      if (theirs.header.moved) return this.#moved(true)
      held.stored = theirs
      if (this.#context.replicas > 0) this.#writes.expectConfirmation()
    }
    const { codec } = this.#context
    const { draft } = held
    const { tag } = theirs.header
    if (!codec.isReady(tag)) await codec.load(tag)
    const { base } = held
    const isRead = !draft.written && !draft.handedOut
    if (isRead) {
      const permanent = draft.permanent === base?.header.permanent ? theirs.header.permanent : draft.permanent
      draft.showInstead(permanent, () => decodeRecord(theirs, held.handle, codec))
    }
    const isTouched =
      base !== undefined && base === (own?.record ?? before) && isSame(base.header, theirs.header)
    if (isRead || isTouched) held.base = held.stored
    return own !== undefined && this.#writes.isCurrent(own)
  }

  async #moved(isAllSent: boolean): Promise<boolean> {
    const held = this.#held
    await this.#move.undo()
    if (held.draft.keep !== undefined) throw movedError(held.handle)
    this.#cookie.withdraw()
    held.stored = held.base
    // If the new id has what this request has sent, nothing is lost unless it has changed more since then.
    if (!isAllSent || planOf(held, false, this.#context, this.#budget).step !== 'nothing')
      held.detach('moved')
    return true
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

  /** A write of this request is stored, and its replicas have not confirmed it. */
  get isUnconfirmed(): boolean {
    return this.#writes.isUnconfirmed
  }

  /** The handle of a new record that may have taken the place of the old one. */
  get pending(): string | undefined {
    return this.#move.pending
  }

  #vanish(handle: string): void {
    this.#writes.settle()
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
    const { code, name } = (error ?? {}) as NodeJS.ErrnoException
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
