// Carries out the plan of a request: attempt, conflict, plan again.
import type { Buffer } from 'node:buffer'
import type { SessionCookie } from '../cookies/session-cookie.js'
import type { Budget } from '../data/equal.js'
import { ConflictError, HeadersSentError, isRefusal, UndecodableError } from '../errors.js'
import { type Log, report, reportEnd, timed } from '../events.js'
import { newHeader } from '../records/expiry.js'
import { type NotARecordError, openRecord, type SessionRecord } from '../records/record.js'
import type { Records } from '../records/records.js'
import type { Snapshot } from '../session/draft.js'
import type { GuardedStore } from '../stores/guarded.js'
import type { Outcome } from '../stores/store.js'
import { takeRollback, takeUp } from './conflict.js'
import { Move } from './move.js'
import type { SessionObserver } from './observer.js'
import { type Plan, type PlanContext, planOf, takeMerged } from './plan.js'
import type { CommitQueue } from './queue.js'
import { nextHeader, type SealContext, seal } from './seal.js'
import type { SessionState } from './state.js'
import { Writes } from './writes.js'

/** After so many conflicts a commit gives up. */
const MAX_TRIES = 200

export interface CommitContext extends PlanContext, SealContext {
  queue: CommitQueue
  /** How many replicas a commit waits for. */
  replicas: number
  observer: SessionObserver | undefined
}

/** The commits of one request. */
export class Committer {
  readonly #context: CommitContext
  readonly #state: SessionState
  readonly #store: GuardedStore
  readonly #records: Records
  readonly #cookie: SessionCookie
  readonly #log: Log
  readonly #writes = new Writes()
  readonly #move: Move
  /** For all merges of the request. */
  readonly #budget: Budget
  /** An emptied session whose removal was not answered. */
  #mayBeRemoved = false
  #tries = 0

  constructor(
    context: CommitContext,
    state: SessionState,
    store: GuardedStore,
    records: Records,
    cookie: SessionCookie,
    log: Log
  ) {
    this.#context = context
    this.#state = state
    this.#store = store
    this.#records = records
    this.#cookie = cookie
    this.#log = log
    this.#budget = context.codec.newBudget()
    this.#move = new Move(state, records, this.#writes, context.observer)
  }

  /** A write of this request is stored, and its replicas have not confirmed it. */
  get isUnconfirmed(): boolean {
    return this.#writes.isUnconfirmed
  }

  /** The handle of a new record that may have taken the place of the old one. */
  get pending(): string | undefined {
    return this.#move.pending
  }

