// The checker finds the bugs that this test plants into its service, and reports nothing without them.
import t from 'tap'
import { explain, type Kind } from './check.js'
import { ANYWHERE } from './faults.js'
import type { Bug } from './planted.js'
import { runRound } from './round.js'
import { kindsOf, stageOf } from './stage.js'

const ROUNDS = 10
const PLANTED: readonly [Bug, Kind, fault: string][] = [
  ['unconditional update', 'lost', 'none'],
  ['no tombstone', 'oldId', 'none'],
  ['uncertain called unavailable', 'stored', 'answers lost'],
  ['sent twice', 'twice', 'none']
]

function fault(name: string): (typeof ANYWHERE)[number] {
  const found = ANYWHERE.find((fault) => fault.name === name)
  if (found === undefined) throw new Error(`no fault ${name}`)
  return found
}

t.test('check(): finds every planted bug, and nothing without one', async (t) => {
  const session = { serializer: 'json', timeout: 5_000 } as const
  const stage = await stageOf(t, { client: 'planted', session }, ['append, keep me signed in'])

  const { violations } = await runRound(fault('none'), stage)
  t.same(violations.map(explain), [], 'nothing is found without a planted bug')

  for (const [bug, kind, name] of PLANTED) {
    await stage.fleet.plant(bug)
    const found = new Set<Kind>()
    let rounds = 0
    while (!found.has(kind) && rounds < ROUNDS) {
      rounds++
      const round = await runRound(fault(name), stage)
      for (const seen of kindsOf(round.violations)) found.add(seen)
    }
    await stage.fleet.plant(undefined)
    t.ok(found.has(kind), `${bug}: found in round ${rounds} as ${[...found].join(', ')}`)
  }
})
