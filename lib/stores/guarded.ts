// The store as one request sees it: it answers within the time that the request has for all of it, or fails.
import type { Buffer } from 'node:buffer'
import { within } from '../deadline.js'
import { UnavailableError, UncertainError } from '../errors.js'
import type { Outcome, Store } from './store.js'

type Operation = 'read' | 'create' | 'update' | 'touch' | 'destroy'

/** Where it is known whether the store answers at all. */
export interface HealthRecord {
  /** Whether an operation is to fail at once. */
  refuses(): boolean
  succeeded(): void
  failed(operation: Operation, error: Error): void
}

export class GuardedStore implements Store {
  readonly #inner: Store
  readonly #health: HealthRecord
  readonly #timeout: number
  end?: (key: string) => Promise<Outcome>
  #left: number

  /** @param timeout Milliseconds for all operations together. */
  constructor(inner: Store, timeout: number, health: HealthRecord) {
    this.#inner = inner
    this.#timeout = timeout
    this.#left = timeout
    this.#health = health
  }

  /** Gives the whole time again, to what outlives its request. */
  renew(): void {
    this.#left = this.#timeout
  }

  /** Waits for what has to end before this request may go on, which takes of its time too. Nothing has been sent so far. */
  async wait<Result>(earlier: Promise<Result>): Promise<Result> {
    const startedAt = performance.now()
    try {
      return await within(startedAt + this.#left, earlier, () => new UnavailableError('commit', this.#late))
    } finally {
      this.#left -= performance.now() - startedAt
    }
  }

  read(key: string): Promise<Buffer | undefined> {
    return this.#refusal('read') ?? this.#guard('read', performance.now(), this.#inner.read(key))
  }

  create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean> {
    return (
      this.#refusal('create') ??
      this.#guard('create', performance.now(), this.#inner.create(key, record, expiresAt))
    )
  }

  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome> {
    return (
      this.#refusal('update') ??
      this.#guard('update', performance.now(), this.#inner.update(key, revision, record, expiresAt))
    )
  }

  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    return (
      this.#refusal('touch') ??
      this.#guard('touch', performance.now(), this.#inner.touch(key, revision, patch, expiresAt))
    )
  }

  destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return (
      this.#refusal('destroy') ??
      this.#guard('destroy', performance.now(), this.#inner.destroy(key, revision))
    )
  }

  get #late(): string {
    return `no answer within ${this.#timeout} ms`
  }

  #refusal(operation: Operation): Promise<never> | undefined {
    if (this.#left <= 0) return Promise.reject(new UnavailableError(operation, this.#late))
    if (!this.#health.refuses()) return undefined
    return Promise.reject(new UnavailableError(operation, 'a store that is known to be down'))
  }

  #guard<Result>(operation: Operation, startedAt: number, answer: Promise<Result>): Promise<Result> {
    const late = () => {
      const Late = operation === 'read' ? UnavailableError : UncertainError
      return new Late(operation, this.#late)
    }
    return within(startedAt + this.#left, answer, late, (error) => {
      this.#left -= performance.now() - startedAt
      if (error === undefined) this.#health.succeeded()
      else if (error instanceof UnavailableError || error instanceof UncertainError) {
        this.#health.failed(operation, error)
      }
    })
  }
}
