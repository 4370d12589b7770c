// The targets, and whether the measurements reach them.
import type { Column, Row, Table } from '../results.js'
import { type Ratio, ratioOf } from '../statistics.js'
import type { ScenarioName } from './scenarios.js'
import type { Measured, Measurement } from './slices.js'
import { REFERENCE, type SubjectName } from './subjects.js'

/** The number of connections for which the targets apply. */
const CONNECTIONS = 50

type Target =
  /** The server's CPU per request, relative to another subject. */
  | { of: SubjectName; to: SubjectName; scenario: ScenarioName; atMost: number }
  /** Commands that a request sends to Redis. */
  | { commandsOf: SubjectName; scenario: ScenarioName; atMost: number }
  /** Bytes of a session in Redis, relative to another subject. */
  | { bytesOf: SubjectName; to: SubjectName; session: string; atMost: number }

const CONNECT_REDIS = 'express-session, connect-redis'

const TARGETS: readonly Target[] = [
  { of: 'json', to: REFERENCE, scenario: 'read', atMost: 0.9 },
  { of: 'json', to: 'fastify + cookie', scenario: 'no cookie', atMost: 1.02 },
  { of: 'json', to: REFERENCE, scenario: 'not looked at', atMost: 0.9 },
  { of: 'json', to: REFERENCE, scenario: 'write', atMost: 0.95 },
  { of: 'json', to: REFERENCE, scenario: 'read object', atMost: 1 },
  { of: 'json, near cache', to: REFERENCE, scenario: 'read', atMost: 0.7 },
  { of: 'json, near cache', to: REFERENCE, scenario: 'read object', atMost: 0.25 },
  { of: 'json, near cache', to: REFERENCE, scenario: 'read object, peek', atMost: 0.25 },
  { of: 'json, near cache', to: REFERENCE, scenario: 'write', atMost: 1.1 },
  { of: 'msgpack', to: 'json', scenario: 'read', atMost: 1 },
  { of: 'msgpack', to: 'json', scenario: 'write', atMost: 1 },
  { of: 'msgpack', to: 'json', scenario: 'read 10 KB', atMost: 1 },
  { of: 'msgpack', to: 'json', scenario: 'write 10 KB', atMost: 1 },
  { commandsOf: 'json', scenario: 'no cookie', atMost: 0 },
  { commandsOf: 'json', scenario: 'read', atMost: 1 },
  { commandsOf: 'json', scenario: 'write', atMost: 2 },
  { commandsOf: 'json, near cache', scenario: 'read', atMost: 0 },
  { bytesOf: 'json', to: CONNECT_REDIS, session: 'login', atMost: 1 },
  { bytesOf: 'json', to: CONNECT_REDIS, session: 'cart', atMost: 1 },
  { bytesOf: 'msgpack', to: CONNECT_REDIS, session: 'login', atMost: 0.8 },
  { bytesOf: 'msgpack', to: CONNECT_REDIS, session: 'cart', atMost: 0.8 }
]

const COLUMNS: readonly Column[] = [
  { key: 'target', title: 'target', role: 'name' },
  { key: 'atMost', title: 'at most', role: 'note', digits: 2 },
  { key: 'measured', title: 'measured', role: 'note', digits: 3 },
  { key: 'reached', title: 'reached', role: 'note' }
]

/** The table of targets. It omits targets without a measurement. */
export function judge(measurements: readonly Measurement[], sizes: readonly Table[]): Table {
  const rows = TARGETS.flatMap((target) => {
    const ratio = measuredOf(target, measurements, sizes)
    return ratio === undefined ? [] : [rowOf(target, ratio)]
  })
  return { name: 'targets', title: `Targets, at ${CONNECTIONS} connections`, columns: COLUMNS, rows }
}

function rowOf(target: Target, { ratio, low, high }: Ratio): Row {
  const { atMost } = target
  const isDecided = high <= atMost || low > atMost
  return {
    target: describe(target),
    atMost,
    measured: ratio,
    // Values without noise have no interval.
    ...(low === high ? {} : { measuredLow: low, measuredHigh: high }),
    reached: `${ratio <= atMost ? 'reached' : 'not reached'}${isDecided ? '' : ', within the noise'}`
  }
}

function describe(target: Target): string {
  if ('of' in target) return `CPU, ${target.scenario}: ${target.of} to ${target.to}`
  if ('commandsOf' in target) return `Redis commands, ${target.scenario}: ${target.commandsOf}`
  return `bytes in Redis, ${target.session}: ${target.bytesOf} to ${target.to}`
}

function measuredOf(
  target: Target,
  measurements: readonly Measurement[],
  sizes: readonly Table[]
): Ratio | undefined {
  if ('bytesOf' in target) {
    const { bytesOf, to, session } = target
    const [own, other] = [memoryOf(sizes, bytesOf, session), memoryOf(sizes, to, session)]
    return own === undefined || other === undefined ? undefined : exactly(own / other)
  }
  const measurement = measurements.find(
    ({ plan }) => plan.connections === CONNECTIONS && plan.scenario.name === target.scenario
  )
  const find = (name: SubjectName) => measurement?.measured.find(({ subject }) => subject === name)
  if ('commandsOf' in target) {
    const found = find(target.commandsOf)
    return found && exactly(found.commands)
  }
  const [own, other] = [find(target.of), find(target.to)]
  return own && other && ratioBetween(own, other, measurement?.generations)
}

/** Divides the ratios round by round, because both subjects were measured beside the reference in each round. */
function ratioBetween(own: Measured, other: Measured, generations?: number): Ratio {
  if (other.subject === REFERENCE) return own.ratio
  return ratioOf(
    own.ratios.map((ratio, round) => ratio / (other.ratios[round] as number)),
    generations
  )
}

function memoryOf(sizes: readonly Table[], name: SubjectName, session: string): number | undefined {
  const rows = sizes.flatMap((table) => table.rows)
  const found = rows.find((row) => row.subject === name && row.session === session)
  return found?.memory as number | undefined
}

function exactly(value: number): Ratio {
  return { ratio: value, low: value, high: value }
}
