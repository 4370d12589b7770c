// How often what is measured: most where the targets are, at 50 connections; less at others.
import type { Options } from '../part.js'
import { isWanted, SCENARIOS, type Scenario } from './scenarios.js'
import type { Plan } from './slices.js'
import type { Subject } from './subjects.js'

/** As many as a busy server has; the number at which parallel writes are sent. */
const USUAL = 50
const MAIN: readonly string[] = ['read', 'write']

/** Requests of a slice: about a fifth of a second. */
const AMOUNTS: Readonly<Record<number, number>> = { 1: 1_500, 50: 5_000, 200: 5_000 }
const QUICK_AMOUNTS: Readonly<Record<number, number>> = { 1: 500, 50: 2_000, 200: 2_000 }

export function plansOf(part: Subject['part'], options: Options): Plan[] {
  const scenarios: readonly Scenario[] = SCENARIOS.filter(({ name }) => isWanted(name, options.only))
  return connectionsOf(options).flatMap((connections) =>
    scenarios
      .filter(({ shared }) => shared !== true || connections === USUAL)
      .map((scenario) => ({
        scenario,
        connections,
        amount: (options.quick ? QUICK_AMOUNTS : AMOUNTS)[connections] ?? 5_000,
        rounds: roundsOf(part, scenario, connections, options)
      }))
  )
}

function connectionsOf({ connections, quick }: Options): readonly number[] {
  if (connections.length > 0) return connections
  return quick ? [USUAL] : [USUAL, 1, 200]
}

function roundsOf(
  part: Subject['part'],
  { name }: Scenario,
  connections: number,
  { quick, only }: Options
): number {
  // Whoever asks for some scenarios wants to know them well.
  if (only.length > 0) return quick ? 8 : 24
  if (quick) return MAIN.includes(name) ? 6 : 3
  if (connections !== USUAL) return 4
  if (part === 'peers') return 6
  return MAIN.includes(name) ? 16 : 8
}
