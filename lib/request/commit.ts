// Carries out the plan of a request: attempt, conflict, plan again.
import type { Buffer } from 'node:buffer'
import { now } from '../clock.js'
import type { SessionCookie } from '../cookies/session-cookie.js'
import type { Budget } from '../data/equal.js'
import { ConflictError, HeadersSentError, isRefusal, UndecodableError } from '../errors.js'
import { announce, type Log, report, reportEnd, startTimer } from '../events.js'
import { newHeader } from '../records/expiry.js'
import { type NotARecordError, openRecord, type SessionRecord } from '../records/record.js'
import type { Snapshot } from '../session/draft.js'
import type { Outcome } from '../stores/store.js'
import { movedError, rebaseOn, resolveRollback } from './conflict.js'
import { endRevoked, refuseLogin } from './end.js'
import { Move } from './move.js'
import { RevokedError } from './observer.js'
import type { RequestParts } from './parts.js'
import { type Plan, planOf, rebaseDraft } from './plan.js'
import { nextHeader, seal } from './seal.js'
import type { SessionState } from './state.js'
import { Writes } from './writes.js'

/** A commit gives up after this many tries. */
const MAX_TRIES = 200

/** The commits of one request. */
export class Committer {
  readonly #parts: RequestParts
  readonly #writes = new Writes()
  readonly #move: Move
  #mergeBudget: Budget | undefined
  /** The emptied session may be removed already: the answer to its removal was lost. */
  #mayBeRemoved = false
  /** A failure leaves nothing unsaved. */
  #isOnlyTouch = false
  #tries = 0

  constructor(parts: RequestParts) {
    this.#parts = parts
    this.#move = new Move(parts, this.#writes)
  }

  /** It is unknown whether an earlier write of this request is stored, or whether replicas have it. */
  get isUnsettled(): boolean {
    return this.#mayBeRemoved || this.#writes.isUnsettled
  }

  /** The handle of a new record that may have replaced the old one. */
  get pending(): string | undefined {
    return this.#move.pending
  }

