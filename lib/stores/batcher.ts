// Sends the calls of one turn of the event loop as one command, so they share its cost.
import { setImmediate } from '../clock.js'

/** Maximum calls per command, so that one command does not block the server for long. */
const MAX_CALLS = 64
/** Maximum bytes per command, to limit the server's memory for it. */
const MAX_BYTES = 262_144

interface Waiting<Call, Result> {
  call: Call
  resolve(result: Result | Promise<Result>): void
  reject(error: unknown): void
}

export class Batcher<Call, Result> {
  readonly #one: (call: Call) => Promise<Result>
  readonly #many: (calls: Call[]) => Promise<readonly (Result | Promise<never> | undefined)[]>
  readonly #sizeOf: (call: Call) => number
  readonly #maxCalls: number
  #waiting: Waiting<Call, Result>[] = []
  #bytes = 0

  /**
   * @param one Sends a single call.
   * @param many Sends several calls. Those without a result are sent again, one by one.
   * @param sizeOf The bytes that a call sends. Omit it if they are always few.
   * @param maxCalls The most calls that are sent together.
   */
  constructor(
    one: (call: Call) => Promise<Result>,
    many: (calls: Call[]) => Promise<readonly (Result | Promise<never> | undefined)[]>,
    sizeOf = (_call: Call) => 0,
    maxCalls = MAX_CALLS
  ) {
    this.#one = one
    this.#many = many
    this.#sizeOf = sizeOf
    this.#maxCalls = maxCalls
  }

  // A separate promise for each call, so that its continuation runs in the caller's asynchronous context.
  add(call: Call): Promise<Result> {
    return new Promise((resolve, reject) => {
      const size = this.#sizeOf(call)
      if (this.#bytes + size > MAX_BYTES) this.#send()
      if (this.#waiting.length === 0) setImmediate(() => this.#send())
      this.#waiting.push({ call, resolve, reject })
      this.#bytes += size
      if (this.#waiting.length === this.#maxCalls) this.#send()
    })
  }

  #send(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    const [first] = waiting
    if (first === undefined) return
    if (waiting.length === 1) {
      first.resolve(this.#one(first.call))
      return
    }
    this.#many(waiting.map(({ call }) => call)).then(
      (results) => {
        waiting.forEach(({ call, resolve }, index) => {
          resolve(results[index] ?? this.#one(call))
        })
      },
      (error) => {
        for (const { reject } of waiting) reject(error)
      }
    )
  }
}
