// Parallel requests against the model: histories that failed once, and some that fast-check finds, the same ones each
// time. `npm run test:hunt` looks for others.
import t from 'tap'
import fc from '../support/properties.js'
import { Model } from './model.js'
import { foundBy, WrittenOrder } from './order.js'
import { plan } from './plan.js'
import { regressions } from './regressions.js'

const RUNS = 200

t.test('whatever the order, what parallel requests leave is what they together made', async (t) => {
  const model = await Model.open(t)
  for (const { what, plan, order } of regressions) {
    t.strictSame(await model.judge(plan, new WrittenOrder(order)), [], what)
  }
  const property = fc.asyncProperty(plan, fc.scheduler(), async (plan, scheduler) => {
    const violations = await model.judge(plan, foundBy(scheduler))
    if (violations.length > 0) throw new Error(violations.join('\n'))
  })
  // To make a failure smaller takes minutes: `npx tsx test/hunt/model.ts` does, with the seed and the path that are named.
  const parameters = { numRuns: RUNS, includeErrorInReport: true, endOnFailure: true }
  await t.resolves(fc.assert(property, parameters), `${RUNS} runs`)
  // What a run is about must have come up in one of them.
  for (const [what, count] of Object.entries(model.seen)) t.ok(count > 0, what)
})
