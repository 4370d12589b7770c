// A clock that shows another millisecond each time it is read. No two requests then happen at the same time.
import type { Test } from 'tap'

export function tickingClock(t: Test): void {
  const { now } = Date
  let last = 0
  Date.now = () => {
    last = Math.max(now(), last + 1)
    return last
  }
  t.teardown(() => {
    Date.now = now
  })
}
