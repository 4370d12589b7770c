// Whole servers: the cost of a request with this plugin and with others, compared with the hand-written session.
import type { Context, Options, Part, Work } from '../part.js'
import type { Column, Row, Table } from '../results.js'
import { plansOf, warmUpOf } from './plans.js'
import type { SubjectProcess } from './processes.js'
import { measureSizes } from './sizes.js'
import { browsersOf, type Measurement, type Plan, slicesOf, Trial, warmUp } from './slices.js'
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
  const work = { seconds: 0, starts: 0, signIns: 0, requests: 0, orders: 0 }
  for (const subject of chosenOf(part, options)) {
    const own = plansFor(subject, options)
    const scenarios = new Set(own.map(({ scenario }) => scenario))
    const kinds = new Set([...scenarios].flatMap(({ kind }) => kind ?? []))
    const slices = own.map((plan) => slicesOf(plan))
    // The subject, the reference and the load.
    work.starts += 3
    work.signIns += 2 * kinds.size * browsersOf(options)
    work.requests += 2 * scenarios.size * warmUpOf(scenarios.size, options)
    work.orders += 2 * scenarios.size + slices.reduce((sum, count) => sum + count, 0)
    work.seconds += own.reduce(
      (sum, { milliseconds }, index) => sum + (milliseconds / 1_000) * (slices[index] ?? 0),
      0
    )
  }
  const times = generationsOf(options)
  return {
    seconds: times * work.seconds,
    starts: times * work.starts,
    signIns: times * work.signIns,
    requests: times * work.requests,
    orders: times * work.orders
  }
}

function generationsOf({ quick }: Options): number {
  return quick ? 1 : GENERATIONS
}

// The speed of a process partly depends on chance, for example on the order of compilation, and it keeps that bias
// until it ends. Each subject is therefore measured in several processes, one after another. It is alone with the
// reference, because V8 forgets what it has compiled and shrinks the heap if a process waits for its turn.
async function measureRequests(part: Subject['part'], context: Context): Promise<Measurement[]> {
  const { options, redisPort } = context
  const generations = generationsOf(options)
  const trials = plansOf(part, options).map((plan) => new Trial(plan, generations))
  for (let generation = 1; generation <= generations; generation++) {
    const name = generations === 1 ? part : `${part}, ${generation} of ${generations}`
    for (const subject of chosenOf(part, options)) {
      const own = trials.filter(({ plan }) => canAnswer(subject, plan.scenario))
      await withStage([reference(), subject], redisPort, (stage) => runAll(name, own, stage, context))
    }
  }
  return trials.map((trial) => trial.result())
}

async function runAll(name: string, trials: readonly Trial[], stage: Stage, context: Context): Promise<void> {
  const { progress, redis } = context
  const [reference, subject] = stage.subjects as [SubjectProcess, SubjectProcess]
  await warmUpAll(`${name}, ${subject.name}, warming up`, trials, stage, context)
  progress.begin(
    `${name}, ${subject.name}`,
    trials.reduce((sum, { plan }) => sum + slicesOf(plan), 0)
  )
  for (const trial of trials) {
    const { scenario, connections } = trial.plan
    const bench = { reference, subject, load: stage.load, watch: watch(redis) }
    await trial.run(bench, () => progress.step(`${scenario.name}, ${connections} connections`))
  }
}

/** Warms up in all scenarios before the first measurement. Otherwise later ones would be warmer. */
async function warmUpAll(
  name: string,
  trials: readonly Trial[],
  { load, subjects }: Stage,
  { options, progress }: Context
): Promise<void> {
  const all = trials.map(({ plan }) => plan)
  // Once in each scenario, at the first number of connections.
  const plans = all.filter((plan) => plan === all.find(({ scenario }) => scenario === plan.scenario))
  progress.begin(name, subjects.length)
  for (const subject of subjects) {
    for (const plan of plans) await warmUp(plan, subject, load, warmUpOf(plans.length, options), options)
    progress.step(subject.name)
  }
}

function reference(): Subject {
  return SUBJECTS.find(({ name }) => name === REFERENCE) as Subject
}

/** The subjects that are measured beside the reference. */
function chosenOf(part: Subject['part'], options: Options): Subject[] {
  return SUBJECTS.filter(
    (subject) => subject.name !== REFERENCE && subject.part === part && isAsked(subject, options)
  ).filter((subject) => plansFor(subject, options).length > 0)
}

function plansFor(subject: Subject, options: Options): Plan[] {
  return plansOf(subject.part, options).filter(({ scenario }) => canAnswer(subject, scenario))
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
  const rows = measurements.flatMap(({ plan, measured }) =>
    measured.map(
      ({ ratios: _ratios, ratio, ...rest }): Row => ({
        scenario: plan.scenario.name,
        connections: plan.connections,
        ...rest,
        ratio: ratio.ratio,
        ratioLow: ratio.low,
        ratioHigh: ratio.high
      })
    )
  )
  const title = `Cost of a request; ratios are relative to the slices of ${REFERENCE} before and after`
  return { name: 'requests', title, columns: COLUMNS, rows }
}
