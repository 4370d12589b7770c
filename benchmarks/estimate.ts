// How long a run takes, from what its parts do and from how fast this machine is now.
import type { Work } from './part.js'
import { startSubject } from './server/processes.js'
import { SUBJECTS, type Subject } from './server/subjects.js'

/** What an order takes beyond its measurement: seconds, and starts of a process. */
const ORDER = { seconds: 0.02, starts: 0.03 }
const TRIES = 2

/** Seconds. @param start Seconds that the start of a process takes. */
export function estimate(works: readonly Work[], start: number): number {
  return works.reduce(
    (sum, { seconds, starts, orders }) =>
      sum + seconds + starts * start + orders * (ORDER.seconds + ORDER.starts * start),
    0
  )
}

/** Seconds from the start of a process to its end: a busy machine takes longer. */
export async function timeStart(redisPort: number): Promise<number> {
  const subject = SUBJECTS.find(({ name }) => name === 'json') as Subject
  const startedAt = performance.now()
  for (let tries = 0; tries < TRIES; tries++) {
    const { stop } = await startSubject(subject, redisPort, 0)
    await stop()
  }
  return (performance.now() - startedAt) / 1_000 / TRIES
}
