// The part of `npm run chaos` that is small enough for every run of the tests. No clock is asked here: what is looked
// at is what was lost, who was logged out, and what nobody handled.
import t from 'tap'
import type { Fault, Scenario } from './chaos/fault.js'
import { promisesBroken } from './chaos/promises.js'
import { runScenario } from './chaos/scenario.js'
import { scenarios } from './chaos/scenarios.js'
import { generator } from './support/random.js'

const MS = 2_000

function scenario(name: string, ...faults: string[]): [Scenario, Fault[]] {
  const found = scenarios.find((scenario) => scenario.name.includes(name))
  const chosen = found?.faults.filter((fault) => faults.includes(fault.name)) ?? []
  if (found === undefined || chosen.length !== faults.length) throw new Error(`no such faults of ${name}`)
  return [found, chosen]
}

for (const [chosen, faults] of [
  scenario('appendfsync always', 'killed, restarted', 'writes paused', 'connections cut', 'memory full'),
  scenario('nothing persisted', 'killed, restarted empty'),
  scenario('circuitBreaker', 'frozen')
]) {
  t.test(`two processes under load on ${chosen.name}`, async (t) => {
    const load = { rate: 100, random: generator(1) }
    for await (const [fault, result] of runScenario(chosen, faults, MS, load)) {
      t.ok(result.errors.size > 0, `${fault.name}: requests fail meanwhile`)
      t.ok(result.acknowledged > 0, `${fault.name}: others are served`)
      t.ok(result.visits > 0, `${fault.name}: some come for the first time`)
      t.strictSame(
        promisesBroken(fault, result),
        [],
        `${fault.name}: nothing is lost silently, nobody logged out`
      )
    }
  })
}
