// Calls of one turn of the event loop, carried out together: what a command costs is then paid for once for all of them.
import { setImmediate } from '../clock.js'

/** How many calls one command carries out at the most, so that it does not keep the server from others for long. */
const MAX_TOGETHER = 64
/** More bytes than that leave one by one: together they would take much memory of the server at one instant. */
const MAX_BYTES = 262_144

interface Waiting<Call, Result> {
  call: Call
  resolve(result: Result | Promise<Result>): void
  reject(error: unknown): void
}

export class Gathered<Call, Result> {
  readonly #one: (call: Call) => Promise<Result>
  readonly #many: (calls: Call[]) => Promise<readonly (Result | Promise<never> | undefined)[]>
  readonly #sizeOf: (call: Call) => number
  #waiting: Waiting<Call, Result>[] = []
  #bytes = 0

  /**
   * @param many A call that it has no result for is carried out again, alone.
   * @param sizeOf The bytes that a call sends, where they may be many.
   */
  constructor(
    one: (call: Call) => Promise<Result>,
    many: (calls: Call[]) => Promise<readonly (Result | Promise<never> | undefined)[]>,
    sizeOf = (_call: Call) => 0
  ) {
    this.#one = one
    this.#many = many
    this.#sizeOf = sizeOf
  }

  // A promise of its own for each: what waits for it goes on in its own asynchronous context.
  add(call: Call): Promise<Result> {
    return new Promise((resolve, reject) => {
      const size = this.#sizeOf(call)
      if (this.#bytes + size > MAX_BYTES) this.#send()
      if (this.#waiting.length === 0) setImmediate(() => this.#send())
      this.#waiting.push({ call, resolve, reject })
      this.#bytes += size
      if (this.#waiting.length === MAX_TOGETHER) this.#send()
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
        for (const [index, { call, resolve }] of waiting.entries()) resolve(results[index] ?? this.#one(call))
      },
      (error) => {
        for (const { reject } of waiting) reject(error)
      }
    )
  }
}
