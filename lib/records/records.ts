// The records of sessions in a store: their keys, their expiry, and the meaning of the store's answers.
import { Buffer } from 'node:buffer'
import { ConflictError, UncertainError } from '../errors.js'
import type { GuardedStore } from '../stores/guarded.js'
import type { Outcome } from '../stores/store.js'
import { type Lifetimes, remaining } from './expiry.js'
import type { Commit } from './lineage.js'
import {
  followed,
  type Header,
  isTombstone,
  revisionOf,
  type SessionRecord,
  touchOf,
  UnsealedRecord
} from './record.js'

/** Maximum tries to end a session that other requests keep changing. */
const MAX_TRIES = 100
/** Longer than a revision, so no record has it. */
const NO_REVISION = Buffer.alloc(19)

export interface RecordsOptions {
  prefix: string
  lifetimes: Lifetimes
  /** Seconds that a tombstone remains under the old id after `regenerate()`. */
  graceAfterRegenerate: number
}

/** Records by handle. */
export class Records {
  readonly #store: GuardedStore
  readonly #options: RecordsOptions
  /** Whether reads never use a copy. */
  fresh = false

  constructor(store: GuardedStore, options: RecordsOptions) {
    this.#store = store
    this.#options = options
  }

  /** @param seen A commit that the answer must not be older than. */
  read(handle: string, seen?: Commit): Promise<Buffer | undefined> {
    const key = this.#keyOf(handle)
    const copy = this.fresh ? undefined : this.#store.copyOf(key, seen)
    return copy === undefined ? this.#store.read(key) : Promise.resolve(copy)
  }

  /** @throws {ConflictError} FST_SESSION_CONFLICT if another record has this handle */
  async create(handle: string, record: SessionRecord): Promise<'done'> {
    const { bytes, header } = record
    if (await this.#store.create(this.#keyOf(handle), bytes, this.#endOf(header))) return 'done'
    // A write that was sent twice finds its own record.
    const there = await this.read(handle).catch(({ code, name }) => {
      throw new UncertainError('create', code ?? name)
    })
    if (!there?.equals(bytes)) throw new ConflictError(handle, 'another record has its new id')
    return 'done'
  }

  async update(handle: string, revision: Buffer, record: SessionRecord): Promise<Outcome> {
    const { bytes, header } = record
    return unlessOwn(
      record,
      await this.#store.update(this.#keyOf(handle), revision, bytes, this.#endOf(header))
    )
  }

  /** Writes only the part of the header that a touch changes. */
  async touch(handle: string, revision: Buffer, record: SessionRecord): Promise<Outcome> {
    const { bytes, header } = record
    const end = this.#endOf(header)
    return unlessOwn(record, await this.#store.touch(this.#keyOf(handle), revision, touchOf(bytes), end))
  }

  remove(handle: string, revision: Uint8Array): Promise<Outcome> {
    return this.#store.destroy(this.#keyOf(handle), revision)
  }

  /** The tombstone for a record whose session has moved to another handle. */
  tombstoneOf({ header }: SessionRecord, successor: string): SessionRecord {
    return new UnsealedRecord(Buffer.from(successor, 'base64url')).seal({
      ...followed(header),
      tag: 0,
      moved: true,
      touchedAt: Date.now(),
      idleTimeout: this.#options.graceAfterRegenerate
    })
  }

  /**
   * Ends the session, whatever its current revision.
   * @returns `'done'`; `'missing'` if there was no record; the bytes of the tombstone if the session lives on under a new id;
   * `'busy'` if other requests changed it before each of many tries.
   */
  async end(handle: string, revision: Uint8Array = NO_REVISION): Promise<'busy' | Outcome> {
    const key = this.#keyOf(handle)
    let expected = revision
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const outcome = await (this.#store.canEnd ? this.#store.end(key) : this.#store.destroy(key, expected))
      if (outcome === 'done' || outcome === 'missing') return outcome
      if (isTombstone(outcome)) return outcome
      expected = revisionOf(outcome)
    }
    return 'busy'
  }

  #keyOf(handle: string): string {
    return this.#options.prefix + handle
  }

  #endOf(header: Header): number {
    const now = Date.now()
    return now + remaining(header, this.#options.lifetimes, now)
  }
}

// A conflict with a record of the same bytes means that the write has succeeded before: no two commits are alike, and
// equal touches have the same effect.
function unlessOwn({ bytes }: SessionRecord, outcome: Outcome): Outcome {
  return outcome !== 'done' && outcome !== 'missing' && bytes.equals(outcome) ? 'done' : outcome
}
