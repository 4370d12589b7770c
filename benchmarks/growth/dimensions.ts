// What grows, from where to where, and what is asked of the server meanwhile.
import type { Kind } from '../server/contents.js'
import type { ScenarioName } from '../server/scenarios.js'

export interface Dimension {
  /** Unique; also the title of its chart. */
  name: string
  points: readonly number[]
  scenarios: readonly ScenarioName[]
  at(point: number): Situation
}

export interface Situation {
  /** What the sessions hold. */
  kind: Kind
  /** How many browsers there are, each with a session, and how many of them send at once. */
  browsers: number
  connections: number
  /** Sessions in Redis, those of nobody included. */
  stored?: number
  /** The cost is that of so many requests together. */
  together?: number
}

const FEW = 8
const SOME = 20

export const DIMENSIONS: readonly Dimension[] = [
  {
    name: 'bytes in a session',
    points: [100, 1_000, 10_000, 100_000, 300_000, 1_000_000],
    scenarios: ['read', 'write'],
    // Five hundred sessions of a megabyte would measure the memory.
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
