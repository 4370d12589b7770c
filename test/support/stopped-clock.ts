// A stopped clock, which only the test advances.
import type { Test } from 'tap'

export function stopClock(t: Test): { advance(milliseconds: number): void } {
  const { now: realNow } = Date
  let now = realNow()
  Date.now = () => now
  t.teardown(() => {
    Date.now = realNow
  })
  return {
    advance(milliseconds) {
      now += milliseconds
    }
  }
}
