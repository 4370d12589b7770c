// Part of `npm run test:hunt`, or run alone: the model with random plans in random orders.
//   --seed 1        seed of the plans; random by default
//   --runs 20000    number of plans
// A failure names a seed and a path. A run with both (`--seed`, `--path`) repeats and shrinks it, which takes minutes.
import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { provideRedisServer } from '../../scripts/redis-binary.js'
import { Model } from '../model/model.js'
import { foundBy } from '../model/order.js'
import { plan } from '../model/plan.js'
import { lifetime } from '../support/lifetime.js'

const { values } = parseArgs({
  options: { seed: { type: 'string' }, runs: { type: 'string', default: '20000' }, path: { type: 'string' } }
})
const seed = Number(values.seed ?? randomInt(2 ** 31))
process.env.REDIS_SERVER = provideRedisServer()
console.log(`model: ${values.runs} plans, seed ${seed}`)
const { test, end } = lifetime()
const model = await Model.open(test)
try {
  const property = fc.asyncProperty(plan, fc.scheduler(), async (plan, scheduler) => {
    const violations = await model.judge(plan, foundBy(scheduler))
    if (violations.length > 0) throw new Error(violations.join('\n'))
  })
  await fc.assert(property, {
    seed,
    numRuns: Number(values.runs),
    ...(values.path === undefined ? { endOnFailure: true } : { path: values.path }),
    includeErrorInReport: true
  })
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
} finally {
  await end()
}
console.log(`model: ${JSON.stringify({ ...model.totals, ...model.seen })}`)
