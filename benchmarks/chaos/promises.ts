// What the plugin promises of each fault, compared with what was seen.
import type { Fault } from './faults.js'
import type { Result } from './slice.js'

/** The plugin's option of this name: its default. */
const TIMEOUT = 1_000

/**
 * The longest that a request may take, in milliseconds. To the deadline and its tenth comes what this machine takes
 * without any fault, and for how long a process was seen not to run during this one.
 */
export function limitOf({ stall }: Result, calm: Result): number {
  return TIMEOUT * 1.1 + calm.longest + stall
}

/** @param calm The slice of the same scenario in which nothing happened. */
export function promisesBroken(fault: Fault, result: Result, calm: Result): string[] {
  const { longest, hangs, recovery, lost, silent, logouts, unhandled, wrong } = result
  const broken: (string | false)[] = [
    longest > limitOf(result, calm) && `a request took ${Math.round(longest)} ms`,
    hangs > 0 && `${hangs} requests hung`,
    fault.recovery !== undefined &&
      recovery > fault.recovery &&
      `requests failed until ${Math.round(recovery)} ms after its end`,
    fault.mayLose !== true && lost > 0 && `${lost} acknowledged commits are lost`,
    silent > 0 && `${silent} lost commits were not noticed`,
    fault.mayLose !== true && logouts > 0 && `${logouts} browsers were logged out`,
    ...unhandled.map((what) => `unhandled: ${what}`),
    ...[...wrong].map(([what, times]) => `${what} (${times} times)`)
  ]
  return broken.filter((what) => what !== false)
}
