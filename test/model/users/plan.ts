// The plan of one run: what the browsers of two users, their administrator and their processes do at the same time.
import fc from '../../support/properties.js'

export const USERS = [1, 2] as const

export type Step =
  /** A request. With `login`, `confirm` and `become` the user signs in: with a new id, keeping some data, with the old id. */
  | { do: 'login' | 'confirm' | 'become'; user: number }
  | { do: 'me' | 'count' | 'move' | 'forget' | 'logout' }
  /** Calls of `app.sessions`. */
  | { do: 'list' | 'end all'; user: number }
  /** Ends the sessions of its user, except its own one. */
  | { do: 'end others' }
  /** Ends the session of another browser by its handle. */
  | { do: 'end'; browser: number }
  /** The next operation of the process is refused, or takes effect without an answer. */
  | { do: 'refuse' | 'lose' }
  /** The process is killed, and another one takes its place. */
  | { do: 'crash' }

export interface Turn {
  /** The index of the process. */
  process: number
  step: Step
}

export interface Lane {
  /**
   * The browser whose cookies this tab sends without keeping those of the answer, if it is not a browser itself. So
   * requests of one session overlap.
   */
  tabOf: number | undefined
  /** Who has signed in with this browser before. */
  user: number | undefined
  turns: Turn[]
}

export interface Plan {
  store: 'redis' | 'memory'
  maxPerUser: { limit: number; onFull: 'end-oldest' | 'refuse' } | undefined
  lanes: Lane[]
}

const user = fc.constantFrom(USERS[0], USERS[0], USERS[0], USERS[1])

const step = fc.oneof(
  { weight: 7, arbitrary: fc.record({ do: fc.constantFrom('login', 'login', 'confirm', 'become'), user }) },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constantFrom('me', 'me', 'move', 'move', 'move', 'count', 'forget', 'logout')
    })
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('list', 'end all', 'end all'), user }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end others') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end'), browser: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('refuse', 'lose', 'crash') }) }
) as fc.Arbitrary<Step>

const lane = fc.record({
  tabOf: fc.constantFrom(undefined, undefined, undefined, 0),
  user: fc.constantFrom(undefined, USERS[0], USERS[0], USERS[1]),
  turns: fc.array(fc.record({ process: fc.nat(1), step }), { minLength: 1, maxLength: 6 })
})

export const plan: fc.Arbitrary<Plan> = fc.record({
  store: fc.constantFrom('redis', 'memory'),
  maxPerUser: fc.constantFrom(
    undefined,
    undefined,
    { limit: 1, onFull: 'end-oldest' },
    { limit: 2, onFull: 'end-oldest' },
    { limit: 2, onFull: 'refuse' }
  ),
  lanes: fc.array(lane, { minLength: 2, maxLength: 5 })
})
