// The records of sessions in a store: where they stand, how long, and what the answers of the store mean.
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

/** How often the end of a session is tried that other requests change all the time. */
const MAX_TRIES = 100
/** No record has it: it is longer than a revision. */
const NO_REVISION = Buffer.alloc(19)

export interface RecordsOptions {
  prefix: string
  lifetimes: Lifetimes
  /** Seconds for which a tombstone remains under the old id of a session that got a new one. */
  graceAfterRegenerate: number
}

/** Records by handle. */
export class Records {
  readonly #store: GuardedStore
  readonly #options: RecordsOptions
  /** Reads ask the store itself: no copy of a record will do. */
  fresh = false

  constructor(store: GuardedStore, options: RecordsOptions) {
    this.#store = store
    this.#options = options
  }

  /** @param seen A commit that the answer must not be older than. */
  read(handle: string, seen?: Commit): Promise<Buffer | undefined> {
    return this.#store.read(this.#keyOf(handle), this.fresh ? 'latest' : seen)
  }

  /** @throws {ConflictError} FST_SESSION_CONFLICT if there is another record under this handle. */
  async create(handle: string, record: SessionRecord): Promise<'done'> {
    const { bytes, header } = record
    if (await this.#store.create(this.#keyOf(handle), bytes, this.#endOf(header))) return 'done'
    // A write that is sent again meets its own record.
    const there = await this.read(handle).catch(({ code, name }) => {
      throw new UncertainError('create', code ?? name)
    })
    if (!there?.equals(bytes)) throw new ConflictError(handle, 'there is another record under its new id')
    return 'done'
  }

  async update(handle: string, revision: Buffer, record: SessionRecord): Promise<Outcome> {
    const { bytes, header } = record
    return unlessOwn(
      record,
      await this.#store.update(this.#keyOf(handle), revision, bytes, this.#endOf(header))
    )
  }

  /** Stores only the part of the header that a touch changes. */
  async touch(handle: string, revision: Buffer, record: SessionRecord): Promise<Outcome> {
    const { bytes, header } = record
    const end = this.#endOf(header)
    return unlessOwn(record, await this.#store.touch(this.#keyOf(handle), revision, touchOf(bytes), end))
  }

  remove(handle: string, revision: Uint8Array): Promise<Outcome> {
    return this.#store.destroy(this.#keyOf(handle), revision)
  }

  /** The tombstone that takes the place of a record whose session goes on under another handle. */
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
   * Ends the session, whatever its revision is by now.
   * @returns `'done'` if no record is left; `'moved'` if a tombstone says that the session went on under a new id, which
   * must not seem to have ended; `'busy'` if others changed it before each of many tries.
   */
  async end(handle: string, revision: Uint8Array = NO_REVISION): Promise<'done' | 'moved' | 'busy'> {
    const key = this.#keyOf(handle)
    let expected = revision
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const outcome = await (this.#store.canEnd ? this.#store.end(key) : this.#store.destroy(key, expected))
      if (outcome === 'done' || outcome === 'missing') return 'done'
      if (isTombstone(outcome)) return 'moved'
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

// A conflict with the very bytes that were to be written is none: no two commits look alike, and equal touches are one.
function unlessOwn({ bytes }: SessionRecord, outcome: Outcome): Outcome {
  return outcome !== 'done' && outcome !== 'missing' && bytes.equals(outcome) ? 'done' : outcome
}
