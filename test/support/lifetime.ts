// Lets a program start what the tests start: servers that end with a test.
import type { Test } from 'tap'

/** A place for what ends them; they need no more of a test. */
export function lifetime(): { test: Test; end(): Promise<void> } {
  const teardowns: (() => unknown)[] = []
  return {
    test: { teardown: (end: () => unknown) => void teardowns.push(end) } as unknown as Test,
    async end() {
      for (const end of teardowns.reverse()) await end()
    }
  }
}