  /** Carries out this plan, or another one if the session has changed meanwhile. */
  commit(plan: Plan, mayTouch: boolean): Promise<void> {
    const { step } = plan
    const { handle } = this.#state
    this.#tries = 0
    this.#writes.begin()
    return timed(
      () => (step === 'create' ? this.#try(plan, mayTouch) : this.#change(plan, mayTouch)).then(() => {}),
      (ms) => ({
        type: 'commit',
        handle: step === 'remove' ? handle : this.#state.handle,
        step,
        tries: this.#tries,
        ms
      })
    )
  }

  async #change(plan: Plan, mayTouch: boolean): Promise<void> {
    try {
      await this.#changeInTurn(plan, mayTouch)
    } catch (error) {
      // Before the rest is tidied up, which may fail as well.
      const failure = this.#writes.errorOf(error)
      await this.#move.giveUp(this.#cookie)
      if (plan.step === 'touch') reportUntouched(this.#log, this.#state.handle, error)
      else throw failure
    }
  }

  // Takes up the record that the previous commit of this process has left, and leaves its own.
  async #changeInTurn(planned: Plan, mayTouch: boolean): Promise<void> {
    const state = this.#state
    const { handle } = state
    const lease = this.#context.queue.acquire(handle)
    let plan: Plan | undefined = planned
    let left: Buffer | undefined
    try {
      if (lease.previous !== undefined) {
        const found = await this.#store.wait(lease.previous)
        if (found !== undefined && isNewer(found, state)) await this.#learn(found)
        // The session may have changed meanwhile.
        plan = undefined
      }
      while (this.#tries < MAX_TRIES && state.detached === undefined) {
        const outcome = await this.#try(plan, mayTouch)
        plan = undefined
        if (outcome === 'missing' && !this.#mayBeRemoved) {
          this.#writes.settle()
          return vanish(state, this.#cookie, this.#log, handle)
        }
        if (outcome === 'missing') this.#leave()
        // At once: during a wait the record would get out of date.
        else if (outcome === 'done' || (await this.#learn(outcome))) {
          if (state.stored !== undefined && state.handle === handle) left = state.stored.bytes
          return
        }
      }
    } finally {
      lease.release(left)
    }
    if (state.detached === undefined) {
      throw new ConflictError(handle, `other requests changed it before each of ${MAX_TRIES} tries to commit`)
    }
  }

  async #try(planned: Plan | undefined, mayTouch: boolean): Promise<Outcome> {
    const state = this.#state
    this.#tries++
    const snapshot = state.draft.snapshot()
    const plan = planned ?? planOf(state, mayTouch, this.#context, this.#budget)
    const outcome = await this.#attempt(plan, snapshot, mayTouch)
    if (outcome === 'done') this.#settle(plan, snapshot)
    return outcome
  }

  // The plan is stored.
  #settle(plan: Plan, snapshot: Snapshot): void {
    takeMerged(this.#state, snapshot, plan, this.#context)
    this.#state.draft.settle(snapshot)
  }

  // ---------------------------------------------------------------- one try

  async #attempt(plan: Plan, snapshot: Snapshot, mayTouch: boolean): Promise<Outcome> {
    const state = this.#state
    const { handle, stored } = state
    const { observer } = this.#context
    let { step } = plan
    // A touch is a write, and replicas confirm it together with what came before it.
    if (step === 'nothing' && this.#writes.isUnconfirmed) step = 'touch'
    if ((step === 'create' || step === 'move') && !this.#cookie.isOpen) throw new HeadersSentError()
    if (step === 'create') return this.#create(plan)
    if (stored === undefined || step === 'nothing') {
      state.base = stored
      return 'done'
    }
    if (step === 'remove') return this.#remove(stored)
    const header = nextHeader(plan, stored.header, state.draft, mayTouch, this.#context.lifetimes)
    const record = seal(plan, header, state, this.#context, this.#log)
    const write = { record, plan, snapshot }
    if (step === 'move') return this.#move.attempt(stored, write)
    if (header.touchedAt !== stored.header.touchedAt) await observer?.touched?.(handle, record)
    const outcome =
      step === 'touch'
        ? await this.#records.touch(handle, stored.revision, record)
        : await this.#writes.send(() => this.#records.update(handle, stored.revision, record), write)
    if (outcome === 'done') {
      state.base = state.stored = record
      this.#writes.confirm()
    }
    return outcome
  }

  async #create(plan: Plan): Promise<'done'> {
    const { lifetimes, observer } = this.#context
    const state = this.#state
    // The record that cannot be decoded stays.
    if (state.detached === 'undecodable' && state.nextId === state.id) state.renew()
    const { nextId, nextHandle } = state
    const header = newHeader(plan.permanent, lifetimes, Date.now())
    const record = seal(plan, header, state, this.#context, this.#log)
    try {
      await observer?.created?.(nextHandle, record)
      await this.#writes.sendAnyway(() => this.#records.create(nextHandle, record))
    } catch (error) {
      // It may be stored all the same: another try has another id.
      state.leave()
      throw error
    }
    state.detached = undefined
    state.settle(nextId, nextHandle, record)
    return 'done'
  }

  async #remove(stored: SessionRecord): Promise<Outcome> {
    const { handle } = this.#state
    await this.#move.undo()
    let outcome: Outcome
    let sent = 0
    try {
      outcome = await this.#writes.sendAnyway(() => {
        sent++
        return this.#records.remove(handle, stored.revision)
      })
    } catch (error) {
      this.#mayBeRemoved ||= !isRefusal(error)
      throw error
    }
    // A removal that is sent again finds nothing if the first try took place.
    const isGone = outcome === 'done' || (outcome === 'missing' && sent > 1)
    if (!isGone) return outcome
    this.#leave()
    await this.#context.observer?.destroyed?.(handle)
    return 'done'
  }

  // The emptied session is removed: what is set from now on begins another one.
  #leave(): void {
    this.#mayBeRemoved = false
    this.#state.leave()
    this.#cookie.clear()
  }

  // ---------------------------------------------------------------- what others did

  // Another request was faster: this is what it stored. True if that contains all that this commit wants stored.
  async #learn(bytes: Uint8Array): Promise<boolean> {
    const state = this.#state
    const theirs = open(bytes, state.handle)
    const move = this.#writes.findMove(theirs.header)
    if (move !== undefined) {
      const isDone = this.#writes.isCurrent(move)
      this.#move.finish()
      this.#settle(move.plan, move.snapshot)
      return isDone
    }
    const own = this.#writes.takeOwn(theirs.header)
    if (own !== undefined) {
      // It contains what was sent: only later changes of this request are left to merge.
      state.base = own.record
      this.#settle(own.plan, own.snapshot)
    }
    if (theirs.header.moved) return this.#moved(own !== undefined)
    const known = own?.record ?? state.stored
    state.stored = theirs
    if (own !== undefined && this.#context.replicas > 0) this.#writes.expectConfirmation()
    if (own === undefined && state.base !== undefined) {
      takeRollback(state, state.base.header, theirs, this.#log)
    }
    const { codec } = this.#context
    const { tag } = theirs.header
    if (!codec.isReady(tag)) await codec.load(tag)
    takeUp(state, theirs, known, codec)
    return own !== undefined && this.#writes.isCurrent(own)
  }

  async #moved(isAllSent: boolean): Promise<boolean> {
    const state = this.#state
    await this.#move.undo()
    if (state.draft.keep !== undefined) throw movedError(state.handle)
    this.#cookie.withdraw()
    state.stored = state.base
    // If the new id has what this request has sent, nothing is lost unless it has changed more since then.
    if (!isAllSent || planOf(state, false, this.#context, this.#budget).step !== 'nothing') {
      state.detach('moved')
    }
    return true
  }
}

// A later commit than the one that this request knows.
function isNewer(bytes: Uint8Array, { handle, stored }: SessionState): boolean {
  return open(bytes, handle).header.counter > (stored?.header.counter ?? 0)
}

function open(bytes: Uint8Array, handle: string): SessionRecord {
  try {
    return openRecord(bytes)
  } catch (error) {
    throw new UndecodableError(handle, (error as NotARecordError).message)
  }
}

function reportUntouched(log: Log, handle: string, error: unknown): void {
  const { code, name } = (error ?? {}) as NodeJS.ErrnoException
  const reason = code ?? name
  report(log, 'warn', { type: 'untouched', handle, reason }, `session ${handle} was not extended: ${reason}`)
}

export function movedError(handle: string): Error {
  return new ConflictError(handle, 'another request has just given it a new id')
}

/** The store has said that there is no record under this handle any more. */
export function vanish(state: SessionState, cookie: SessionCookie, log: Log, handle: string): void {
  state.detach('destroyed')
  cookie.withdraw()
  reportEnd(log, handle, 'while a request used it')
}
