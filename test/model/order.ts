// In which order operations take place that wait at the same time.
import type { Scheduler } from 'fast-check'

export interface Order {
  /** Waits for its turn. */
  schedule(label: string): Promise<void>
  /** How many wait. */
  count(): number
  /** Gives one of them its turn. */
  next(): Promise<void>
}

/** An order that fast-check finds. */
export function foundBy(scheduler: Scheduler): Order {
  return {
    schedule: (label) => scheduler.schedule(Promise.resolve(), label),
    count: () => scheduler.count(),
    next: () => scheduler.waitNext(1)
  }
}

/**
 * An order that is written down. What it names and never comes is left out, what it does not name comes in the order of
 * asking: so it goes on to mean something when the package asks its store for more or for less.
 */
export class WrittenOrder implements Order {
  readonly #labels: string[]
  readonly #waiting: { label: string; go(): void }[] = []

  /** @param labels A line each; `0.1: update` is the update of request 1 of tab 0. */
  constructor(labels: string) {
    this.#labels = labels
      .split('\n')
      .map((line) => line.trim().replace(/^(\d+)\.(\d+)/, 'tab $1 request $2'))
      .filter((line) => line !== '')
  }

  schedule(label: string): Promise<void> {
    return new Promise((go) => {
      this.#waiting.push({ label, go })
    })
  }

  count(): number {
    return this.#waiting.length
  }

  async next(): Promise<void> {
    while (this.#labels.length > 0) {
      const label = this.#labels.shift()
      const at = this.#waiting.findIndex((waiting) => waiting.label === label)
      if (at >= 0) return this.#release(at)
    }
    this.#release(0)
  }

  #release(at: number): void {
    for (const { go } of this.#waiting.splice(at, 1)) go()
  }
}
