// Commits of this process to one session, one after the other, so that they do not make each other try again.
import type { Buffer } from 'node:buffer'

/** The record that a turn left behind, as far as it knows. */
export type Left = Buffer | undefined

/** So many keys are remembered at least before those that nobody works on any more are forgotten. */
const MIN_FORGOTTEN = 1_024

export class Turns {
  // A turn that is over stays until many are forgotten at once: a Map that gains and loses an entry with every commit is
  // laid out anew again and again.
  #last = new Map<string, Turn>()
  #forgetAt = MIN_FORGOTTEN

  /** How many keys are remembered. */
  get size(): number {
    return this.#last.size
  }

  /** Stands in line for this key. Every turn has to be left. */
  enter(key: string): Turn {
    const turn = new Turn(this.#last.get(key))
    this.#last.set(key, turn)
    if (this.#last.size === this.#forgetAt) this.#forget()
    return turn
  }

  #forget(): void {
    this.#last = new Map([...this.#last].filter(([, turn]) => !turn.isOver))
    this.#forgetAt = Math.max(MIN_FORGOTTEN, 2 * this.#last.size)
  }
}

/** A place in the line for one key. */
export class Turn {
  #before: Promise<Left> | undefined
  #isBeforeOver = true
  #isOver = false
  #tellNext: ((left: Left) => void) | undefined

  /** @param last The last one in the line, if there is one. */
  constructor(last: Turn | undefined) {
    if (last === undefined || last.#isOver) return
    this.#isBeforeOver = false
    this.#before = new Promise((resolve) => {
      last.#tellNext = (left) => {
        this.#isBeforeOver = true
        resolve(left)
      }
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** What the turn before leaves behind, to be waited for; never rejects. `undefined` where the key was free. */
  get before(): Promise<Left> | undefined {
    return this.#before
  }

  /** Lets the next one begin. Where this one has not waited for its turn, that is when those before are done. */
  leave(left?: Left): void {
    if (!this.#isBeforeOver) {
      this.#before?.then((earlier) => this.leave(earlier))
      return
    }
    this.#isOver = true
    // It is remembered for a while, a record that was left behind need not be.
    this.#before = undefined
    this.#tellNext?.(left)
  }
}
