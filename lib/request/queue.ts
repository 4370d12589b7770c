// Commits of this process to one session run one after another, so that they do not make each other retry.
import type { Buffer } from 'node:buffer'

/** Forget released leases once this many keys are remembered. */
const MIN_FORGOTTEN = 1_024

export class CommitQueue {
  // Released leases stay until many are forgotten at once: a Map that gains and loses an entry with every commit is
  // rehashed again and again.
  #last = new Map<string, Lease>()
  #forgetAt = MIN_FORGOTTEN

  /** How many keys are remembered. */
  get size(): number {
    return this.#last.size
  }

  /** Joins the queue of this key. Every lease must be released. */
  join(key: string): Lease {
    const lease = new Lease(this.#last.get(key))
    this.#last.set(key, lease)
    if (this.#last.size === this.#forgetAt) this.#forget()
    return lease
  }

  #forget(): void {
    this.#last = new Map([...this.#last].filter(([, lease]) => !lease.isReleased))
    this.#forgetAt = Math.max(MIN_FORGOTTEN, 2 * this.#last.size)
  }
}

/** A place in the queue of one key. */
class Lease {
  #previous: Promise<Buffer | undefined> | undefined
  #isPreviousReleased = true
  #isReleased = false
  #startNext: ((record: Buffer | undefined) => void) | undefined

  /** @param last The last lease in the queue, if there is one. */
  constructor(last: Lease | undefined) {
    if (last === undefined || last.#isReleased) return
    this.#isPreviousReleased = false
    this.#previous = new Promise((resolve) => {
      last.#startNext = (record) => {
        this.#isPreviousReleased = true
        resolve(record)
      }
    })
  }

  get isReleased(): boolean {
    return this.#isReleased
  }

  /**
   * Resolves when the previous lease is released, with the record that it stored if that is known. Never rejects.
   * `undefined` if the key was free.
   */
  get previous(): Promise<Buffer | undefined> | undefined {
    return this.#previous
  }

  /** Starts the next lease. If the previous one is not released yet, the next one waits for that too. */
  release(record?: Buffer): void {
    if (!this.#isPreviousReleased) {
      this.#previous?.then((earlier) => this.release(earlier))
      return
    }
    this.#isReleased = true
    // The lease is remembered for a while; the record need not be.
    this.#previous = undefined
    this.#startNext?.(record)
  }
}
