// The near cache: records in the memory of this process, in front of Redis, which reports every write. A record that was
// replaced or removed is served for at most `maxStale` after that write was answered. Commits compare revisions as ever.
import { Buffer } from 'node:buffer'
import type { Cluster, Redis } from 'ioredis'
import { LRUCache } from 'lru-cache'
import type { Log } from '../events.js'
import { expiresAt, type Lifetimes } from '../records/expiry.js'
import { type Commit, includes } from '../records/lineage.js'
import { openRecord } from '../records/record.js'
import type { RedisClient } from '../stores/redis.js'
import type { SessionIndex } from '../stores/session-index.js'
import type { Mark, Operation, Outcome, Store, WatchEnds } from '../stores/store.js'
import { ClusterTracking } from './cluster-tracking.js'
import { Entry } from './entry.js'
import { Tracking, type TrackingOptions } from './tracking.js'

/** What bounds the near cache. */
export interface NearCacheLimits {
  /** Seconds for which a record may be served after it was replaced or removed. */
  maxStale: number
  /** Bytes that all entries may take. */
  maxBytes: number
}

/** A store in Redis. */
export type RedisBacked = Required<Omit<Store, 'copyOf' | 'watch'>> & Pick<Store, 'watch'>

export interface NearCacheOptions extends NearCacheLimits {
  prefix: string
  lifetimes: Lifetimes
  log: Log
}

/** The store with a near cache in front of it; `undefined` if the client reads from replicas. */
export function openNearCache(
  store: RedisBacked,
  client: RedisClient,
  options: NearCacheOptions
): NearCacheStore | undefined {
  const { options: settings } = client as unknown as Redis | Cluster
  const { scaleReads = 'master' } = settings as { scaleReads?: unknown }
  if (scaleReads === 'master') return new NearCacheStore(store, client as unknown as Redis | Cluster, options)
  options.log.warn({}, "the near cache is off: replicas lag behind; set scaleReads: 'master' in the client")
  return undefined
}

export class NearCacheStore implements Store {
  readonly #inner: RedisBacked
  readonly #lifetimes: Lifetimes
  readonly #tracking: Tracking | ClusterTracking
  readonly #entries: LRUCache<string, Entry>
  /** The last read of each key that was sent, unless the key was written since: only its answer is kept. */
  readonly #fills = new Map<string, object>()

  /** @param client The client that `inner` reads through. */
  constructor(inner: RedisBacked, client: Redis | Cluster, options: NearCacheOptions) {
    const { lifetimes, maxBytes, maxStale } = options
    this.#inner = inner
    this.#lifetimes = lifetimes
    this.#entries = new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ size }) => size })
    const keyPrefix = String(client.options.keyPrefix ?? '')
    const tracking: TrackingOptions = { ...options, keyPrefix, maxStale: maxStale * 1_000 }
    const forget = (key: string | undefined) => this.#forget(key)
    this.#tracking = client.isCluster
      ? new ClusterTracking(client as Cluster, tracking, forget)
      : new Tracking(client as Redis, tracking, forget)
  }

  ready(operation: Operation): Promise<void> | undefined {
    return this.#inner.ready(operation)
  }

  copyOf(key: string, seen?: Commit): Entry | undefined {
    if (!this.#tracking.isLive) return undefined
    const entry = this.#entries.get(key)
    // Redis reports a record that has expired only when it comes across it.
    if (entry === undefined || expiresAt(entry.header, this.#lifetimes) <= Date.now()) return undefined
    return seen === undefined || includes(entry.header, seen) !== false ? entry : undefined
  }

  async read(key: string): Promise<Buffer | undefined> {
    if (!this.#tracking.isLive) return this.#inner.read(key)
    const fill = {}
    this.#fills.set(key, fill)
    try {
      const bytes = await this.#inner.read(key)
      if (bytes !== undefined && this.#fills.get(key) === fill) this.#keep(key, bytes)
      return bytes
    } finally {
      if (this.#fills.get(key) === fill) this.#fills.delete(key)
    }
  }

  create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean> {
    return this.#write(key, () => this.#inner.create(key, record, expiresAt))
  }

  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.#write(key, () => this.#inner.update(key, revision, record, expiresAt))
  }

  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.#write(key, () => this.#inner.touch(key, revision, patch, expiresAt))
  }

  destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return this.#write(key, () => this.#inner.destroy(key, revision))
  }

  end(key: string, mark?: Mark): Promise<Outcome> {
    return this.#write(key, () => this.#inner.end(key, mark))
  }

  openIndex(): Promise<SessionIndex> {
    return this.#inner.openIndex()
  }

  get watch(): WatchEnds | undefined {
    return this.#inner.watch
  }

  keys(prefix: string): AsyncIterable<readonly string[]> {
    return this.#inner.keys(prefix)
  }

  close(): void {
    this.#tracking.close()
  }

  // The invalidation may come after the answer, and reads that were sent before it may be answered after it.
  async #write<Result>(key: string, send: () => Promise<Result>): Promise<Result> {
    this.#forget(key)
    try {
      return await send()
    } finally {
      this.#forget(key)
    }
  }

  /** @param key `undefined`: all of them. */
  #forget(key: string | undefined): void {
    if (key === undefined) {
      this.#entries.clear()
      this.#fills.clear()
    } else {
      this.#entries.delete(key)
      this.#fills.delete(key)
    }
  }

  // A copy in memory of its own: what a client returns is a slice of all that it received together.
  #keep(key: string, bytes: Buffer): void {
    try {
      const { header } = openRecord(bytes)
      // Requests follow a tombstone only for a few seconds.
      if (header.moved) return
      const entry = new Entry(copyOf(bytes), header, () => this.#weighAgain(key, entry))
      this.#entries.set(key, entry)
    } catch {
      // It is no record of ours: it has no end to obey.
    }
  }

  // The LRU cache weighs only what is new to it.
  #weighAgain(key: string, entry: Entry): void {
    if (this.#entries.peek(key) !== entry) return
    this.#entries.delete(key)
    this.#entries.set(key, entry)
  }
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}
