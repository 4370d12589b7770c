// The interface of a part of the benchmarks.
import type { Redis } from 'ioredis'
import type { Progress } from './progress.js'
import type { Table } from './results.js'

export interface Options {
  /** Measures less: all parts take two minutes. */
  quick: boolean
  /** Scenarios and subjects of the servers to measure; all of them if empty. */
  only: readonly string[]
  subjects: readonly string[]
  connections: readonly number[]
}

export interface Context {
  options: Options
  progress: Progress
  /** A client of the private server that this run started on loopback, and that server's port. */
  redis: Redis
  redisPort: number
}

export type Part = (context: Context) => Promise<Table[]>
