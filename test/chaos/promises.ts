// What the plugin promises of each fault, compared with what was seen.
import type { Fault } from './fault.js'
import type { Result } from './slice.js'

/** The plugin's option of this name: its default. */
const TIMEOUT = 1_000

/** The promises that no clock is needed for. */
export function promisesBroken(fault: Fault, result: Result): string[] {
  const { hangs, lost, silent, logouts, unhandled, wrong } = result
  const broken: (string | false)[] = [
    hangs > 0 && `${hangs} requests hung`,
    fault.mayLose !== true && lost > 0 && `${lost} acknowledged commits are lost`,
    fault.mayLose === true && silent > 0 && `${silent} lost commits were not noticed`,
    fault.mayLose !== true && logouts > 0 && `${logouts} browsers were logged out`,
    ...unhandled.map((what) => `unhandled ${what}`),
    ...[...wrong].map(([what, times]) => `${what} (${times} times)`)
  ]
  return broken.filter((what) => what !== false)
}

/**
 * The longest that a request may take, in milliseconds: the deadline and its tenth, what a request takes on this
 * machine without any fault, and for how long a process was seen not to run.
 * @param calm What was seen when nothing happened.
 */
export function limitOf({ stall }: Result, calm: Result): number {
  return TIMEOUT * 1.1 + calm.longest + stall
}

/** The same for a browser that comes for the first time: it waits for no store. */
function visitLimitOf({ stall }: Result, calm: Result): number {
  return TIMEOUT * 0.1 + calm.longestVisit + stall
}

/** The promises about time, which only a machine can be asked for that is not too busy. */
export function promisesLate(fault: Fault, result: Result, calm: Result): string[] {
  const { failed, failedAtOnce, longest, longestVisit, recovery } = result
  const late: (string | false)[] = [
    longest > limitOf(result, calm) && `a request took ${Math.round(longest)} ms`,
    longestVisit > visitLimitOf(result, calm) && `a first visit took ${Math.round(longestVisit)} ms`,
    fault.failsFast === true &&
      failedAtOnce <= failed / 2 &&
      `only ${failedAtOnce} of ${failed} requests that failed did so at once`,
    fault.recovery !== undefined &&
      recovery > fault.recovery &&
      `requests failed for ${Math.round(recovery)} ms after its end`
  ]
  return late.filter((what) => what !== false)
}
