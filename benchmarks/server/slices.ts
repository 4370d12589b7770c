// Measures a subject in many short slices, with one of the reference between any two. A slow phase of the machine thus
// affects both. The result is the ratio to the reference's slices before and after.
import { busyMicros, CORES } from '../cores.js'
import type { Options } from '../part.js'
import { median, type Ratio, ratioOf, scatter } from '../statistics.js'
import type { Sent } from './orders.js'
import type { LoadProcess, SubjectProcess } from './processes.js'
import type { Scenario } from './scenarios.js'
import type { Count, Watch } from './watch.js'

export interface Plan {
  scenario: Scenario
  connections: number
  /** The duration of a slice. */
  milliseconds: number
  /** Slices of each subject in each generation of processes. */
  rounds: number
}

export interface Measured {
  subject: string
  /** CPU relative to the reference, round by round, for one generation after another. */
  ratios: readonly number[]
  ratio: Ratio
  /** Microseconds of the server's CPU per request. */
  cpu: number
  /** The share of time in which the server's process did not run, because it waited for requests or for its core. */
  idle: number
  /** Whether this subject or the reference was idle for too long: an idle server spends more on a request. */
  notBusy: boolean
  /** Requests for each turn of the server's event loop. Those of one turn share system calls and wake-ups. */
  perTurn: number
  perSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** Commands that the server sent per request. */
  commands: number
  /** Commands that Redis executed per request, including those in scripts. */
  executed: number
  /** Microseconds of Redis' CPU per request. */
  redisCpu: number
  /** The sign of a disturbance; empty if there was none. */
  disturbed: string
}

export interface Measurement {
  plan: Plan
  /** Number of times that the processes were started. */
  generations: number
  measured: readonly Measured[]
}

export interface Bench {
  reference: SubjectProcess
  subject: SubjectProcess
  load: LoadProcess
  watch: Watch
}

type Slice = Sent & { cpu: number; idle: number; perTurn: number; redisCpu: number; perSecond: number }

/** Number of sessions that take turns: at least one for each connection. */
export function browsersOf({ quick, connections }: Options): number {
  return Math.max(quick ? 100 : 500, 2 * Math.max(0, ...connections))
}

/** Number of requests whose commands are counted. It is small, because MONITOR makes them slow. */
const COUNTED = 500
/** A server is busy if it is idle for no more than this share of the time. */
const BUSY_IDLE = 0.05
/** A row is disturbed if the reference's slices scatter more than this. */
const CALM_SCATTER = 0.12
/** A row is disturbed if other processes use more than this share of the servers' core. */
const CALM_SHARE = 0.05

/** Measures one scenario at one number of connections, with several subjects in several generations of processes. */
export class Trial {
  readonly plan: Plan
  readonly #generations: number
  readonly #series = new Map<string, Series>()

  constructor(plan: Plan, generations: number) {
    this.plan = plan
    this.#generations = generations
  }

