// Reads of one turn of the event loop, carried out together: what a command costs is then paid for once for all of them.
import type { Buffer } from 'node:buffer'

/** A record; nothing where there is none. */
type Reply = Buffer | null | undefined

interface Waiting {
  key: string
  resolve(record: Promise<Buffer | undefined> | Buffer): void
  reject(error: unknown): void
}

export class GatheredReads {
  readonly #readOne: (key: string) => Promise<Buffer | undefined>
  readonly #readMany: (keys: string[]) => Promise<Reply[]>
  #waiting: Waiting[] = []

  /** @param readMany What it finds nothing under is asked for again, alone: the reason may be another than that there is none. */
  constructor(
    readOne: (key: string) => Promise<Buffer | undefined>,
    readMany: (keys: string[]) => Promise<Reply[]>
  ) {
    this.#readOne = readOne
    this.#readMany = readMany
  }

  // A promise of its own for each: what waits for it goes on in its own asynchronous context.
  read(key: string): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#send())
      this.#waiting.push({ key, resolve, reject })
    })
  }

  #send(): void {
    const waiting = this.#waiting
    this.#waiting = []
    const [first] = waiting
    if (first !== undefined && waiting.length === 1) {
      first.resolve(this.#readOne(first.key))
      return
    }
    this.#readMany(waiting.map(({ key }) => key)).then(
      (records) => {
        for (const [index, { key, resolve }] of waiting.entries()) {
          resolve(records[index] ?? this.#readOne(key))
        }
      },
      (error) => {
        for (const { reject } of waiting) reject(error)
      }
    )
  }
}
