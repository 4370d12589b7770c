// Commits of this process to one session, one after the other, so that they do not make each other try again.
import type { Buffer } from 'node:buffer'

/** The record that a turn left behind, as far as it knows. */
export type Left = Buffer | undefined

export class Turns {
  readonly #last = new Map<string, Promise<Left>>()

  /** How many keys are being worked on. */
  get size(): number {
    return this.#last.size
  }

  /** Does this work when all earlier work on the same key is done; it is given what the last one left behind. */
  async take(key: string, work: (left: Left) => Promise<Left>): Promise<void> {
    const before = this.#last.get(key)
    const turn = before === undefined ? work(undefined) : before.then(work, () => work(undefined))
    this.#last.set(key, turn)
    try {
      await turn
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key)
    }
  }
}
