// The part of `npm run test:history` that is short enough for `npm test`.
import t from 'tap'
import { until } from '../support/gate.js'
import { explain } from './check.js'
import { withFate } from './faults.js'
import { runRound } from './round.js'
import { stageOf } from './stage.js'

t.test('commit: stores acknowledged changes once, refused changes never', async (t) => {
  const session = { serializer: 'msgpack', touchAfter: 1 } as const
  const stage = await stageOf(t, { client: 'plugin', session })
  const { fleet } = stage
  const lost = () => fleet.proxies.reduce((sum, { counts }) => sum + counts.lost, 0)
  const faults = [
    {
      name: 'answers lost',
      strike: () =>
        withFate(
          stage,
          6,
          () => 'lose',
          () => until(() => lost() > 12)
        )
    },
    { name: 'a process killed', strike: () => fleet.replace(0) }
  ]
  for (const fault of faults) {
    const { violations, counts } = await runRound(fault, stage)
    t.comment(`${fault.name}: ${JSON.stringify(counts)}`)
    t.same(violations.map(explain), [], fault.name)
  }
})