  /** What all merges of the request may cost together. */
  get #budget(): Budget {
    this.#mergeBudget ??= this.#parts.context.codec.newBudget()
    return this.#mergeBudget
  }

  /** Carries out this plan. If the session changes meanwhile, plans again. */
  async commit(plan: Plan, mayTouch: boolean): Promise<void> {
    const { cookie, log, state } = this.#parts
    const { step } = plan
    const { handle } = state
    const startedAt = startTimer()
    this.#tries = 0
    this.#isOnlyTouch = step === 'touch'
    this.#writes.begin()
    try {
      await this.#tryUntilDone(plan, mayTouch)
    } catch (error) {
      if (error instanceof RevokedError) {
        await this.#move.undo()
        return endRevoked(this.#parts)
      }
      // Determined before the cleanup, which may fail as well.
      const failure = error instanceof HeadersSentError ? error : this.#writes.errorOf(error)
      const isUnsaved = !this.#isOnlyTouch || this.isUnsettled
      await this.#move.giveUp(cookie)
      if (isUnsaved) throw failure
      reportUntouched(log, state.handle, error)
    }
    if (startedAt === undefined) return
    const ended = step === 'remove' ? handle : state.handle
    announce({ type: 'commit', handle: ended, step, tries: this.#tries, ms: now() - startedAt })
  }

  async #tryUntilDone(planned: Plan, mayTouch: boolean): Promise<void> {
    const { context, cookie, log, state, store } = this.#parts
    const { handle } = state
    // No other request knows a new session.
    const lease = planned.step === 'create' ? undefined : context.queue.join(handle)
    let plan: Plan | undefined = planned
    let record: Buffer | undefined
    try {
      // Starts from the record that the previous commit of this process stored.
      if (lease?.previous !== undefined) {
        const previous = await store.wait(lease.previous)
        if (previous !== undefined && isNewer(previous, state)) await this.#resolve(previous)
        // The session may have changed meanwhile.
        plan = undefined
      }
      while (this.#tries++ < MAX_TRIES && (plan?.step === 'create' || state.detached === undefined)) {
        const snapshot = state.draft.snapshot()
        const current: Plan = plan ?? planOf(state, mayTouch, context, this.#budget)
        plan = undefined
        // After a conflict, the stored record may have all that this request has changed.
        this.#isOnlyTouch = current.step === 'touch'
        const outcome = await this.#attempt(current, snapshot, mayTouch)
        this.#isOnlyTouch = planned.step === 'touch'
        // The record exists, with another revision than the removal expected.
        if (outcome !== 'missing') this.#mayBeRemoved = false
        if (outcome === 'missing' && !this.#mayBeRemoved) {
          this.#writes.settle()
          markDestroyed(state, cookie, log, handle)
          if (current.step === 'move') refuseLogin(state, handle)
          return
        }
        if (outcome === 'missing') await this.#finishRemoval(handle, undefined)
        else {
          // After a conflict it tries again at once: during a wait the record would become outdated.
          if (outcome === 'done') this.#settle(current, snapshot)
          else if (!(await this.#resolve(outcome))) continue
          if (state.stored !== undefined && state.handle === handle) record = state.stored.bytes
          return
        }
      }
    } finally {
      lease?.release(record)
    }
    if (state.detached === undefined) {
      throw new ConflictError(handle, `other requests changed it before each of ${MAX_TRIES} tries to commit`)
    }
  }

  // Brings the draft up to date with a plan that is stored.
  #settle(plan: Plan, snapshot: Snapshot): void {
    const { context, state } = this.#parts
    rebaseDraft(state, snapshot, plan, context)
    state.draft.stopTracing()
    state.draft.settle(snapshot)
  }

  // ---------------------------------------------------------------- one try

  async #attempt(plan: Plan, snapshot: Snapshot, mayTouch: boolean): Promise<Outcome> {
    const { context, cookie, log, records, state } = this.#parts
    const { handle, stored } = state
    let { step } = plan
    // A touch finds out what is stored. Replicas that confirm it have every earlier write too.
    if (step === 'nothing' && this.isUnsettled) step = 'touch'
    const isNewId = step === 'create' || step === 'move'
    if (isNewId && !cookie.isOpen) throw new HeadersSentError()
    if (isNewId || step === 'remove') cookie.prepare()
    if (step === 'create') return this.#create(plan)
    if (stored === undefined || step === 'nothing') {
      state.base = stored
      return 'done'
    }
    if (step === 'remove') return this.#remove(stored)
    const header = nextHeader(plan, stored.header, state.draft, mayTouch, context.lifetimes)
    const record = seal(plan, header, state, context, log)
    const write = { record, plan, snapshot }
    if (step === 'move') return this.#move.attempt(stored, write)
    const { observer } = context
    if (observer !== undefined) await observer.updated?.(handle, record, stored, this.#parts)
    const outcome =
      step === 'touch'
        ? await records.touch(handle, stored.revision, record)
        : await this.#writes.send(() => records.update(handle, stored.revision, record), write)
    if (outcome === 'done') {
      state.base = state.stored = record
      this.#writes.confirm()
      if (observer !== undefined) await observer.replaced?.(handle, record, stored, this.#parts)
    }
    return outcome
  }

  async #create(plan: Plan): Promise<'done'> {
    const { context, log, records, state } = this.#parts
    // A record that cannot be decoded is not overwritten: the new session gets another id.
    if (state.detached === 'undecodable' && state.nextId === state.id) state.renew()
    const { nextId, nextHandle } = state
    const header = newHeader(plan.duration, context.lifetimes, Date.now())
    const record = seal(plan, header, state, context, log)
    try {
      await context.observer?.created?.(nextHandle, record, this.#parts)
      await this.#writes.sendNew(() => records.create(nextHandle, record))
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
    const { records, state } = this.#parts
    const { handle } = state
    await this.#move.undo()
    let outcome: Outcome
    let sent = 0
    try {
      outcome = await this.#writes.sendUntracked(() => {
        sent++
        return records.remove(handle, stored.revision)
      })
    } catch (error) {
      this.#mayBeRemoved ||= !isRefusal(error)
      throw error
    }
    // A repeated removal finds nothing if an earlier try took place.
    const isGone = outcome === 'done' || (outcome === 'missing' && sent > 1)
    if (!isGone) return outcome
    await this.#finishRemoval(handle, stored)
    return 'done'
  }

  // The emptied session is removed. What is set from now on begins another one.
  async #finishRemoval(handle: string, removed: SessionRecord | undefined): Promise<void> {
    const { context, cookie, state } = this.#parts
    this.#mayBeRemoved = false
    this.#writes.settle()
    state.dropId()
    cookie.clear()
    await context.observer?.destroyed?.(handle, removed, this.#parts)
  }

  // ---------------------------------------------------------------- conflicts

  // Resolves a conflict with the record that is stored now. True if that already contains all that this commit has to
  // store.
  async #resolve(bytes: Uint8Array): Promise<boolean> {
    const { context, log, state } = this.#parts
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
    if (own !== undefined && context.replicas > 0) this.#writes.expectConfirmation()
    const { codec } = context
    if (own === undefined && state.base !== undefined) {
      resolveRollback(state, state.base.header, theirs, codec, log)
    }
    const { tag } = theirs.header
    if (!codec.isReady(tag)) await codec.load(tag)
    rebaseOn(state, theirs, known, codec)
    return own !== undefined && this.#writes.isCurrent(own)
  }

  async #resolveMoved(isWritten: boolean): Promise<boolean> {
    const { context, cookie, state } = this.#parts
    await this.#move.undo()
    if (state.draft.keep !== undefined) throw movedError(state.handle)
    cookie.withdraw()
    state.stored = state.base
    // If the session moved after this request's write, the new id has that write. Only later changes would be lost.
    if (!isWritten || planOf(state, false, context, this.#budget).step !== 'nothing') {
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

/** Ends the session in this request: the store has no record under this handle any more. */
export function markDestroyed(state: SessionState, cookie: SessionCookie, log: Log, handle: string): void {
  state.detach('destroyed')
  cookie.withdraw()
  reportEnd(log, handle, 'while a request used it')
}
