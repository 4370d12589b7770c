// The sessions of users under parallel logins, moves, ends, failures and crashes, in random orders from a fixed seed.
// `npm run test:hunt` tries other seeds.
import t from 'tap'
import fc from '../support/properties.js'
import { foundBy } from './order.js'
import { UserModel } from './users/model.js'
import { plan } from './users/plan.js'

const RUNS = 60

t.test(
  'whatever happens at the same time, lists are right, ended sessions stay ended, limits hold',
  async (t) => {
    const model = await UserModel.open(t)
    const property = fc.asyncProperty(plan, fc.scheduler(), async (plan, scheduler) => {
      const violations = await model.judge(plan, foundBy(scheduler))
      if (violations.length > 0) throw new Error(violations.join('\n'))
    })
    // Shrinking a failure takes minutes: run `npx tsx test/hunt/model.ts --of users` with the seed and path of the message.
    const parameters = { numRuns: RUNS, includeErrorInReport: true, endOnFailure: true }
    await t.resolves(fc.assert(property, parameters), `${RUNS} runs`)
    t.comment(JSON.stringify(model.seen))
    // The runs must have covered every case that they count.
    for (const [what, count] of Object.entries(model.seen)) t.ok(count > 0, what)
  }
)
