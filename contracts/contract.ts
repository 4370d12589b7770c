// A contract, independent of a test runner.

/** One promise of a contract. */
export interface Clause {
  /** What is promised, for the name of a test. */
  name: string
  /** Rejects if the promise is broken, with an error that says how. */
  run(): Promise<void>
}

export type Contract = readonly Clause[]
