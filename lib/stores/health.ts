// Whether the store answers, for all requests of a registration: the log lines of an outage, and the circuit breaker.
import { now } from '../clock.js'
import { type Log, report } from '../events.js'

export interface CircuitBreaker {
  /** After this many consecutive failures, operations fail immediately. */
  failures: number
  /** Milliseconds between two probes, which are let through to see whether the store is back. */
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

  /** Whether the open breaker rejects this operation. It lets one through as a probe and rejects the others. */
  refuses(): boolean {
    if (this.#breaker === undefined || this.#failures < this.#breaker.failures) return false
    const at = now()
    if (at < this.#probeAt) return true
    this.#probeAt = at + this.#breaker.openFor
    return false
  }

  succeeded(): void {
    if (this.#failures === 0) return
    this.#failures = 0
    const ms = now() - this.#failingSince
    report(
      this.#log,
      'info',
      { type: 'recovered', ms },
      `the session store answers again after ${Math.round(ms)} ms`
    )
  }

  failed(operation: string, error: Error): void {
    const at = now()
    this.#failures++
    if (this.#failures === 1) {
      this.#failingSince = at
      report(this.#log, 'error', { type: 'unavailable', operation }, error.message)
    }
    if (this.#breaker !== undefined) this.#probeAt = at + this.#breaker.openFor
  }
}
