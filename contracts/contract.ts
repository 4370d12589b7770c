// A contract, independent of a test runner.
import { Buffer } from 'node:buffer'
import { now } from '../lib/clock.js'
import { within } from '../lib/deadline.js'

/** One promise of a contract. */
export interface Clause {
  /** What is promised, for the name of a test. */
  name: string
  /** Rejects if the promise is broken, with an error that says how. */
  run(): Promise<void>
}

export type Contract = readonly Clause[]

export interface ContractOptions {
  /**
   * Seconds that each clause may take. A slow and busy machine needs many.
   * @default 120
   */
  patience?: number
}

export const PATIENCE = 120

/** The bytes of Node's pool of small Buffers. Node 26 gives it more than `Buffer.poolSize`. */
export const POOL_BYTES = Buffer.allocUnsafe(1).buffer.byteLength

/** @param check Its signal aborts when the clause has ended, or is given up. */
export function clauseOf(
  name: string,
  seconds: number,
  check: (signal: AbortSignal) => void | Promise<void>
): Clause {
  const late = () =>
    new Error(
      `"${name}" has not ended after ${seconds} seconds: settle each call, also if it fails, or give the option patience ` +
        'more seconds'
    )
  const run = () => {
    const controller = new AbortController()
    const work = async () => check(controller.signal)
    return within(now() + seconds * 1_000, work(), late, () => controller.abort())
  }
  return { name, run }
}
