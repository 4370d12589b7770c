// The order of waiting operations.
import type { Scheduler } from 'fast-check'

export interface Order {
  /** Resolves when it is this operation's turn. */
  schedule(label: string): Promise<void>
  /** Number of waiting operations. */
  count(): number
  /** Lets one waiting operation run. */
  next(): Promise<void>
}

/** An order that fast-check generates. */
export function foundBy(scheduler: Scheduler): Order {
  return {
    schedule: (label) => scheduler.schedule(Promise.resolve(), label),
    count: () => scheduler.count(),
    next: () => scheduler.waitNext(1)
  }
}

/**
 * A written order. It skips labels that never occur and runs other operations in the order of their calls. It thus
 * stays valid when the package needs more or fewer operations.
 */
export class WrittenOrder implements Order {
  readonly #labels: string[]
  readonly #waiting: { label: string; go(): void }[] = []

  /** @param labels One label per line; `0.1: update` is the update of request 1 of tab 0. */
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
