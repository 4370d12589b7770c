// Lets programs start the servers of tests, which end with a test.
import type { Test } from 'tap'

/** A stand-in for a test that only collects teardowns. */
export function lifetime(): { test: Test; end(): Promise<void> } {
  const teardowns: (() => unknown)[] = []
  return {
    test: { teardown: (end: () => unknown) => void teardowns.push(end) } as unknown as Test,
    async end() {
      for (const end of teardowns.reverse()) await end()
    }
  }
}
