// What a part of the benchmarks is to the program that runs them.
import type { Redis } from 'ioredis'
import type { Progress } from './progress.js'
import type { Table } from './results.js'

export interface Options {
  /** Less of everything: all parts in two minutes. */
  quick: boolean
  /** Of the server: the scenarios and the subjects to measure, all of them where empty. */
  only: readonly string[]
  subjects: readonly string[]
  connections: readonly number[]
}

export interface Context {
  options: Options
  progress: Progress
  /** A client of a private server on loopback, started for this run, and the port of that. */
  redis: Redis
  redisPort: number
}

export type Part = (context: Context) => Promise<Table[]>
