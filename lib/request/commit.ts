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
import { rebaseOn, resolveRollback } from './conflict.js'
import { Move } from './move.js'
import type { SessionObserver } from './observer.js'
import { type Plan, type PlanContext, planOf, rebaseDraft } from './plan.js'
import type { CommitQueue } from './queue.js'
import { nextHeader, type SealContext, seal } from './seal.js'
import type { SessionState } from './state.js'
import { Writes } from './writes.js'

/** A commit gives up after this many tries. */
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
  /** What all merges of the request may cost together. */
  readonly #budget: Budget
  /** The emptied session may be removed already: the answer to its removal was lost. */
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

  /** A write of this request is stored, but its replicas have not confirmed it. */
  get isUnconfirmed(): boolean {
    return this.#writes.isUnconfirmed
  }

  /** The handle of a new record that may have replaced the old one. */
  get pending(): string | undefined {
    return this.#move.pending
  }

  /** Carries out this plan. If the session changes meanwhile, plans again. */
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
      // Determined before the cleanup, which may fail as well.
      const failure = this.#writes.errorOf(error)
      await this.#move.giveUp(this.#cookie)
      if (plan.step === 'touch') reportUntouched(this.#log, this.#state.handle, error)
      else throw failure
    }
  }

  // Starts from the record that the previous commit of this process stored, and passes its own on to the next one.
  async #changeInTurn(planned: Plan, mayTouch: boolean): Promise<void> {
    const state = this.#state
    const { handle } = state
    const lease = this.#context.queue.acquire(handle)
    let plan: Plan | undefined = planned
    let record: Buffer | undefined
    try {
      if (lease.previous !== undefined) {
        const previous = await this.#store.wait(lease.previous)
        if (previous !== undefined && isNewer(previous, state)) await this.#resolve(previous)
        // The session may have changed meanwhile.
        plan = undefined
      }
      while (this.#tries < MAX_TRIES && state.detached === undefined) {
        const outcome = await this.#try(plan, mayTouch)
        plan = undefined
        if (outcome === 'missing' && !this.#mayBeRemoved) {
          this.#writes.settle()
          return markDestroyed(state, this.#cookie, this.#log, handle)
        }
        if (outcome === 'missing') this.#finishRemoval()
        // After a conflict it tries again at once: during a wait the record would become outdated.
        else if (outcome === 'done' || (await this.#resolve(outcome))) {
          if (state.stored !== undefined && state.handle === handle) record = state.stored.bytes
          return
        }
      }
    } finally {
      lease.release(record)
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

  // Brings the draft up to date with a plan that is stored.
  #settle(plan: Plan, snapshot: Snapshot): void {
    rebaseDraft(this.#state, snapshot, plan, this.#context)
    this.#state.draft.settle(snapshot)
  }

  // ---------------------------------------------------------------- one try

  async #attempt(plan: Plan, snapshot: Snapshot, mayTouch: boolean): Promise<Outcome> {
    const state = this.#state
    const { handle, stored } = state
    const { observer } = this.#context
    let { step } = plan
    // A touch is a write: replicas that confirm it have every earlier write too.
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
    // A record that cannot be decoded is not overwritten: the new session gets another id.
    if (state.detached === 'undecodable' && state.nextId === state.id) state.renew()
    const { nextId, nextHandle } = state
    const header = newHeader(plan.permanent, lifetimes, Date.now())
    const record = seal(plan, header, state, this.#context, this.#log)
    try {
      await observer?.created?.(nextHandle, record)
      await this.#writes.sendUntracked(() => this.#records.create(nextHandle, record))
    } catch (error) {
      // The record may be stored nevertheless, so another try needs another id.
      state.dropId()
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
      outcome = await this.#writes.sendUntracked(() => {
        sent++
        return this.#records.remove(handle, stored.revision)
      })
    } catch (error) {
      this.#mayBeRemoved ||= !isRefusal(error)
      throw error
    }
    // A repeated removal finds nothing if an earlier try took place.
    const isGone = outcome === 'done' || (outcome === 'missing' && sent > 1)
    if (!isGone) return outcome
    this.#finishRemoval()
    await this.#context.observer?.destroyed?.(handle)
    return 'done'
  }

  // The emptied session is removed. What is set from now on begins another one.
  #finishRemoval(): void {
    this.#mayBeRemoved = false
    this.#state.dropId()
    this.#cookie.clear()
  }

  // ---------------------------------------------------------------- conflicts

  // Resolves a conflict with the record that is stored now. True if that already contains all that this commit has to
  // store.
  async #resolve(bytes: Uint8Array): Promise<boolean> {
    const state = this.#state
    const theirs = open(bytes, state.handle)
    const tombstone = this.#writes.findTombstone(theirs.header)
    if (tombstone !== undefined) {
      const isDone = this.#writes.isCurrent(tombstone)
      this.#move.finish()
      this.#settle(tombstone.plan, tombstone.snapshot)
      return isDone
    }
    const own = this.#writes.takeOwn(theirs.header)
    if (own !== undefined) {
      // The record includes this write, so only later changes of this request remain to be merged.
      state.base = own.record
      this.#settle(own.plan, own.snapshot)
    }
    if (theirs.header.moved) return this.#resolveMoved(own !== undefined)
    const known = own?.record ?? state.stored
    state.stored = theirs
    if (own !== undefined && this.#context.replicas > 0) this.#writes.expectConfirmation()
    if (own === undefined && state.base !== undefined) {
      resolveRollback(state, state.base.header, theirs, this.#log)
    }
    const { codec } = this.#context
    const { tag } = theirs.header
    if (!codec.isReady(tag)) await codec.load(tag)
    rebaseOn(state, theirs, known, codec)
    return own !== undefined && this.#writes.isCurrent(own)
  }

  async #resolveMoved(isWritten: boolean): Promise<boolean> {
    const state = this.#state
    await this.#move.undo()
    if (state.draft.keep !== undefined) throw movedError(state.handle)
    this.#cookie.withdraw()
    state.stored = state.base
    // If the session moved after this request's write, the new id has that write. Only later changes would be lost.
    if (!isWritten || planOf(state, false, this.#context, this.#budget).step !== 'nothing') {
      state.detach('moved')
    }
    return true
  }
}

// Whether this record is a later commit than the one that this request knows.
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
  report(
    log,
    'warn',
    { type: 'untouched', handle, reason },
    `session ${handle} was not extended: ${reason}; a later request tries again`
  )
}

export function movedError(handle: string): Error {
  return new ConflictError(handle, 'another request has just given it a new id')
}

/** Ends the session in this request: the store has no record under this handle any more. */
export function markDestroyed(state: SessionState, cookie: SessionCookie, log: Log, handle: string): void {
  state.detach('destroyed')
  cookie.withdraw()
  reportEnd(log, handle, 'while a request used it')
}
