// Compares the result of each fault with the plugin's promises.
import type { Fault } from './fault.js'
import type { Result } from './slice.js'

/** The default of the plugin's option `timeout`. */
const TIMEOUT = 1_000

/** The broken promises, except those about time. */
export function promisesBroken(fault: Fault, result: Result): string[] {
  const { hangs, lost, silent, logouts, unhandled, wrong } = result
  const broken: (string | false)[] = [
    hangs > 0 && `${hangs} requests hung`,
    fault.mayLose !== true && lost > 0 && `${lost} acknowledged commits are lost`,
    fault.mayLose === true && silent > 0 && `${silent} commits were lost without a report`,
    fault.mayLose !== true && logouts > 0 && `${logouts} browsers were logged out`,
    ...unhandled.map((what) => `unhandled ${what}`),
    ...[...wrong].map(([what, times]) => `${what} (${times} times)`)
  ]
  return broken.filter((what) => what !== false)
}

/**
 * The time that a request may take, in milliseconds: the deadline plus 10 %, the longest request without a fault, and
 * the longest time for which a process did not run.
 * @param calm The result without a fault.
 */
export function limitOf({ stall }: Result, calm: Result): number {
  return TIMEOUT * 1.1 + calm.longest + stall
}

/** The same for a new browser, whose request does not need the store. */
function visitLimitOf({ stall }: Result, calm: Result): number {
  return TIMEOUT * 0.1 + calm.longestVisit + stall
}

/** The broken promises about time. A busy machine breaks them without a fault of the plugin. */
export function promisesLate(fault: Fault, result: Result, calm: Result): string[] {
  const { failed, failedAtOnce, longest, longestVisit, recovery } = result
  const late: (string | false)[] = [
    longest > limitOf(result, calm) && `a request took ${Math.round(longest)} ms`,
    longestVisit > visitLimitOf(result, calm) && `a first visit took ${Math.round(longestVisit)} ms`,
    fault.failsFast === true &&
      failedAtOnce <= failed / 2 &&
      `only ${failedAtOnce} of ${failed} failed requests failed at once`,
    fault.recovery !== undefined &&
      recovery > fault.recovery &&
      `requests still failed ${Math.round(recovery)} ms after its end`
  ]
  return late.filter((what) => what !== false)
}
