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
  /** What an order to the load takes longer than it measures. */
  order: number
}

/** Seconds. */
export function estimate(works: readonly Work[], { start, signIn, order }: Pace): number {
  return works.reduce(
    (sum, { seconds, starts, signIns, orders }) =>
      sum + seconds + starts * start + signIns * signIn + orders * order,
    0
  )
}

const BROWSERS = 100
const CONNECTIONS = 50
/** The first orders compile what they run. */
const ORDERS = 12
const WARM_UP = 6

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
    const orders: number[] = []
    for (let sent = 0; sent < ORDERS; sent++) {
      const sentAt = performance.now()
      await server?.usage()
      await load.send({ ...to, scenario: 'read', connections: CONNECTIONS, milliseconds: 0 })
      await server?.usage()
      orders.push(since(sentAt))
    }
    return { start, signIn, order: median(orders.slice(WARM_UP)) }
  })
}

function since(instant: number): number {
  return (performance.now() - instant) / 1_000
}
