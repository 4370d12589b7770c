// The records of sessions in a store: where they stand, how long, and what the answers of the store mean.
import { Buffer } from 'node:buffer'
import { ConflictError } from './errors.js'
import { expiresAt, type Lifetimes } from './expiry.js'
import {
  type Header,
  isMark,
  newNonce,
  revisionOf,
  type SessionRecord,
  touchOf,
  UnsealedRecord
} from './record.js'
import type { Outcome, Store } from './stores/store.js'

/** How often a session is to be destroyed that other requests change all the time. */
const MAX_TRIES = 100
const NO_REVISION = Buffer.alloc(0)

export interface RecordsOptions {
  prefix: string
  lifetimes: Lifetimes
  /** Seconds for which a mark stands where a session was that got a new id. */
  graceAfterRegenerate: number
}

/** Records by handle. */
export class Records {
  readonly #store: Store
  readonly #options: RecordsOptions

  constructor(store: Store, options: RecordsOptions) {
    this.#store = store
    this.#options = options
  }

  read(handle: string): Promise<Buffer | undefined> {
    return this.#store.read(this.#keyOf(handle))
  }

  /** @throws {ConflictError} where there is another record under this handle. */
  async create(handle: string, { bytes, header }: SessionRecord): Promise<void> {
    if (await this.#store.create(this.#keyOf(handle), bytes, this.#endOf(header))) return
    // A client that loses the answer may send the command again: what is there then is our own.
    const there = await this.read(handle)
    if (!there?.equals(bytes)) throw new ConflictError(handle, 'there is another record under its new id')
  }

  update(handle: string, revision: Buffer, { bytes, header }: SessionRecord): Promise<Outcome> {
    return this.#store.update(this.#keyOf(handle), revision, bytes, this.#endOf(header))
  }

  /** Stores only the header, of which a touch has changed no more than it may. */
  touch(handle: string, revision: Buffer, { bytes, header }: SessionRecord): Promise<Outcome> {
    const end = this.#endOf(header)
    return this.#store.touch(this.#keyOf(handle), revision, touchOf(bytes), end)
  }

  remove(handle: string, revision: Uint8Array): Promise<Outcome> {
    return this.#store.destroy(this.#keyOf(handle), revision)
  }

  /** Puts the mark in place of a record whose session went on under a new id. */
  async mark(handle: string, { header, revision }: SessionRecord): Promise<Outcome> {
    const { graceAfterRegenerate } = this.#options
    const now = Date.now()
    const mark = new UnsealedRecord('').seal({
      ...header,
      tag: 0,
      moved: true,
      counter: header.counter + 1,
      nonce: newNonce(),
      touchedAt: now,
      idleTimeout: graceAfterRegenerate
    })
    const end = now + graceAfterRegenerate * 1000
    return ours(mark, await this.#store.update(this.#keyOf(handle), revision, mark.bytes, end))
  }

  /**
   * Removes the record, whatever its revision is by now.
   * @returns `'done'` where none is left; `'moved'` where a mark says that the session went on under a new id, which
   * must not seem to have ended; `'busy'` where others changed it before each of many tries.
   */
  async destroy(handle: string, revision: Uint8Array = NO_REVISION): Promise<'done' | 'moved' | 'busy'> {
    let expected = revision
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const outcome = await this.remove(handle, expected)
      if (outcome === 'done' || outcome === 'missing') return 'done'
      if (isMark(outcome)) return 'moved'
      expected = revisionOf(outcome)
    }
    return 'busy'
  }

  #keyOf(handle: string): string {
    return this.#options.prefix + handle
  }

  #endOf(header: Header): number {
    return expiresAt(header, this.#options.lifetimes)
  }
}

/**
 * What has become of the write of this record. No two commits have one nonce, and touches at one instant are one: a
 * conflict with the very bytes that were to be written is no conflict.
 */
export function ours({ bytes }: SessionRecord, outcome: Outcome): Outcome {
  return outcome !== 'done' && outcome !== 'missing' && bytes.equals(outcome) ? 'done' : outcome
}
