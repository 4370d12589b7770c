// The part of `npm run chaos` that is short enough for every test run. It measures no time. It checks what was lost,
// who was logged out, and that no rejection went unhandled.
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
  t.test(`chaos on ${chosen.name}: nothing is lost silently, no user is logged out`, async (t) => {
    const load = { rate: 100, random: generator(1) }
    for await (const [fault, result] of runScenario(chosen, faults, MS, load)) {
      t.ok(result.errors.size > 0, `${fault.name}: some requests fail during the fault`)
      t.ok(result.acknowledged > 0, `${fault.name}: other requests succeed`)
      t.ok(result.visits > 0, `${fault.name}: new visitors get sessions`)
      t.strictSame(
        promisesBroken(fault, result),
        [],
        `${fault.name}: nothing is lost silently, no user is logged out`
      )
    }
  })
}
