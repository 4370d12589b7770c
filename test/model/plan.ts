// The plan of one run, with all requests of the browsers. fast-check generates it, `run.ts` runs it, and `ledger.ts`
// checks the results.
import fc from '../support/properties.js'

/** The keys that `regenerate()` keeps in the steps with `keep: 'some'`. */
export const KEEP_SOME = ['count', 'log', 'a'] as const

/** In seconds. A run takes less on every machine, so Redis keeps what the model has not let expire. */
const LIFETIMES = [300, 7_200] as const
/** In seconds: some sessions are touched earlier than others, and expire. */
const PAUSES = [31, 61, 301, 7_201] as const

export type Step =
  | {
      do:
        | 'read'
        | 'nested'
        | 'append'
        | 'guard'
        | 'login'
        | 'destroy'
        | 'save'
        /** `save()` in a handler that continues if the store fails. */
        | 'try to save'
        | 'reload'
        | 'empty'
        | 'touch'
    }
  | { do: 'set' | 'delete'; key: 'a' | 'b' }
  | { do: 'toggle'; value: number }
  | { do: 'add'; by: number }
  | { do: 'join'; tag: string }
  | { do: 'raise'; to: number }
  | { do: 'permanent'; value: boolean }
  | { do: 'lifetime'; seconds: number | undefined }
  | { do: 'regenerate'; keep: 'all' | 'none' | 'some' }

/**
 * The fate of an operation. `'refuse'`: the store refuses it. `'lose'`: it takes effect, but its answer is lost.
 * `'resend'`: the first answer is lost, and the client sends it again and gets the second answer.
 */
export type Fate = 'pass' | 'refuse' | 'lose' | 'resend'

export interface Visit {
  /** The index of the process that serves it. */
  app: number
  steps: Step[]
  /** Its end: success, a status of 400 or 500, or a client that closes the connection. */
  end: 'ok' | 'refuse' | 'fail' | 'leave'
  /** The fates of its first operations; all later ones pass. */
  fates: Fate[]
}

/** So many seconds pass, for all tabs. */
export interface Pause {
  seconds: number
}

/** The requests of one tab, one after another. All tabs run in parallel. */
export interface Lane {
  browser: number
  visits: (Visit | 'expire' | Pause)[]
}

export interface Plan {
  store: 'redis' | 'memory'
  /** The serializer of each process. */
  serializers: ('json' | 'superjson' | 'msgpack')[]
  touchAfter: number
  lanes: Lane[]
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constantFrom('read', 'nested', 'append', 'guard') }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('login', 'save', 'save', 'try to save', 'reload', 'touch') })
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('destroy', 'destroy', 'empty') }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('set', 'delete'), key: fc.constantFrom('a', 'b') })
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('toggle'), value: fc.constantFrom(0, 1) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('add'), by: fc.constantFrom(1, 10) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('join'), tag: fc.constantFrom('x', 'y', 'z') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('raise'), to: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('permanent'), value: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('lifetime'), seconds: fc.constantFrom(undefined, ...LIFETIMES) })
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('regenerate'), keep: fc.constantFrom('all', 'none', 'some') })
  }
) as fc.Arbitrary<Step>

const visit: fc.Arbitrary<Visit> = fc.record({
  app: fc.nat(3),
  steps: fc.array(step, { minLength: 1, maxLength: 4 }),
  end: fc.constantFrom('ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'refuse', 'fail', 'leave'),
  fates: fc.oneof(
    { weight: 4, arbitrary: fc.constant<Fate[]>([]) },
    {
      weight: 2,
      // A commit repeats a command without an answer a few times.
      arbitrary: fc
        .array(
          fc.constantFrom<Fate[]>(
            ['pass'],
            ['pass'],
            ['refuse'],
            ['lose'],
            ['lose', 'lose', 'lose'],
            ['resend']
          ),
          { maxLength: 4 }
        )
        .map((fates) => fates.flat())
    }
  )
})

export const plan: fc.Arbitrary<Plan> = fc.record({
  store: fc.constantFrom('redis', 'redis', 'redis', 'memory'),
  serializers: fc.array(fc.constantFrom('json', 'superjson', 'msgpack'), { minLength: 2, maxLength: 4 }),
  touchAfter: fc.constantFrom(60, 60, 0),
  lanes: fc.array(
    fc.record({
      // Most tabs belong to the first browser.
      browser: fc.constantFrom(0, 0, 0, 1),
      visits: fc.array(
        fc.oneof(
          { weight: 20, arbitrary: visit },
          { weight: 1, arbitrary: fc.constant('expire' as const) },
          { weight: 1, arbitrary: fc.record({ seconds: fc.constantFrom(...PAUSES) }) }
        ),
        { minLength: 1, maxLength: 3 }
      )
    }),
    { minLength: 2, maxLength: 4 }
  )
})
