// Measures one dimension of growth. Each round measures all points once, so that a disturbance of the machine affects
// all points alike.
import type { Redis } from 'ioredis'
import type { Context } from '../part.js'
import { type LoadProcess, type SubjectProcess, startSubject } from '../server/processes.js'
import type { ScenarioName } from '../server/scenarios.js'
import { foreignText, watchCore } from '../server/slices.js'
import { SUBJECTS, type Subject } from '../server/subjects.js'
import type { Watch } from '../server/watch.js'
import { median } from '../statistics.js'
import type { Dimension, Situation } from './dimensions.js'
import { fill } from './fill.js'

export interface Bench extends Context {
  load: LoadProcess
  watch: Watch
}

/** The cost of one kind of request along a dimension. */
export interface Curve {
  dimension: Dimension
  scenario: ScenarioName
  points: readonly CurvePoint[]
  /** The sign of a disturbance; empty if there was none. */
  disturbed: string
}

/** Microseconds of CPU round by round, per request or per `together` requests of the dimension. */
export interface CurvePoint {
  at: number
  server: number[]
  redis: number[]
}

const OURS = SUBJECTS.find(({ name }) => name === 'json') as Subject
/** Each server has its own database of Redis; databases from this one on are free. */
const FIRST_DATABASE = 10

/** Slices of each point, the CPU time of a slice, and the minimum number of requests per connection in it. */
const QUICK = { rounds: 2, seconds: 0.04, each: 8 }
const THOROUGH = { rounds: 10, seconds: 0.15, each: 15 }
/** Requests after which V8 has optimised a route. */
const FIRST = 2_000
const OPENINGS = 3

/** Microseconds of CPU. */
interface Cost {
  server: number
  redis: number
}

/** A point with its server and its sessions. */
interface Place {
  at: number
  situation: Situation
  subject: SubjectProcess
  /** The name of its browsers in the load process. */
  label: string
}

export async function measureDimension(dimension: Dimension, bench: Bench): Promise<Curve[]> {
  const { progress, options } = bench
  const { name, scenarios } = dimension
  const points = options.quick ? fewOf(dimension.points) : dimension.points
  const { rounds } = options.quick ? QUICK : THOROUGH
  progress.begin(`Growth: ${name}`, points.length * (1 + scenarios.length * (rounds + 1)))
  const places: Place[] = []
  const curves: Curve[] = []
  try {
    for (const at of points) {
      places.push(await arrange(dimension, at, places, bench))
      progress.step('signing in')
    }
    for (const scenario of scenarios) {
      curves.push({ dimension, scenario, ...(await measureCurve(places, scenario, rounds, bench)) })
    }
  } finally {
    progress.end()
    for (const subject of subjectsOf(places)) {
      await subject.stop()
      await inDatabase(subject.db, bench.redis, (client) => client.flushdb())
    }
  }
  return curves
}

async function measureCurve(
  places: readonly Place[],
  scenario: ScenarioName,
  rounds: number,
  bench: Bench
): Promise<Pick<Curve, 'points' | 'disturbed'>> {
  const slicings: Slicing[] = []
  for (const [index, place] of places.entries()) {
    if (place.subject !== places[index - 1]?.subject) await send(place, scenario, FIRST, bench)
    slicings.push(await warmUp(place, scenario, bench))
    bench.progress.step(`${scenario}, warming up`)
  }
  const foreignShare = await watchCore(subjectsOf(places))
  const points = places.map(({ at }): CurvePoint => ({ at, server: [], redis: [] }))
  for (let round = 0; round < rounds; round++) {
    for (const [index, place] of places.entries()) {
      const { server, redis } = await takeSlice(place, scenario, slicings[index] as Slicing, bench)
      points[index]?.server.push(server)
      points[index]?.redis.push(redis)
      bench.progress.step(scenario)
    }
  }
  return { points, disturbed: foreignText(await foreignShare()) }
}

function subjectsOf(places: readonly Place[]): SubjectProcess[] {
  return [...new Set(places.map(({ subject }) => subject))]
}

async function arrange(
  { name, at }: Dimension,
  point: number,
  before: readonly Place[],
  { redis, redisPort, load }: Bench
): Promise<Place> {
  const situation = at(point)
  const { kind, browsers, stored } = situation
  // If the number of stored sessions grows, each point needs its own database and thus its own server.
  const subject =
    (stored === undefined ? before[0]?.subject : undefined) ??
    (await startEmpty(FIRST_DATABASE + before.length, redis, redisPort))
  const label = `${name}, database ${subject.db}`
  await load.begin({ subject: label, port: subject.port, kind, browsers })
  if (stored !== undefined) await inDatabase(subject.db, redis, (client) => fill(client, stored))
  return { at: point, situation, subject, label }
}

async function startEmpty(db: number, redis: Redis, redisPort: number): Promise<SubjectProcess> {
  await inDatabase(db, redis, (client) => client.flushdb())
  return startSubject(OURS, redisPort, db)
}

/** The number of requests that make a slice long enough, and the cost to subtract from it. */
interface Slicing {
  amount: number
  /** The cost of opening the connections and of the first request of each. It matters with five hundred of them. */
  opening: Cost
}

async function warmUp(place: Place, scenario: ScenarioName, bench: Bench): Promise<Slicing> {
  const { connections } = place.situation
  const { seconds, each } = bench.options.quick ? QUICK : THOROUGH
  const few = Math.max(30, connections)
  // Measured as CPU time, which does not depend on other processes.
  const { server } = await costOf(place, scenario, few, bench)
  const amount = Math.max(few, connections * each, Math.round((few * seconds * 1e6) / server))
  await send(place, scenario, amount, bench)
  const openings: Cost[] = []
  for (let times = 0; times < OPENINGS; times++) {
    openings.push(await costOf(place, scenario, connections, bench))
  }
  const middle = (key: keyof Cost) => median(openings.map((cost) => cost[key]))
  return { amount, opening: { server: middle('server'), redis: middle('redis') } }
}

async function takeSlice(
  place: Place,
  scenario: ScenarioName,
  { amount, opening }: Slicing,
  bench: Bench
): Promise<Cost> {
  const { connections, together = 1 } = place.situation
  const whole = await costOf(place, scenario, connections + amount, bench)
  const share = together / amount
  return { server: (whole.server - opening.server) * share, redis: (whole.redis - opening.redis) * share }
}

async function costOf(place: Place, scenario: ScenarioName, amount: number, bench: Bench): Promise<Cost> {
  const redisBefore = await bench.watch.cpu()
  const before = await place.subject.usage()
  await send(place, scenario, amount, bench)
  const after = await place.subject.usage()
  const redisAfter = await bench.watch.cpu()
  return { server: after.cpu - before.cpu, redis: redisAfter - redisBefore }
}

function send({ label, subject, situation }: Place, scenario: ScenarioName, amount: number, { load }: Bench) {
  const { kind, connections } = situation
  return load.send({ subject: label, port: subject.port, scenario, kind, connections, amount })
}

async function inDatabase(db: number, redis: Redis, act: (client: Redis) => Promise<unknown>): Promise<void> {
  const client = redis.duplicate({ db })
  try {
    await act(client)
  } finally {
    client.disconnect()
  }
}

/** The ends, and every other point between them. */
function fewOf(points: readonly number[]): number[] {
  return points.filter((_, index) => index === 0 || index % 2 === 1)
}
