// The store as one request sees it. All operations of the request together answer or fail within its timeout.
import type { Buffer } from 'node:buffer'
import { now } from '../clock.js'
import { awake, within } from '../deadline.js'
import { KeysUnavailableError, UnavailableError, UncertainError } from '../errors.js'
import type { Commit } from '../records/lineage.js'
import type { SharedRecord } from '../records/shared.js'
import type { Mark, Operation, Outcome, Store } from './store.js'

/** Records whether the store answers. */
export interface HealthRecord {
  /** Whether an operation must fail immediately. */
  refuses(): boolean
  succeeded(): void
  failed(operation: Operation, error: Error): void
}

/** Operations that store no record. */
const STORING_NOTHING: readonly Operation[] = ['read', 'enter', 'list', 'leave', 'revoke']

export class GuardedStore implements Store {
  readonly #inner: Store
  readonly #health: HealthRecord
  readonly #timeout: number
  #remaining: number
  /** How many operations are under way, and since when: together they take the time once. */
  #running = 0
  #runningSince = 0

  /** @param timeout Milliseconds for all operations together. */
  constructor(inner: Store, timeout: number, health: HealthRecord) {
    this.#inner = inner
    this.#timeout = timeout
    this.#remaining = timeout
    this.#health = health
  }

  /** Restarts the timeout, for work that outlives the request. */
  renew(): void {
    this.#remaining = this.#timeout
    this.#runningSince = awake()
  }

  /** Waits for an earlier commit, or for another store, within the same timeout. */
  wait<Result>(work: Promise<Result>, operation = 'commit'): Promise<Result> {
    return this.#timed(operation, work)
  }

  read(key: string): Promise<Buffer | undefined> {
    return this.#guard('read', () => this.#inner.read(key))
  }

  /** Needs no answer, and says nothing about whether the store gives one. */
  copyOf(key: string, seen: Commit | undefined): SharedRecord | undefined {
    return this.#inner.copyOf?.(key, seen)
  }

  create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean> {
    return this.#guard('create', () => this.#inner.create(key, record, expiresAt))
  }

  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.#guard('update', () => this.#inner.update(key, revision, record, expiresAt))
  }

  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.#guard('touch', () => this.#inner.touch(key, revision, patch, expiresAt))
  }

  destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return this.#guard('destroy', () => this.#inner.destroy(key, revision))
  }

  /** Pages of keys, each within the whole timeout. Call it only if the store has `keys`. */
  async *keys(prefix: string): AsyncGenerator<readonly string[], void> {
    const pages = (this.#inner as Required<Store>).keys(prefix)[Symbol.asyncIterator]()
    for (;;) {
      this.renew()
      const { done, value } = await this.#guard('read', () => pages.next())
      if (done === true) return
      yield value
    }
  }

  /** Whether the store has `end`. */
  get canEnd(): boolean {
    return this.#inner.end !== undefined
  }

  /** Call it only if `canEnd`. */
  end(key: string, mark?: Mark): Promise<Outcome> {
    return this.#guard('end', () => (this.#inner as Required<Store>).end(key, mark))
  }

  /** Several operations of one kind at once, or one of the index. */
  perform<Result>(operation: Operation, send: (store: Store) => Promise<Result>): Promise<Result> {
    return this.#guard(operation, () => send(this.#inner))
  }

  #guard<Result>(operation: Operation, send: () => Promise<Result>): Promise<Result> {
    if (this.#left <= 0) return Promise.reject(new UnavailableError(operation, this.#late))
    if (this.#health.refuses()) {
      return Promise.reject(new UnavailableError(operation, 'an open circuit breaker'))
    }
    const ready = this.#inner.ready?.(operation)
    return ready === undefined ? this.#send(operation, send()) : this.#sendLater(operation, ready, send)
  }

  // If the wait fails, the operation is never sent.
  async #sendLater<Result>(
    operation: Operation,
    ready: Promise<void>,
    send: () => Promise<Result>
  ): Promise<Result> {
    try {
      await this.#timed(operation, ready)
    } catch (error) {
      this.#health.failed(operation, error as Error)
      throw error
    }
    return this.#send(operation, send())
  }

  async #timed<Result>(operation: string, promise: Promise<Result>): Promise<Result> {
    const until = this.#begin()
    try {
      return await within(until, promise, () => new UnavailableError(operation, this.#late))
    } finally {
      this.#finish()
    }
  }

  #send<Result>(operation: Operation, answer: Promise<Result>): Promise<Result> {
    const until = this.#begin()
    const late = () => {
      const Late = STORING_NOTHING.includes(operation) ? UnavailableError : UncertainError
      return new Late(operation, this.#late)
    }
    return within(until, answer, late, (error) => {
      this.#finish()
      if (error === undefined) this.#health.succeeded()
      // Not instanceof: errors of @fastify/error with the same code are instances of each other.
      else if (error?.constructor === KeysUnavailableError) return
      else if (error instanceof UnavailableError || error instanceof UncertainError) {
        this.#health.failed(operation, error)
      }
    })
  }

  get #left(): number {
    return this.#running === 0 ? this.#remaining : this.#remaining - (awake() - this.#runningSince)
  }

  /** An operation begins. Returns its deadline, on the clock of `now()`. */
  #begin(): number {
    const at = now()
    if (this.#running++ > 0) return at + this.#remaining - (awake(at) - this.#runningSince)
    this.#runningSince = awake(at)
    return at + this.#remaining
  }

  #finish(): void {
    if (--this.#running === 0) this.#remaining -= awake() - this.#runningSince
  }

  get #late(): string {
    return `no answer within ${this.#timeout} ms`
  }
}
