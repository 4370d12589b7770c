// The number of measurements: most at 50 connections, where the targets apply, and fewer at other numbers.
import type { Options } from '../part.js'
import { isWanted, SCENARIOS, type Scenario } from './scenarios.js'
import type { Plan } from './slices.js'
import type { Subject } from './subjects.js'

/** The connections of a busy server, and those of the parallel writes. */
const USUAL = 50
const MAIN: readonly string[] = ['read', 'write']
/** The scenarios at other numbers of connections. */
const ASIDE: readonly string[] = [...MAIN, 'no cookie', 'read object', 'login']

/** Milliseconds of a slice. They are fixed, so that a run takes as long on a busy machine as on a quiet one. */
const SLICE = 200
const QUICK_SLICE = 100
/** Minimum requests of each scenario to a subject, and of all its scenarios together: V8 compiles what it often runs. */
const WARM_UP = { each: 8_000, all: 50_000 }
const QUICK_WARM_UP = { each: 2_000, all: 12_000 }
/** The scenarios of a quick run, and those of the peers in it. */
const QUICK_OURS: readonly string[] = [
  ...['no cookie', 'not looked at', 'read', 'read object', 'read object, peek'],
  ...['write', 'change inside an object', 'login']
]
const QUICK_PEERS: readonly string[] = [...MAIN, 'read object']

export function plansOf(part: Subject['part'], options: Options): Plan[] {
  const scenarios: readonly Scenario[] = SCENARIOS.filter(({ name }) => isWanted(name, options.only))
  return connectionsOf(options).flatMap((connections) =>
    scenarios
      .filter((scenario) => isWorthwhile(part, scenario, connections, options))
      .map((scenario) => ({
        scenario,
        connections,
        milliseconds: options.quick ? QUICK_SLICE : SLICE,
        rounds: roundsOf(part, scenario, connections, options)
      }))
  )
}

/** Requests by which each subject warms up in each of its scenarios. @param scenarios Their number. */
export function warmUpOf(scenarios: number, { quick }: Options): number {
  const { each, all } = quick ? QUICK_WARM_UP : WARM_UP
  return Math.max(each, Math.ceil(all / scenarios))
}

function connectionsOf({ connections, quick, only }: Options): readonly number[] {
  if (connections.length > 0) return connections
  return quick || only.length > 0 ? [USUAL] : [USUAL, 1, 200]
}

function isWorthwhile(
  part: Subject['part'],
  { name, shared }: Scenario,
  connections: number,
  { only, quick }: Options
): boolean {
  const quickOnes = part === 'peers' ? QUICK_PEERS : QUICK_OURS
  if (quick && only.length === 0 && !quickOnes.includes(name)) return false
  if (connections === USUAL) return true
  if (shared === true) return false
  return only.length > 0 || (part === 'peers' ? MAIN : ASIDE).includes(name)
}

function roundsOf(
  part: Subject['part'],
  { name }: Scenario,
  connections: number,
  { quick, only }: Options
): number {
  // A run of chosen scenarios measures them thoroughly.
  if (only.length > 0) return 8
  if (quick) return MAIN.includes(name) && part === 'server' ? 4 : 2
  if (connections !== USUAL || part === 'peers') return 2
  return MAIN.includes(name) ? 6 : 3
}
