// The records of sessions in a store: their keys, their expiry, and the meaning of the store's answers.
import { Buffer } from 'node:buffer'
import { ConflictError, UncertainError } from '../errors.js'
import type { GuardedStore } from '../stores/guarded.js'
import type { Mark, Outcome, Store } from '../stores/store.js'
import { type Lifetimes, remaining } from './expiry.js'
import type { Commit } from './lineage.js'
import {
  type Header,
  isTombstone,
  NotARecordError,
  revisionOf,
  type SessionRecord,
  touchOf,
  tryRecord
} from './record.js'
import type { SharedRecord } from './shared.js'
import { endedBecause, movedTo, reasonOf, watchedUntil } from './tombstone.js'

/** Maximum tries to end a session that other requests keep changing. */
const MAX_TRIES = 100
/** Longer than a revision, so no record has it. */
const NO_REVISION = Buffer.alloc(19)

export interface RecordsOptions {
  prefix: string
  lifetimes: Lifetimes
  /** Seconds that a tombstone remains under the old id after `regenerate()`. */
  graceAfterRegenerate: number
  /** How long an id that comes back after that counts as replayed. */
  onReplay: { window: number } | undefined
}

/** Records by handle. */
export class Records {
  readonly #store: GuardedStore
  readonly #options: RecordsOptions
  /** The reason with which the last session was ended that turned out to have ended. */
  endedBecause: string | undefined
  /** How many ids of this request led to no record at all. */
  unknownIds = 0

  constructor(store: GuardedStore, options: RecordsOptions) {
    this.#store = store
    this.#options = options
  }

  read(handle: string): Promise<Buffer | undefined> {
    return this.#store.read(this.#keyOf(handle))
  }

  /**
   * The record, if the store has it at hand.
   * @param seen A commit that it must not be older than.
   */
  copyOf(handle: string, seen: Commit | undefined): SharedRecord | undefined {
    return this.#store.copyOf(this.#keyOf(handle), seen)
  }

  /** @throws {ConflictError} FST_SESSION_CONFLICT if another record has this handle */
  async create(handle: string, record: SessionRecord): Promise<'done'> {
    const { bytes, header } = record
    if (await this.#store.create(this.#keyOf(handle), bytes, this.#endOf(header))) return 'done'
    // A write that was sent twice finds its own record.
    const there = await this.read(handle).catch(({ code, name }) => {
      throw new UncertainError('create', code ?? name)
    })
    if (there?.equals(bytes)) return 'done'
    const isEnded = there !== undefined && this.#unlessEnded(there) === 'missing'
    throw new ConflictError(handle, isEnded ? 'it was ended while it began' : 'another record has its new id')
  }

  async update(handle: string, revision: Buffer, record: SessionRecord): Promise<Outcome> {
    const { bytes, header } = record
    const outcome = await this.#store.update(this.#keyOf(handle), revision, bytes, this.#endOf(header))
    return unlessOwn(record, this.#unlessEnded(outcome))
  }

  /** Writes only the part of the header that a touch changes. */
  async touch(handle: string, revision: Buffer, record: SessionRecord): Promise<Outcome> {
    const { bytes, header } = record
    const end = this.#endOf(header)
    const outcome = await this.#store.touch(this.#keyOf(handle), revision, touchOf(bytes), end)
    return unlessOwn(record, this.#unlessEnded(outcome))
  }

  async remove(handle: string, revision: Uint8Array): Promise<Outcome> {
    return this.#unlessEnded(await this.#store.destroy(this.#keyOf(handle), revision))
  }

  /** Whether the session is under this handle no more, for certain: replicas have its tombstone, if writes wait for them. */
  async confirmMoved(handle: string): Promise<boolean> {
    const outcome = await this.#store.destroy(this.#keyOf(handle), NO_REVISION)
    return outcome === 'missing' || isTombstone(outcome as Uint8Array)
  }

  /** The tombstone for a record whose session has moved to another handle. */
  tombstoneOf({ header }: SessionRecord, successor: string, keepsData: boolean): SessionRecord {
    const { graceAfterRegenerate, onReplay } = this.#options
    return movedTo(successor, keepsData, header, graceAfterRegenerate, onReplay?.window)
  }

  /** The mark of a session that ends with this reason. */
  markOf(reason: string): Mark {
    const { bytes, header } = endedBecause(reason, this.#options.graceAfterRegenerate)
    return { record: bytes, expiresAt: this.#endOf(header) }
  }

  /**
   * Ends the session, whatever its current revision.
   * @param reason What later requests with this id are told.
   * @returns `'done'`; `'missing'` if there was no record; the bytes of the tombstone if the session lives on under a new id;
   * `'busy'` if other requests changed it before each of many tries.
   */
  async end(handle: string, revision: Uint8Array = NO_REVISION, reason?: string): Promise<'busy' | Outcome> {
    const key = this.#keyOf(handle)
    const mark = reason === undefined ? undefined : this.markOf(reason)
    let expected = revision
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const outcome = this.#unlessEnded(await this.#endOnce(key, expected, mark))
      if (outcome === 'done' || outcome === 'missing') return outcome
      if (isTombstone(outcome)) return outcome
      expected = revisionOf(outcome)
    }
    return 'busy'
  }

  /**
   * Ends these sessions together, and leaves marks, so that no write under way stores one of them again. The store must
   * have `end`.
   * @param markFor How many milliseconds the marks remain.
   * @returns For each handle `'done'`; `'missing'` if there was no record; the tombstone of a session that has moved.
   */
  async endFinally(handles: readonly string[], markFor: number, reason = ''): Promise<Outcome[]> {
    const mark: Mark = { ...this.markOf(reason), expiresAt: Date.now() + markFor, always: true }
    const outcomes = await this.#store.perform('end', (store) =>
      Promise.all(handles.map((handle) => (store as Required<Store>).end(this.#keyOf(handle), mark)))
    )
    return outcomes.map((outcome) => this.#unlessEnded(outcome))
  }

  #endOnce(key: string, revision: Uint8Array, mark: Mark | undefined): Promise<Outcome> {
    if (this.#store.canEnd) return this.#store.end(key, mark)
    if (mark === undefined) return this.#store.destroy(key, revision)
    return this.#store.update(key, revision, mark.record, mark.expiresAt)
  }

  // Of a session that has ended, only the reason is left.
  #unlessEnded(outcome: Outcome): Outcome {
    if (!(outcome instanceof Uint8Array)) return outcome
    const record = tryRecord(outcome)
    const reason = record instanceof NotARecordError ? undefined : reasonOf(record)
    if (reason === undefined) return outcome
    this.endedBecause = reason || undefined
    return 'missing'
  }

  #keyOf(handle: string): string {
    return this.#options.prefix + handle
  }

  #endOf(header: Header): number {
    const now = Date.now()
    return watchedUntil(header) ?? now + remaining(header, this.#options.lifetimes, now)
  }
}

// A conflict with a record of the same bytes means that the write has succeeded before: no two commits are alike, and
// equal touches have the same effect.
function unlessOwn({ bytes }: SessionRecord, outcome: Outcome): Outcome {
  return outcome !== 'done' && outcome !== 'missing' && bytes.equals(outcome) ? 'done' : outcome
}
