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

  /**
   * Does this work when all earlier work on the same key is done; it is given what the last one left behind.
   * @param wait Waits for earlier work. Where it gives up, and rejects, the work is not done.
   */
  take(
    key: string,
    work: (left: Left) => Promise<Left>,
    wait = (earlier: Promise<unknown>): Promise<unknown> => earlier
  ): Promise<void> {
    const before = this.#last.get(key)
    if (before === undefined) return this.#enter(key, work(undefined))
    const waiting = wait(before.catch(() => {}))
    const turn = waiting.then(
      () => before.then(work, () => work(undefined)),
      () => before.catch(() => undefined)
    )
    const done = this.#enter(key, turn)
    done.catch(() => {})
    return waiting.then(() => done)
  }

  #enter(key: string, turn: Promise<Left>): Promise<void> {
    this.#last.set(key, turn)
    const leave = () => {
      if (this.#last.get(key) === turn) this.#last.delete(key)
    }
    return turn.then(leave, (error) => {
      leave()
      throw error
    })
  }
}
