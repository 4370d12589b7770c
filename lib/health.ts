// Whether the store answers, as seen by all requests of a registration together.
import { type Log, report } from './events.js'

export interface CircuitBreaker {
  /** After so many failures in a row operations fail at once. */
  failures: number
  /** Milliseconds after which one of them goes through again, to see whether the store is back. */
  openFor: number
}

export class Health {
  readonly #breaker: CircuitBreaker | undefined
  readonly #log: Log
  #failures = 0
  #failingSince = 0
  #probeAt = 0

  constructor(breaker: CircuitBreaker | undefined, log: Log) {
    this.#breaker = breaker
    this.#log = log
  }

  /** Whether an operation is to fail at once. Where it is not, the next ones are until that one has ended. */
  refuses(): boolean {
    if (this.#breaker === undefined || this.#failures < this.#breaker.failures) return false
    const now = performance.now()
    if (now < this.#probeAt) return true
    this.#probeAt = now + this.#breaker.openFor
    return false
  }

  succeeded(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    const ms = performance.now() - this.#failingSince
    report(
      this.#log,
      'info',
      { type: 'recovered', ms },
      `the session store answers again, after ${Math.round(ms)} ms`
    )
  }

  failed(operation: string, error: Error): void {
    const now = performance.now()
    this.#failures++
    if (this.#failures === 1) {
      this.#failingSince = now
      report(this.#log, 'error', { type: 'unavailable', operation }, error.message)
    }
    if (this.#breaker !== undefined) this.#probeAt = now + this.#breaker.openFor
  }
}