  /** Measures warm processes. It calls `done` after every slice, `slicesOf` times in all. */
  async run(bench: Bench, done: (subject: string) => void): Promise<void> {
    const { plan } = this
    const { reference, subject, load, watch } = bench
    const [beside, own] = [this.#seriesOf(reference), this.#seriesOf(subject)]
    const take = async (server: SubjectProcess) => {
      const slice = await takeSlice(plan, server, bench)
      this.#seriesOf(server).slices.push(slice)
      if (server === reference) own.beside.push(slice)
      done(server.name)
      return slice
    }

    const foreignShare = await watchCore([reference, subject])
    let before = await take(reference)
    for (let round = 0; round < plan.rounds; round++) {
      const slice = await take(subject)
      const after = await take(reference)
      own.ratios.push(slice.cpu / ((before.cpu + after.cpu) / 2))
      before = after
    }
    // After the slices, when a near cache holds the sessions.
    for (const server of [reference, subject]) {
      const amount = Math.max(COUNTED, plan.connections)
      const count = await watch.count(server.db, amount, () => send(plan, server, load, { amount }))
      this.#seriesOf(server).counts.push(count)
      done(server.name)
    }
    const share = await foreignShare()
    for (const series of [beside, own]) series.foreignShares.push(share)
  }

  result(): Measurement {
    const { plan } = this
    const generations = this.#generations
    const measured = [...this.#series].map(([name, series]) => series.summary(name, generations))
    return { plan, generations, measured }
  }

  #seriesOf({ name }: SubjectProcess): Series {
    const series = this.#series.get(name) ?? new Series()
    this.#series.set(name, series)
    return series
  }
}

/** Number of slices of a subject and its reference in one generation, and thus of calls of `done`. */
export function slicesOf({ rounds }: Pick<Plan, 'rounds'>): number {
  return 3 + 2 * rounds
}

/** Sends this many requests before the measurement, so that V8 compiles the hot code. */
export async function warmUp(
  plan: Plan,
  subject: SubjectProcess,
  load: LoadProcess,
  requests: number,
  options: Options
): Promise<void> {
  const { kind } = plan.scenario
  const { name, port } = subject
  if (kind !== undefined) await load.begin({ subject: name, port, kind, browsers: browsersOf(options) })
  await send(plan, subject, load, { amount: Math.max(requests, plan.connections) })
}

/** Sends requests until the end of a slice, or until another end. */
export function send(
  { scenario, connections, milliseconds }: Plan,
  { name, port }: SubjectProcess,
  load: LoadProcess,
  until: { amount: number } | { milliseconds: number } = { milliseconds }
): Promise<Sent> {
  return load.send({ subject: name, port, scenario: scenario.name, connections, ...until })
}

async function takeSlice(plan: Plan, subject: SubjectProcess, { load, watch }: Bench): Promise<Slice> {
  const redisBefore = await watch.cpu()
  const before = await subject.usage()
  const sent = await send(plan, subject, load)
  const after = await subject.usage()
  const redisAfter = await watch.cpu()
  const cpu = after.cpu - before.cpu
  return {
    ...sent,
    cpu: cpu / sent.requests,
    idle: Math.max(0, 1 - cpu / (1e6 * sent.seconds)),
    perTurn: sent.requests / (after.turns - before.turns),
    redisCpu: (redisAfter - redisBefore) / sent.requests,
    perSecond: sent.requests / sent.seconds
  }
}

class Series {
  readonly slices: Slice[] = []
  /** Those of the reference between them; none for the reference itself. */
  readonly beside: Slice[] = []
  readonly foreignShares: number[] = []
  readonly ratios: number[] = []
  readonly counts: Count[] = []

  summary(subject: string, generations: number): Measured {
    const reference = this.beside.length === 0 ? this.slices : this.beside
    const middle = (key: keyof Slice) => median(this.slices.map((slice) => slice[key]))
    const counted = (key: keyof Count) => median(this.counts.map((count) => count[key]))
    return {
      subject,
      ratios: this.ratios,
      // The reference has no ratios, because it is the base of all others.
      ratio: this.ratios.length === 0 ? { ratio: 1, low: 1, high: 1 } : ratioOf(this.ratios, generations),
      cpu: middle('cpu'),
      idle: middle('idle'),
      notBusy: Math.max(middle('idle'), median(reference.map(({ idle }) => idle))) > BUSY_IDLE,
      perTurn: middle('perTurn'),
      perSecond: middle('perSecond'),
      p50: middle('p50'),
      p99: middle('p99'),
      redisCpu: middle('redisCpu'),
      commands: counted('commands'),
      executed: counted('executed'),
      disturbed: disturbanceOf(reference, Math.max(...this.foreignShares))
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

/** Empty if other processes used little of the core. */
export function foreignText(share: number): string {
  return share > CALM_SHARE ? `others used ${Math.round(100 * share)} % of the core` : ''
}

/** Returns a function that tells the share of time for which other processes used the servers' core. */
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
