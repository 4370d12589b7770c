// The dimensions of growth: what grows, its points, and the measured requests.
import type { Kind } from '../server/contents.js'
import type { ScenarioName } from '../server/scenarios.js'

export interface Dimension {
  /** Unique; it is also the title of the chart's panel. */
  name: string
  points: readonly number[]
  scenarios: readonly ScenarioName[]
  at(point: number): Situation
}

export interface Situation {
  /** The content of the sessions. */
  kind: Kind
  /** Number of browsers, each with a session, and number of parallel requests. */
  browsers: number
  connections: number
  /** Number of sessions in Redis, including those that no browser uses. */
  stored?: number
  /** Number of requests whose cost is added up; 1 by default. */
  together?: number
}

const FEW = 8
const SOME = 20

export const DIMENSIONS: readonly Dimension[] = [
  {
    name: 'bytes in a session',
    points: [100, 1_000, 10_000, 100_000, 300_000, 1_000_000],
    scenarios: ['read', 'write'],
    // Few browsers, because many sessions of a megabyte would measure the memory.
    at: (bytes) => ({ kind: `cart-${bytes}`, browsers: FEW * 2, connections: FEW })
  },
  {
    name: 'keys in a session',
    points: [1, 10, 100, 250, 500, 1_000],
    scenarios: ['read', 'write'],
    at: (keys) => ({ kind: `keys-${keys}`, browsers: SOME * 5, connections: SOME })
  },
  {
    name: 'requests at once (all of them)',
    points: [1, 20, 50, 100, 200, 500],
    scenarios: ['read', 'write', 'parallel writes'],
    at: (requests) => ({ kind: 'login', browsers: 600, connections: requests, together: requests })
  },
  {
    name: 'sessions in Redis',
    points: [1_000, 10_000, 100_000, 1_000_000],
    scenarios: ['read', 'write'],
    at: (stored) => ({ kind: 'login', browsers: SOME * 5, connections: SOME, stored })
  }
]
