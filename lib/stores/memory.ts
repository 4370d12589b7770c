// Sessions in the memory of this process, for development and tests.
import { Buffer } from 'node:buffer'
import { LRUCache } from 'lru-cache'
import { OptionError, UnavailableError } from '../errors.js'
import type { MemoryIndex } from './memory-index.js'
import type { SessionIndex } from './session-index.js'
import {
  type EndListener,
  type EndReports,
  isShorter,
  isTombstone,
  type Mark,
  type Outcome,
  REVISION,
  type Store,
  TOUCH
} from './store.js'

export interface MemoryStoreOptions {
  /**
   * Maximum number of sessions, up to 16,777,216.
   * @default 100_000
   */
  maxEntries?: number
  /**
   * Maximum size of all records together, in bytes.
   * @default 67_108_864 (64 MiB)
   */
  maxBytes?: number
}

const PURGE_EVERY = 60_000
/** The maximum size of a Map. */
const MAX_ENTRIES = 2 ** 24

/**
 * Keeps sessions in the memory of this process, for development and tests. They end with the process, and no other
 * process sees them. Beyond either limit the store drops the least recently used session, and warns once per store.
 * @example
 * const store = new MemoryStore()
 * await app.register(redisSession, { store })
 * app.addHook('onClose', () => store.close())
 */
export class MemoryStore implements Store {
  // Uint8Arrays, because a small Buffer would keep alive the pool that it shares with others.
  readonly #records: LRUCache<string, Uint8Array>
  readonly #maxEntries: number
  readonly #purge: NodeJS.Timeout
  readonly #listeners = new Set<EndListener>()
  #opening: Promise<SessionIndex> | undefined
  #index: MemoryIndex | undefined
  #warned = false

  /** @throws FST_SESSION_OPTION if a limit is not a positive integer in its range */
  constructor({ maxEntries = 100_000, maxBytes = 64 * 1024 * 1024 }: MemoryStoreOptions = {}) {
    this.#maxEntries = atMost('maxEntries', maxEntries, MAX_ENTRIES)
    this.#records = new LRUCache({
      maxSize: atMost('maxBytes', maxBytes, Number.MAX_SAFE_INTEGER),
      // The cache accepts no size of 0.
      sizeCalculation: (record) => Math.max(1, record.length),
      // Fake clocks replace `Date` itself.
      perf: { now: () => Date.now() },
      ttl: 1,
      ttlResolution: 0,
      dispose: (_record, key, reason) => {
        if (reason !== 'set') this.#reportEnd(key)
        if (reason === 'evict' && this.#records.getRemainingTTL(key) > 0) this.#warnOnce()
      }
    })
    this.#purge = setInterval(() => this.purge(), PURGE_EVERY).unref()
  }

  /** The number of records. Includes expired records until the next purge. */
  get size(): number {
    return this.#records.size
  }

  /** Removes expired records. The store calls it every minute. */
  purge(): void {
    this.#records.purgeStale()
    this.#index?.purge()
  }

  async read(key: string): Promise<Buffer | undefined> {
    const record = this.#records.get(key)
    return record && Buffer.from(record)
  }

  async create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean> {
    if (this.#records.has(key)) return false
    this.#keep(key, new Uint8Array(record), expiresAt)
    return true
  }

  async update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.#when(key, revision, () => {
      this.#keep(key, new Uint8Array(record), expiresAt)
      if (isShorter(record, revision)) this.#reportEnd(key)
    })
  }

  async touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.#when(key, revision, (record) => {
      record.set(patch, TOUCH.offset)
      this.#keep(key, record, expiresAt)
    })
  }

  async destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return this.#when(key, revision, () => this.#records.delete(key))
  }

  async end(key: string, mark?: Mark): Promise<Outcome> {
    const record = this.#records.get(key)
    if (record === undefined && mark?.always !== true) return 'missing'
    if (record !== undefined && isTombstone(record)) return Buffer.from(record)
    if (mark === undefined) this.#records.delete(key)
    else this.#keep(key, new Uint8Array(mark.record), mark.expiresAt)
    return record === undefined ? 'missing' : 'done'
  }

  openIndex(): Promise<SessionIndex> {
    this.#opening ??= import('./memory-index.js').then(({ MemoryIndex }) => {
      this.#index = new MemoryIndex()
      return this.#index
    })
    return this.#opening
  }

  async watch(listener: EndListener): Promise<EndReports> {
    this.#listeners.add(listener)
    return { isLive: true, close: () => void this.#listeners.delete(listener) }
  }

  // Reading a record moves its key in the cache, so the keys are listed at once.
  async *keys(prefix: string): AsyncGenerator<string[], void> {
    yield [...this.#records.keys()].filter((key) => key.startsWith(prefix))
  }

  /** Removes all sessions and stops the timer. */
  async close(): Promise<void> {
    clearInterval(this.#purge)
    this.#records.clear()
    this.#index?.clear()
  }

  #when(key: string, revision: Uint8Array, write: (record: Uint8Array) => void): Outcome {
    const record = this.#records.get(key)
    if (record === undefined) return 'missing'
    const current = record.subarray(REVISION.offset, REVISION.offset + REVISION.length)
    if (Buffer.compare(current, revision) !== 0) return Buffer.from(record)
    write(record)
    return 'done'
  }

  #keep(key: string, record: Uint8Array, expiresAt: number): void {
    // The cache would drop such a record silently.
    if (record.length > this.#records.maxSize)
      throw new UnavailableError('SET', 'a record larger than maxBytes')
    if (isTombstone(record)) this.#reportEnd(key)
    this.#records.set(key, record, { ttl: Math.max(1, Math.ceil(expiresAt - Date.now())) })
    if (this.#records.size > this.#maxEntries) this.#records.pop()
  }

  // Not at once: whoever is told reads the record.
  #reportEnd(key: string): void {
    for (const listener of this.#listeners) queueMicrotask(() => listener.ended(key))
  }

  #warnOnce(): void {
    if (this.#warned) return
    this.#warned = true
    process.emitWarning('The memory store is full and drops live sessions: raise maxEntries or maxBytes', {
      code: 'FST_SESSION_MEMORY_FULL'
    })
  }
}

function atMost(option: string, value: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < 1 || value > max) {
    throw new OptionError(option, `must be an integer from 1 to ${max}`)
  }
  return value
}
