// One round: browsers use the service during one fault. Afterwards the checker compares the history with the sessions.
import { Browser, type Habits } from './browser.js'
import { check, checkAttempts, mayHaveMissedItsId, type Violation } from './check.js'
import type { Engine } from './engine.js'
import type { Fault, Stage } from './faults.js'
import { type Life, saidAtEnd, saidOf, saidOfLogout } from './history.js'

export interface RoundOptions<Struck> extends Stage<Struck> {
  browsers: number
  habits: Omit<Habits, 'random'>
  /** Whether to check how long requests take. Tests do not, since the machine may be busy. */
  isTimed: boolean
}

export interface Round {
  lives: Life[]
  violations: Violation[]
  counts: Counts
}

export interface Counts {
  requests: number
  acknowledged: number
  refused: number
  uncertain: number
  sessions: number
  loggedOut: number
  /** Sessions that the browser lost because the answer with the new id never arrived. */
  missed: number
}

/** Milliseconds that the machine and the handlers may add to a request's deadline. */
const SLACK = 50
/** Number of rounds so far. It makes the names of sessions unique. */
let rounds = 0

export async function runRound<Struck extends Engine>(
  fault: Fault<Struck>,
  options: RoundOptions<Struck>
): Promise<Round> {
  const { engine, fleet, random, habits, timeout, isTimed } = options
  const label = ++rounds
  await fault.prepare?.(engine)
  await fleet.condition()
  const startedAt = performance.now()
  const clock = () => performance.now() - startedAt
  const browsers = Array.from(
    { length: options.browsers },
    (_, index) =>
      new Browser(`${label}b${index + 1}`, fleet, { ...habits, random, often: fault.often }, clock)
  )
  const browsing = Promise.all(browsers.map((browser) => browser.browse()))
  try {
    await fault.strike(options)
  } finally {
    fleet.heal()
    for (const browser of browsers) browser.close()
    await browsing
  }
  const lives = (await Promise.all(browsers.map((browser) => browser.settle()))).flat()
  const limit = isTimed ? timeout * 1.1 + 2 * habits.pause + SLACK : undefined
  const violations = lives.flatMap((life) => check(life, limit))
  const attempts = browsers.flatMap((browser) => browser.attempts)
  violations.push(...checkAttempts(attempts, await engine.records()))
  for (const { unhandled } of await fleet.condition()) {
    for (const text of unhandled) violations.push({ kind: 'unhandled', life: '', text, entries: [] })
  }
  const counts = countsOf(lives)
  // Without an acknowledgement the checker would find no lost change: the round would prove nothing.
  if (counts.acknowledged === 0) throw new Error('this round proves nothing: no change was acknowledged')
  return { lives, violations, counts }
}

function countsOf(lives: readonly Life[]): Counts {
  const entries = lives.flatMap((life) => life.entries)
  const said = entries.flatMap((entry) =>
    entry.changes.length === 0 ? [saidAtEnd(entry)] : entry.changes.map((change) => saidOf(entry, change))
  )
  const count = (what: string) => said.filter((one) => one === what).length
  return {
    requests: entries.length,
    acknowledged: count('acknowledged'),
    refused: count('refused'),
    uncertain: count('uncertain'),
    sessions: lives.length,
    loggedOut: lives.filter((life) => saidOfLogout(life.entries) === 'acknowledged').length,
    missed: lives.filter((life) => life.end.browser.life === undefined && mayHaveMissedItsId(life)).length
  }
}
