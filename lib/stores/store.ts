// The interface of a store. It deals in keys, bytes, revisions and instants, and knows nothing about sessions, cookies
// or serializers.
import type { Buffer } from 'node:buffer'
import type { Commit } from '../records/lineage.js'
import type { SharedRecord } from '../records/shared.js'
import type { SessionIndex } from './session-index.js'

/**
 * What a store knows about the bytes of a record: where its revision is (18 bytes), where a touch patches it (10
 * bytes), and how to recognise a tombstone. A session leaves a tombstone when it moves to a new id.
 */
export { FIRST_BYTE, isShorter, isTombstone, REVISION, TOMBSTONE, TOUCH } from '../records/record.js'

/**
 * The outcome of a conditional write.
 * - `'done'`: the record had the expected revision and was written.
 * - `'missing'`: there is no record. Nothing was written.
 * - bytes: the current record, because it has another revision. Nothing was written.
 */
export type Outcome = 'done' | 'missing' | Uint8Array

/** The tombstone of a session that has ended. */
export interface Mark {
  record: Uint8Array
  expiresAt: number
  /** Whether it is also left if there is no record, so that none can be created. */
  always?: boolean
}

/** Follows what ends in a store, and what may end sooner. */
export interface EndListener {
  /** This record was removed, a tombstone is in its place, or an update has given it a shorter idle timeout. */
  ended(key: string): void
  /** Some ends may have gone unreported until now. */
  missed(): void
  /** The store cannot report ends; it tries again. */
  failed(error: Error): void
}

/** Reports of what ends in a store. */
export interface EndReports {
  /** Whether all that ends now is reported. */
  readonly isLive: boolean
  close(): void
}

export type WatchEnds = (listener: EndListener, timeout: number) => Promise<EndReports>

/** The operations of a store. The last four are those of its index. */
export type Operation =
  | ('read' | 'create' | 'update' | 'touch' | 'destroy' | 'end')
  | ('enter' | 'list' | 'leave' | 'revoke')

/**
 * Keeps records under keys until they expire. `storeContract` of `fastify-ioredis-session/contracts` tests it.
 *
 * - Each operation is atomic, among all processes.
 * - `expiresAt` is in epoch milliseconds. Once it has passed, the record is missing for every operation. If it has
 *   passed before the write, the record may still exist for an instant.
 * - A revision is the 18 bytes at `REVISION.offset` of a record. It is compared only for equality. A record too short
 *   to hold a revision never matches.
 * - A missing record is not an error. An error means that the store failed and that a write may or may not have
 *   happened. Throw one with `statusCode` 503 if the client may retry.
 * - Every operation settles. A store that cannot reach its database must give up without help.
 * - The plugin may repeat a write with the same bytes if an answer was lost. If the store then holds these bytes
 *   already, `create` may return true, `update` and `touch` may return `'done'`.
 */
export interface Store {
  /** Returns the record; `undefined` if there is none. The store must not change these bytes later. */
  read(key: string): Promise<Buffer | undefined>
  /** Stores a record if the key has none, and returns true. Otherwise returns false and writes nothing. */
  create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean>
  /** Replaces the record and its expiry if it has this revision. */
  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome>
  /** Overwrites the bytes at `TOUCH.offset` and sets the expiry if the record has this revision. */
  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome>
  /** Removes the record if it has this revision. `'missing'` counts as success. */
  destroy(key: string, revision: Uint8Array): Promise<Outcome>
  /**
   * Optional. Removes the record whatever its revision, or puts the mark in its place. If it is a tombstone, returns it
   * instead.
   */
  end?(key: string, mark?: Mark): Promise<Outcome>
  /** Optional, for the option `user`. The index of this store. Every call leads to the same sets. */
  openIndex?(): Promise<SessionIndex>
  /**
   * Optional, for `sessions.all()`. The keys that begin with this prefix, page by page. Each key that is there from the
   * beginning to the end comes at least once.
   */
  keys?(prefix: string): AsyncIterable<readonly string[]>
  /**
   * Optional, for the option `signals`. Reports the records that this or another process ends.
   * @param timeout Milliseconds after which a connection that does not answer counts as lost.
   */
  readonly watch?: WatchEnds | undefined
  /**
   * Optional. Returns a living record that is recent enough to be used instead of `read`, if the store has one at hand.
   * @param seen A commit that the reader has seen: the record must not be older.
   */
  copyOf?(key: string, seen: Commit | undefined): SharedRecord | undefined
  /**
   * Optional. Returns `undefined` if the operation can be sent now. Otherwise, returns a promise that resolves when it
   * can, and rejects if that may take long. If the request's timeout passes first, the plugin never sends the
   * operation.
   */
  ready?(operation: Operation): Promise<void> | undefined
}
