// The expected time of a run, and the work that the parts expect.
import t from 'tap'
import { estimate } from '../../benchmarks/estimate.js'
import type { Options } from '../../benchmarks/part.js'
import { profilePlugin } from '../../benchmarks/profile/part.js'
import { measureOurs, measurePeers } from '../../benchmarks/server/part.js'

const ALL: Options = { quick: false, only: [], subjects: [], connections: [] }
const QUICK: Options = { ...ALL, quick: true }

t.test('estimate(): measured time, and all other work at the pace of the machine', async (t) => {
  const works = [
    { seconds: 30, starts: 10, signIns: 1_000, requests: 400, orders: 200 },
    { seconds: 5, starts: 1, signIns: 0, requests: 0, orders: 0 }
  ]
  const pace = { start: 2, signIn: 0.25, request: 0.125, order: 0.5 }
  t.equal(estimate(works, { start: 0, signIn: 0, request: 0, order: 0 }), 35)
  t.equal(estimate(works, pace), 35 + 22 + 250 + 50 + 100)
  t.equal(estimate([], pace), 0)
})

t.test('the work of a part grows with what is chosen', async (t) => {
  for (const part of [measureOurs, measurePeers, profilePlugin]) {
    const [all, quick] = [part.work(ALL), part.work(QUICK)]
    const few = part.work({ ...ALL, only: ['read'] })
    for (const key of ['seconds', 'starts', 'signIns', 'requests', 'orders'] as const) {
      t.ok(quick[key] < all[key], `${key}: ${quick[key]} in a quick run, ${all[key]} in all`)
      t.ok(few[key] <= all[key])
    }
  }
  const json = measureOurs.work({ ...ALL, only: ['read'], subjects: ['json'] })
  // In each of three generations: the reference, json and the load; a command count of both; 1 + 8 × 2 slices; two warm-ups.
  t.same(
    { starts: json.starts, orders: json.orders, signIns: json.signIns, requests: json.requests },
    { starts: 9, orders: 3 * (2 + 17 + 2), signIns: 3 * 2 * 500, requests: 3 * 2 * 50_000 }
  )
})
