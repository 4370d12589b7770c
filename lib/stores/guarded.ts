// The store as one request sees it: it answers within the time that the request has for all of it, or fails.
import { within } from '../deadline.js'
import { UnavailableError, UncertainError } from '../errors.js'
import { type Operation, StoreAround } from './around.js'
import type { Store } from './store.js'

/** Where it is known whether the store answers at all. */
export interface HealthRecord {
  /** Whether an operation is to fail at once. */
  refuses(): boolean
  succeeded(): void
  failed(operation: Operation, error: Error): void
}

export class GuardedStore extends StoreAround {
  readonly #health: HealthRecord
  readonly #timeout: number
  #left: number

  /** @param timeout Milliseconds for all operations together. */
  constructor(inner: Store, timeout: number, health: HealthRecord) {
    super(inner)
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

  get #late(): string {
    return `no answer within ${this.#timeout} ms`
  }

  protected override around<Result>(operation: Operation, call: () => Promise<Result>): Promise<Result> {
    if (this.#left <= 0) return Promise.reject(new UnavailableError(operation, this.#late))
    if (this.#health.refuses()) {
      return Promise.reject(new UnavailableError(operation, 'a store that is known to be down'))
    }
    const startedAt = performance.now()
    const late = () => {
      const Late = operation === 'read' ? UnavailableError : UncertainError
      return new Late(operation, this.#late)
    }
    return within(startedAt + this.#left, call(), late, (error) => {
      this.#left -= performance.now() - startedAt
      if (error === undefined) this.#health.succeeded()
      else if (error instanceof UnavailableError || error instanceof UncertainError) {
        this.#health.failed(operation, error)
      }
    })
  }
}
