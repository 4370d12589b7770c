// What a session store is. It deals in keys, bytes, revisions and instants, and knows nothing of sessions,
// cookies or serializers.
import type { Buffer } from 'node:buffer'
import type { Commit } from '../records/lineage.js'

/**
 * What a store knows of a record: where its revision stands (18 bytes), where a touch patches it (10 bytes), and how a
 * tombstone looks, whose session has another id now.
 */
export { FIRST_BYTE, isTombstone, REVISION, TOMBSTONE, TOUCH } from '../records/record.js'

/**
 * What became of a conditional write.
 * - `'done'`: the record had the expected revision, and the write took place.
 * - `'missing'`: there is no record, and nothing was written.
 * - bytes: the record as it is, since its revision is another than the expected one; nothing was written.
 */
export type Outcome = 'done' | 'missing' | Uint8Array

/** What a reader must be shown at least: the record of this commit, or `'latest'`, which no copy is known to be. */
export type AtLeast = Commit | 'latest'

export type Operation = 'read' | 'create' | 'update' | 'touch' | 'destroy' | 'end'

/**
 * Keeps records under keys until they expire. `test/contracts/store.ts` runs over every store.
 *
 * Each operation is atomic: no other operation on the same key, of any process, comes in between. A record
 * whose `expiresAt` has passed is missing, for every operation alike. `expiresAt` is in epoch milliseconds, and
 * one that has already passed keeps the record for an instant at most. A revision is the 18 bytes at
 * `REVISION.offset` of a record; it is compared for equality and has no order. A record too short to hold one is
 * never the expected one.
 *
 * What is missing is never an error. An error means that the store failed, and that the operation may or may not
 * have taken place. Every operation ends: a store that cannot reach what it stores in gives up by itself.
 *
 * The same write may come again with the same bytes, if the answer to the first one was lost. If the record is then there
 * byte for byte, `create` may answer true, `update` and `touch` may answer `'done'`.
 */
export interface Store {
  /**
   * The record, byte for byte; `undefined` if there is none. Nobody changes these bytes until the caller is done, nor
   * does the caller.
   * @param atLeast Concerns stores that answer from copies of records.
   */
  read(key: string, atLeast?: AtLeast): Promise<Buffer | undefined>
  /** Stores a record under a key that has none: true. If there is one: false, and nothing is written. */
  create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean>
  /** Replaces the record that has this revision, and its expiry. */
  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome>
  /** Overwrites the bytes at `TOUCH.offset` of the record that has this revision, and its expiry. */
  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome>
  /** Removes the record that has this revision. What is not there cannot come back: `'missing'` is success. */
  destroy(key: string, revision: Uint8Array): Promise<Outcome>
  /** Optional. Removes the record, whatever its revision, unless it is a tombstone, with which it answers. */
  end?(key: string): Promise<Outcome>
  /**
   * Optional. If an operation could not be sent now, a promise that resolves as soon as it can be; it rejects if that may
   * take long. It is awaited within the time of the request, and what is not sent by then never is.
   */
  ready?(operation: Operation): Promise<void> | undefined
}
