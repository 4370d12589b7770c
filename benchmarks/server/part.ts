// Whole servers: the cost of a request with this plugin and with others, compared with the hand-written session.
import type { Context, Options, Part, Work } from '../part.js'
import type { Column, Row, Table } from '../results.js'
import { plansOf, warmUpOf } from './plans.js'
import type { Scenario } from './scenarios.js'
import { measureSizes } from './sizes.js'
import { type Bench, browsersOf, type Measurement, type Plan, slicesOf, Trial, warmUp } from './slices.js'
import { canAnswer, isAsked, type Stage, withStage } from './stage.js'
import { REFERENCE, SUBJECTS, type Subject } from './subjects.js'
import { judge } from './targets.js'
import { watch } from './watch.js'

/** Number of times that all processes are started; once in a quick run. */
const GENERATIONS = 3

export const measureOurs: Part = {
  work(options) {
    const requests = workOf('server', options)
    return { ...requests, starts: requests.starts + (hasSizes(options) ? STARTS_OF_SIZES : 0) }
  },
  async run(context) {
    const sizes = hasSizes(context.options) ? await measureSizes(context) : []
    const measurements = await measureRequests('server', context)
    return [tableOf(measurements), ...sizes, judge(measurements, sizes)]
  }
}

export const measurePeers: Part = {
  work: (options) => workOf('peers', options),
  run: async (context) => [tableOf(await measureRequests('peers', context))]
}

/** The sizes take as long as this many starts of a process. */
const STARTS_OF_SIZES = 60

/** Quick runs and those of chosen scenarios skip the sizes. */
function hasSizes({ only, quick }: Options): boolean {
  return only.length === 0 && !quick
}

function workOf(part: Subject['part'], options: Options): Work {
  const chosen = SUBJECTS.filter((subject) => isChosen(subject, part, options))
  const work = { seconds: 0, starts: 1 + chosen.length, signIns: 0, requests: 0, orders: 0 }
  const plans = plansOf(part, options)
  for (const { scenario, milliseconds, rounds } of plans) {
    const slices = slicesOf({ rounds }, chosen.filter((subject) => canAnswer(subject, scenario)).length - 1)
    work.seconds += (slices * milliseconds) / 1_000
    work.orders += slices
  }
  for (const subject of chosen) {
    const own = new Set(
      plans.filter(({ scenario }) => canAnswer(subject, scenario)).map(({ scenario }) => scenario)
    )
    const kinds = new Set([...own].flatMap(({ kind }) => kind ?? []))
    if (own.size > 0) work.requests += own.size * warmUpOf(own.size, options)
    work.signIns += kinds.size * browsersOf(options)
    work.orders += own.size
  }
  const generations = generationsOf(options)
  return {
    seconds: work.seconds * generations,
    starts: work.starts * generations,
    signIns: work.signIns * generations,
    requests: work.requests * generations,
    orders: work.orders * generations
  }
}

function generationsOf({ quick }: Options): number {
  return quick ? 1 : GENERATIONS
}

// The speed of a process partly depends on chance, for example on the order of compilation, and it keeps that bias
// until it ends. Each subject is therefore measured in several processes, one after another.
async function measureRequests(part: Subject['part'], context: Context): Promise<Measurement[]> {
  const { options, redisPort } = context
  const chosen = SUBJECTS.filter((subject) => isChosen(subject, part, options))
  const trials = plansOf(part, options).map((plan) => new Trial(plan))
  const generations = generationsOf(options)
  for (let generation = 1; generation <= generations; generation++) {
    const name = generations === 1 ? part : `${part}, ${generation} of ${generations}`
    await withStage(chosen, redisPort, (stage) => runAll(name, trials, chosen, stage, context))
  }
  return trials.map((trial) => trial.result(REFERENCE))
}

async function runAll(
  name: string,
  trials: readonly Trial[],
  chosen: readonly Subject[],
  stage: Stage,
  context: Context
): Promise<void> {
  const { progress, redis } = context
  const planned = trials.map((trial) => ({
    trial,
    plan: trial.plan,
    bench: { load: stage.load, watch: watch(redis), ...benchOf(trial.plan.scenario, chosen, stage) }
  }))
  await warmUpAll(name, planned, stage, context)
  progress.begin(
    name,
    planned.reduce((sum, { plan, bench }) => sum + slicesOf(plan, bench.others.length), 0)
  )
  for (const { trial, plan, bench } of planned) {
    const what = `${plan.scenario.name}, ${plan.connections} connections`
    await trial.run(bench, (subject) => progress.step(`${what}: ${subject}`))
  }
}

interface Planned {
  plan: Plan
  bench: Bench
}

/** Warms up each subject in all its scenarios before the first measurement. Otherwise later ones would be warmer. */
async function warmUpAll(
  name: string,
  planned: readonly Planned[],
  { load, subjects }: Stage,
  { options, progress }: Context
): Promise<void> {
  progress.begin(`${name}, warming up`, subjects.length)
  for (const subject of subjects) {
    const own = planned.filter(({ bench }) => bench.reference === subject || bench.others.includes(subject))
    const once = own.filter(
      ({ plan }, index) => own.findIndex((other) => other.plan.scenario === plan.scenario) === index
    )
    for (const { plan } of once) await warmUp(plan, subject, load, warmUpOf(once.length, options), options)
    progress.step(subject.name)
  }
}

function isChosen(subject: Subject, part: Subject['part'], options: Options): boolean {
  return subject.name === REFERENCE || (subject.part === part && isAsked(subject, options))
}

/** The servers that take part in a scenario. */
function benchOf(
  scenario: Scenario,
  chosen: readonly Subject[],
  stage: Stage
): Pick<Bench, 'reference' | 'others'> {
  const able = chosen.filter((subject) => canAnswer(subject, scenario)).map(({ name }) => name as string)
  const servers = stage.subjects.filter(({ name }) => able.includes(name))
  const reference = servers.find(({ name }) => name === REFERENCE)
  if (reference === undefined) throw new Error('no reference')
  return { reference, others: servers.filter((server) => server !== reference) }
}

const COLUMNS: readonly Column[] = [
  { key: 'scenario', title: 'scenario', role: 'name' },
  { key: 'connections', title: 'connections', role: 'name' },
  { key: 'subject', title: 'subject', role: 'name' },
  { key: 'ratio', title: 'CPU, ratio', role: 'cost', digits: 3 },
  { key: 'cpu', title: 'CPU, µs', role: 'note', digits: 1 },
  { key: 'idle', title: 'server idle', role: 'note', digits: 2 },
  { key: 'notBusy', title: 'not busy', role: 'note' },
  { key: 'perTurn', title: 'requests per turn', role: 'note', digits: 1 },
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
  const title = `Cost of a request; ratios are relative to the slices of ${REFERENCE} before and after`
  return { name: 'requests', title, columns: COLUMNS, rows }
}
