// Compares parallel requests with the model: histories that failed once, and random ones from a fixed seed.
// `npm run test:hunt` tries other seeds.
import t from 'tap'
import fc from '../support/properties.js'
import { Model } from './model.js'
import { foundBy, WrittenOrder } from './order.js'
import { plan } from './plan.js'
import { regressions } from './regressions.js'

const RUNS = 200

t.test('parallel requests: the session ends with the changes of all, in any order', async (t) => {
  const model = await Model.open(t)
  for (const { what, plan, order } of regressions) {
    t.strictSame(await model.judge(plan, new WrittenOrder(order)), [], what)
  }
  const property = fc.asyncProperty(plan, fc.scheduler(), async (plan, scheduler) => {
    const violations = await model.judge(plan, foundBy(scheduler))
    if (violations.length > 0) throw new Error(violations.join('\n'))
  })
  // Shrinking a failure takes minutes: run `npx tsx test/hunt/model.ts` with the seed and path of the message.
  const parameters = { numRuns: RUNS, includeErrorInReport: true, endOnFailure: true }
  await t.resolves(fc.assert(property, parameters), `${RUNS} runs`)
  // The runs must have covered every case that the ledger counts.
  for (const [what, count] of Object.entries(model.seen)) t.ok(count > 0, what)
})
