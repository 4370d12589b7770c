// One round: browsers use the service while one fault is struck; then all is healed, looked at and compared.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Browser, type Habits } from './browser.js'
import { check, mayHaveMissedItsId, type Violation } from './check.js'
import type { Fault, Stage } from './faults.js'
import { type Life, saidAtEnd, saidOf, saidOfLogout } from './history.js'

export interface RoundOptions<Struck> extends Stage<Struck> {
  browsers: number
  habits: Omit<Habits, 'random'>
  /** Whether requests are measured: not in tests, where the machine may be busy. */
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
  /** Sessions that cannot be looked at, since the answer with their new id was never heard. */
  missed: number
}

/** Milliseconds that the machine and the handlers may add to the deadline of a request. */
const SLACK = 100

export async function runRound<Struck>(fault: Fault<Struck>, options: RoundOptions<Struck>): Promise<Round> {
  const { fleet, random, habits, timeout } = options
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  await fleet.condition()
  const startedAt = performance.now()
  const clock = () => performance.now() - startedAt
  const browsers = Array.from(
    { length: options.browsers },
    (_, index) => new Browser(`b${index + 1}`, fleet, { ...habits, random }, clock)
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
  delay.disable()
  const conditions = await fleet.condition()
  const violations = lives.flatMap(check)
  for (const { unhandled } of conditions) {
    for (const text of unhandled) violations.push({ kind: 'unhandled', life: '', text, entries: [] })
  }
  if (options.isTimed) {
    const stall = delay.max / 1e6 + Math.max(...conditions.map((condition) => condition.stall))
    const limit = timeout * 1.1 + 3 * habits.pause + stall + SLACK
    for (const { name, entries } of lives) {
      for (const entry of entries.filter(({ sentAt, endedAt }) => endedAt - sentAt > limit)) {
        const text = `${Math.round(entry.endedAt - entry.sentAt)} ms, the limit is ${Math.round(limit)}`
        violations.push({ kind: 'late', life: name, text, entries: [entry] })
      }
    }
  }
  const counts = countsOf(lives)
  // Where nothing was said there is nothing that could be wrong, and nothing that is right.
  if (counts.acknowledged === 0) throw new Error('nothing was acknowledged in this round')
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
