// Part of `npm run test:hunt`, or run alone: the models with random plans in random orders.
//   --of users      the sessions of users; parallel requests of one session by default
//   --seed 1        seed of the plans; random by default
//   --runs 20000    number of plans
// A failure names a seed and a path. A run with both (`--seed`, `--path`) repeats and shrinks it, which takes minutes.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { provideRedisServer } from '../../scripts/redis-binary.js'
import { Model } from '../model/model.js'
import { foundBy, type Order } from '../model/order.js'
import { plan } from '../model/plan.js'
import { UserModel } from '../model/users/model.js'
import { plan as usersPlan } from '../model/users/plan.js'
import { lifetime } from '../support/lifetime.js'

const { values } = parseArgs({
  options: {
    of: { type: 'string', default: 'requests' },
    seed: { type: 'string' },
    runs: { type: 'string', default: '20000' },
    path: { type: 'string' }
  }
})
const seed = Number(values.seed ?? randomInt(2 ** 31))
process.env.REDIS_SERVER = provideRedisServer()
console.log(`model of ${values.of}: ${values.runs} plans, seed ${seed}`)
const { test, end } = lifetime()
const model = values.of === 'users' ? await UserModel.open(test) : await Model.open(test)
try {
  if (model instanceof UserModel) await hunt(usersPlan, (plan, order) => model.judge(plan, order))
  else await hunt(plan, (plan, order) => model.judge(plan, order))
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
} finally {
  await end()
}
console.log(`model of ${values.of}: ${JSON.stringify({ ...model.totals, ...model.seen })}`)

function hunt<Plan>(
  plan: fc.Arbitrary<Plan>,
  judge: (plan: Plan, order: Order) => Promise<string[]>
): Promise<void> {
  const property = fc.asyncProperty(plan, fc.scheduler(), async (plan, scheduler) => {
    const violations = await judge(plan, foundBy(scheduler))
    if (violations.length > 0) throw new Error(violations.join('\n'))
  })
  return fc.assert(property, {
    seed,
    numRuns: Number(values.runs),
    ...(values.path === undefined ? { endOnFailure: true } : { path: values.path }),
    includeErrorInReport: true
  })
}
