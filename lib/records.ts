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
  sealRecord,
  touchOf
} from './record.js'
import type { Outcome, Store } from './stores/store.js'

/** How often a session is to be destroyed that other requests change all the time. */
const MAX_TRIES = 100
const NO_REVISION = Buffer.alloc(0)

export interface RecordsOptions {
  store: Store
  prefix: string
  lifetimes: Lifetimes
  /** Seconds for which a mark stands where a session was that got a new id. */
  graceAfterRegenerate: number
}

/** Records by handle. */
export class Records {
  readonly #store: Store
  readonly #prefix: string
  readonly #lifetimes: Lifetimes
  readonly #grace: number

  constructor({ prefix, lifetimes, graceAfterRegenerate }: RecordsOptions, store: Store) {
    this.#store = store
    this.#prefix = prefix
    this.#lifetimes = lifetimes
    this.#grace = graceAfterRegenerate
  }

  read(handle: string): Promise<Buffer | undefined> {
    return this.#store.read(this.#prefix + handle)
  }

  /** @throws {ConflictError} where there is another record under this handle. */
  async create(handle: string, record: Buffer, header: Header): Promise<void> {
    if (await this.#store.create(this.#prefix + handle, record, this.#expiry(header))) return
    // A client that loses the answer may send the command again: what is there then is our own.
    const there = await this.read(handle)
    if (!there?.equals(record)) throw new ConflictError(handle, 'there is another record under its new id')
  }

  async update(handle: string, revision: Buffer, record: Buffer, header: Header): Promise<Outcome> {
    return ours(
      record,
      await this.#store.update(this.#prefix + handle, revision, record, this.#expiry(header))
    )
  }

  /** Stores only the header, of which a touch has changed no more than it may. */
  async touch(handle: string, revision: Buffer, record: Buffer, header: Header): Promise<Outcome> {
    const patch = touchOf(record)
    return ours(record, await this.#store.touch(this.#prefix + handle, revision, patch, this.#expiry(header)))
  }

  remove(handle: string, revision: Uint8Array): Promise<Outcome> {
    return this.#store.destroy(this.#prefix + handle, revision)
  }

  /** Puts the mark in place of a record whose session went on under a new id. */
  async mark(handle: string, { header, revision }: SessionRecord): Promise<Outcome> {
    const now = Date.now()
    const counter = header.counter + 1
    const mark = sealRecord(
      {
        ...header,
        tag: 0,
        moved: true,
        counter,
        nonce: newNonce(),
        touchedAt: now,
        idleTimeout: this.#grace
      },
      Buffer.alloc(0)
    )
    return ours(
      mark,
      await this.#store.update(this.#prefix + handle, revision, mark, now + this.#grace * 1000)
    )
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

  #expiry(header: Header): number {
    return expiresAt(header, this.#lifetimes)
  }
}

// No two commits have one nonce, and touches at one instant are one: a conflict with the very bytes that were to be
// written is no conflict.
function ours(record: Buffer, outcome: Outcome): Outcome {
  return outcome !== 'done' && outcome !== 'missing' && record.equals(outcome) ? 'done' : outcome
}
