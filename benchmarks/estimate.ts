// How long a run takes, from what its parts do and from how fast this machine is now.
import type { Work } from './part.js'
import { withStage } from './server/stage.js'
import { REFERENCE, SUBJECTS, type Subject } from './server/subjects.js'
import { median } from './statistics.js'

/** Seconds that each kind of work takes on this machine now. */
export interface Pace {
  /** The start of a process of a subject. */
  start: number
  /** The sign-in of a browser. */
  signIn: number
  /** A request of an average scenario. */
  request: number
  /** What an order to the load takes longer than it measures. */
  order: number
}

/** Seconds. */
export function estimate(works: readonly Work[], pace: Pace): number {
  return works.reduce(
    (sum, { seconds, starts, signIns, requests, orders }) =>
      sum +
      seconds +
      starts * pace.start +
      signIns * pace.signIn +
      requests * pace.request +
      orders * pace.order,
    0
  )
}

const BROWSERS = 100
const CONNECTIONS = 50
const REQUESTS = 2_000
/** The average scenario takes this many times as long as reading a small session. */
const AVERAGE = 1.7
const ORDERS = 5

export async function measurePace(redisPort: number): Promise<Pace> {
  const subject = SUBJECTS.find(({ name }) => name === REFERENCE) as Subject
  const startedAt = performance.now()
  return withStage([subject], redisPort, async ({ load, subjects: [server] }) => {
    const to = { subject: subject.name, port: server?.port ?? 0 }
    // The stage has started two processes, the subject and the load.
    const start = since(startedAt) / 2
    const beganAt = performance.now()
    await load.begin({ ...to, kind: 'login', browsers: BROWSERS })
    const signIn = since(beganAt) / BROWSERS
    const sent = await load.send({ ...to, scenario: 'read', connections: CONNECTIONS, amount: REQUESTS })
    const request = (AVERAGE * sent.seconds) / REQUESTS
    const orders: number[] = []
    for (let count = 0; count < ORDERS; count++) {
      const sentAt = performance.now()
      await server?.usage()
      await load.send({ ...to, scenario: 'read', connections: CONNECTIONS, milliseconds: 0 })
      await server?.usage()
      orders.push(since(sentAt))
    }
    return { start, signIn, request, order: median(orders) }
  })
}

function since(instant: number): number {
  return (performance.now() - instant) / 1_000
}
