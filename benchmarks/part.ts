// The interface of a part of the benchmarks.
import type { Redis } from 'ioredis'
import type { Table } from './results.js'

export interface Options {
  /** Measures less. */
  quick: boolean
  /** Scenarios and subjects of the servers to measure; all of them if empty. */
  only: readonly string[]
  subjects: readonly string[]
  connections: readonly number[]
}

export interface Progress {
  /** Starts a section with this many steps of about the same length. */
  begin(title: string, steps: number): void
  /** Reports one step as done. */
  step(what: string): void
  end(): void
  /** Prints a line that stays. */
  say(line: string): void
}

export interface Context {
  options: Options
  progress: Progress
  /** A client of the private server that this run started on loopback, and that server's port. */
  redis: Redis
  redisPort: number
}

export interface Part {
  /** What a run with these options does, for an estimate of its time. */
  work(options: Options): Work
  run(context: Context): Promise<Table[]>
}

export interface Work {
  /** Seconds of measurements, which take as long on every machine. */
  seconds: number
  /** Processes that start, and other work, in starts of such a process. */
  starts: number
  /** Browsers that sign in. */
  signIns: number
  /** Requests that warm the servers up. */
  requests: number
  /** Slices and warm-ups, each of which takes a little longer than it measures. */
  orders: number
}
