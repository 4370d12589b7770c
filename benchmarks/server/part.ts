// Whole servers: what a request costs with sessions of this plugin, and with others', beside the hand-written one.
import type { Context, Options } from '../part.js'
import type { Column, Row, Table } from '../results.js'
import { type LoadProcess, type SubjectProcess, startLoad, startSubject } from './processes.js'
import { SCENARIOS, type Scenario } from './scenarios.js'
import { type Bench, type Measurement, measure, type Plan, slicesOf } from './slices.js'
import { REFERENCE, SUBJECTS, type Subject } from './subjects.js'
import { watch } from './watch.js'

export const measureOurs = (context: Context): Promise<Table[]> => measurePart('server', context)
export const measurePeers = (context: Context): Promise<Table[]> => measurePart('peers', context)

async function measurePart(part: Subject['part'], context: Context): Promise<Table[]> {
  const { options, progress, redis, redisPort } = context
  const chosen = SUBJECTS.filter((subject) => isChosen(subject, part, options))
  const plans = plansOf(options)
  const processes: SubjectProcess[] = []
  let load: LoadProcess | undefined
  try {
    load = await startLoad()
    for (const subject of chosen) processes.push(await startSubject(subject, redisPort, processes.length + 1))
    const benches = plans.map((plan) => ({ plan, ...benchOf(plan.scenario, chosen, processes) }))
    const steps = benches.reduce((sum, { plan, others }) => sum + slicesOf(plan, others.length + 1), 0)
    progress.begin(part, steps)
    const measurements: Measurement[] = []
    for (const { plan, reference, others } of benches) {
      const bench: Bench = { reference, others, load, watch: watch(redis) }
      measurements.push(
        await measure(plan, bench, (subject) =>
          progress.step(`${plan.scenario.name}, ${plan.connections} connections: ${subject}`)
        )
      )
    }
    return [tableOf(measurements)]
  } finally {
    for (const { stop } of processes) await stop()
    await load?.stop()
  }
}

function isChosen({ name, part }: Subject, wanted: Subject['part'], { subjects }: Options): boolean {
  if (name === REFERENCE) return true
  return part === wanted && (subjects.length === 0 || subjects.includes(name))
}

/** Who can take part in a scenario. */
function benchOf(
  scenario: Scenario,
  subjects: readonly Subject[],
  processes: readonly SubjectProcess[]
): Pick<Bench, 'reference' | 'others'> {
  const able = subjects.filter(({ keeps }) => keeps !== 'nothing' || scenario.bare === true)
  const [reference, ...others] = able.map(
    ({ name }) => processes.find((process) => process.name === name) as SubjectProcess
  )
  return { reference: reference as SubjectProcess, others }
}

function plansOf({ only, connections, quick }: Options): Plan[] {
  const scenarios: readonly Scenario[] = SCENARIOS.filter(
    ({ name }) => only.length === 0 || only.includes(name)
  )
  const counts = connections.length > 0 ? connections : [50]
  return counts.flatMap((connections) =>
    scenarios.map((scenario) => ({ scenario, connections, amount: 2_000, rounds: quick ? 4 : 12 }))
  )
}

const COLUMNS: readonly Column[] = [
  { key: 'scenario', title: 'scenario', role: 'name' },
  { key: 'connections', title: 'connections', role: 'name' },
  { key: 'subject', title: 'subject', role: 'name' },
  { key: 'ratio', title: 'CPU, ratio', role: 'cost', digits: 3 },
  { key: 'cpu', title: 'CPU, µs', role: 'note', digits: 1 },
  { key: 'perSecond', title: 'requests/s', role: 'note', digits: 0 },
  { key: 'p50', title: 'p50, ms', role: 'note', digits: 2 },
  { key: 'p99', title: 'p99, ms', role: 'note', digits: 2 },
  { key: 'commands', title: 'Redis commands', role: 'cost', digits: 2 },
  { key: 'executed', title: 'with those in scripts', role: 'note', digits: 2 },
  { key: 'redisCpu', title: 'Redis CPU, µs', role: 'note', digits: 1 },
  { key: 'disturbed', title: 'disturbed', role: 'note' }
]

function tableOf(measurements: readonly Measurement[]): Table {
  const rows = measurements.flatMap(({ plan, measured, disturbed }) =>
    measured.map(
      ({ ratios: _ratios, ratio, ...rest }): Row => ({
        scenario: plan.scenario.name,
        connections: plan.connections,
        ...rest,
        ratio: ratio.ratio,
        ratioLow: ratio.low,
        ratioHigh: ratio.high,
        disturbed
      })
    )
  )
  return { name: 'requests', title: 'What a request costs', columns: COLUMNS, rows }
}
