// Measures subjects side by side: many short slices, one of the reference between any two, so that what slows the
// machine down for a while slows both. What counts is the ratio to the reference just before and just after.
import { generator, shuffled } from '../../test/support/random.js'
import { busyMicros, CORES } from '../cores.js'
import { median, type Ratio, ratioOf, scatter } from '../statistics.js'
import type { Sent } from './load.js'
import type { LoadProcess, SubjectProcess } from './processes.js'
import type { Scenario } from './scenarios.js'
import type { Count, Watch } from './watch.js'

export interface Plan {
  scenario: Scenario
  connections: number
  /** Requests of a slice. */
  amount: number
  /** Slices of each subject, in each generation of processes. */
  rounds: number
}

export interface Measured {
  subject: string
  /** CPU of this subject to that of the reference, round by round, of one generation after the other. */
  ratios: readonly number[]
  ratio: Ratio
  /** Microseconds of the server's CPU for a request. */
  cpu: number
  perSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** Commands that the server sent for a request. */
  commands: number
  /** Those that Redis executed, in scripts too. */
  executed: number
  /** Microseconds of the CPU of Redis for a request. */
  redisCpu: number
}

export interface Measurement {
  plan: Plan
  /** How often processes were started. */
  generations: number
  measured: readonly Measured[]
  /** Something else was going on: how it showed; empty where nothing did. */
  disturbed: string
}

export interface Bench {
  reference: SubjectProcess
  others: readonly SubjectProcess[]
  load: LoadProcess
  watch: Watch
}

type Slice = Sent & { cpu: number; redisCpu: number; perSecond: number }

/** Requests whose commands are counted: a few, since to watch them makes them slow. */
const COUNTED = 500
/** The reference's own slices lie further apart than this. */
const CALM_SCATTER = 0.12
/** Others use more than this share of the core that the servers have. */
const CALM_SHARE = 0.05

/** Measures one scenario at one number of connections, in one generation of processes after the other. */
export class Trial {
  readonly plan: Plan
  readonly #series = new Map<string, Series>()
  readonly #foreignShares: number[] = []
  readonly #random: () => number

  constructor(plan: Plan) {
    this.plan = plan
    // Another order in each round and generation, so that nobody is always behind the same one; the same in every run.
    this.#random = generator(plan.rounds)
  }

  /** Of processes that are warm. `done` is called after every slice; `slicesOf` tells how often that is. */
  async run(bench: Bench, done: (subject: string) => void): Promise<void> {
    const { plan } = this
    const { reference, others, load, watch } = bench
    const all = [reference, ...others]
    const take = async (subject: SubjectProcess) => {
      const slice = await takeSlice(plan, subject, bench)
      this.#seriesOf(subject).slices.push(slice)
      done(subject.name)
      return slice
    }

    const foreignShare = await watchCore(all)
    for (const subject of all) {
      const counted = { ...plan, amount: Math.max(COUNTED, plan.connections) }
      const count = await watch.count(subject.db, counted.amount, () => send(counted, subject, load))
      this.#seriesOf(subject).counts.push(count)
      done(subject.name)
    }
    let before = await take(reference)
    for (let round = 0; round < plan.rounds; round++) {
      for (const subject of shuffled(others, this.#random)) {
        const slice = await take(subject)
        const after = await take(reference)
        this.#seriesOf(subject).ratios.push(slice.cpu / ((before.cpu + after.cpu) / 2))
        before = after
      }
    }
    this.#foreignShares.push(await foreignShare())
  }

  /** @param reference The name of the reference. */
  result(reference: string): Measurement {
    const generations = this.#foreignShares.length
    const slices = this.#series.get(reference)?.slices ?? []
    return {
      plan: this.plan,
      generations,
      measured: [...this.#series].map(([name, series]) => series.summary(name, generations)),
      disturbed: disturbanceOf(slices, Math.max(...this.#foreignShares))
    }
  }

  #seriesOf({ name }: SubjectProcess): Series {
    const series = this.#series.get(name) ?? new Series()
    this.#series.set(name, series)
    return series
  }
}

/** Of a generation, as often as `done` is called. */
export function slicesOf({ rounds }: Plan, { others }: Bench): number {
  return 2 + others.length + rounds * 2 * others.length
}

/** Uses a subject for so many milliseconds before anything counts, until what runs often is compiled. */
export async function warmUp(
  plan: Plan,
  subject: SubjectProcess,
  load: LoadProcess,
  milliseconds: number
): Promise<void> {
  const { kind } = plan.scenario
  const { name, port } = subject
  if (kind !== undefined) await load.begin({ subject: name, port, kind })
  const end = performance.now() + milliseconds
  while (performance.now() < end) await send(plan, subject, load)
}

function send(plan: Plan, { name, port }: SubjectProcess, load: LoadProcess): Promise<Sent> {
  const { scenario, connections, amount } = plan
  return load.send({ subject: name, port, scenario: scenario.name, connections, amount })
}

async function takeSlice(plan: Plan, subject: SubjectProcess, { load, watch }: Bench): Promise<Slice> {
  const redisBefore = await watch.cpu()
  const before = await subject.usage()
  const sent = await send(plan, subject, load)
  const after = await subject.usage()
  const redisAfter = await watch.cpu()
  return {
    ...sent,
    cpu: (after.cpu - before.cpu) / plan.amount,
    redisCpu: (redisAfter - redisBefore) / plan.amount,
    perSecond: plan.amount / sent.seconds
  }
}

class Series {
  readonly slices: Slice[] = []
  readonly ratios: number[] = []
  readonly counts: Count[] = []

  summary(subject: string, generations: number): Measured {
    const middle = (key: keyof Slice) => median(this.slices.map((slice) => slice[key]))
    const counted = (key: keyof Count) => median(this.counts.map((count) => count[key]))
    return {
      subject,
      ratios: this.ratios,
      // The reference has no ratios: it is what it is.
      ratio: this.ratios.length === 0 ? { ratio: 1, low: 1, high: 1 } : ratioOf(this.ratios, generations),
      cpu: middle('cpu'),
      perSecond: middle('perSecond'),
      p50: middle('p50'),
      p99: middle('p99'),
      redisCpu: middle('redisCpu'),
      commands: counted('commands'),
      executed: counted('executed')
    }
  }
}

function disturbanceOf(reference: readonly Slice[], foreign: number): string {
  const spread = scatter(reference.map(({ cpu }) => cpu))
  const signs = [
    spread > CALM_SCATTER ? `reference ± ${Math.round(50 * spread)} %` : '',
    foreignText(foreign)
  ]
  return signs.filter((sign) => sign !== '').join(', ')
}

/** Empty where others used too little to matter. */
export function foreignText(share: number): string {
  return share > CALM_SHARE ? `others used ${Math.round(100 * share)} % of the core` : ''
}

/** Tells, when called, which share of the time others have used the core that the servers are bound to. */
export async function watchCore(servers: readonly SubjectProcess[]): Promise<() => Promise<number>> {
  const own = async () => {
    const usages = await Promise.all(servers.map((server) => server.usage()))
    return usages.reduce((sum, { cpu }) => sum + cpu, 0)
  }
  const [startedAt, busyBefore, ownBefore] = [performance.now(), busyMicros(), await own()]
  return async () => {
    const micros = 1_000 * (performance.now() - startedAt)
    const foreign = busyMicros() - busyBefore - (await own()) + ownBefore
    return CORES.pinned ? Math.max(0, foreign / micros) : 0
  }
}
