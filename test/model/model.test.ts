// Parallel requests against the model, in whatever order the scheduler finds.
// MODEL_RUNS=5000 hunts for long; MODEL_SEED and MODEL_PATH repeat what a failure names.
import fc from 'fast-check'
import t from 'tap'
import { MemoryStore, RedisStore } from '../../lib/index.js'
import { startRedis } from '../support/redis-server.js'
import { plan } from './plan.js'
import { type Backend, carryOut, Fleet } from './run.js'

const RUNS = Number(process.env.MODEL_RUNS ?? 500)
/** Runs that failed once; a change of `plan.ts` gives them another meaning. */
const FAILED_ONCE = [
  { what: 'a new id kept what another request had added', seed: 42, path: '265' },
  {
    what: 'a cookie of save() overwrote that of the new id',
    seed: 42,
    path: '597'
  },
  {
    what: 'a turn left the record of another id behind',
    seed: 42,
    path: '268'
  }
]

t.test('whatever the order, what parallel requests leave is what they together made', async (t) => {
  const redis = await startRedis(t)
  const fleet = new Fleet()
  t.teardown(() => fleet.close())
  const backends = { redis: inRedis(redis.client), memory: inMemory() }

  const orders = new Set<string>()
  const totals = { runs: 0, operations: 0, conflicts: 0, merges: 0, moved: 0, vanished: 0, clashes: 0 }
  const property = fc.asyncProperty(plan, fc.scheduler(), async (plan, scheduler) => {
    const { violations, operations, seen } = await carryOut(plan, scheduler, backends[plan.store], fleet)
    totals.runs++
    totals.operations += operations
    for (const [name, count] of Object.entries(seen)) totals[name as keyof typeof seen] += count
    orders.add(String(scheduler))
    if (violations.length > 0) throw new Error(violations.join('\n'))
  })
  const check = (parameters: fc.Parameters<[Parameters<typeof carryOut>[0], fc.Scheduler]>) =>
    fc.assert(property, { includeErrorInReport: true, ...parameters })

  for (const { what, seed, path } of FAILED_ONCE) {
    await t.resolves(check({ seed, path, numRuns: 1, endOnFailure: true }), what)
  }
  const { MODEL_SEED, MODEL_PATH } = process.env
  await t.resolves(
    check({
      numRuns: RUNS,
      ...(MODEL_SEED === undefined ? {} : { seed: Number(MODEL_SEED) }),
      ...(MODEL_PATH === undefined ? {} : { path: MODEL_PATH, endOnFailure: true })
    }),
    `${RUNS} runs`
  )
  // In the output of a hunt with many runs this says how far it went; what must have happened is asserted below.
  t.comment(`${orders.size} orders, ${JSON.stringify(totals)}`)
  const { merges, moved, vanished, clashes } = totals
  t.ok(RUNS < 100 || [merges, moved, vanished, clashes].every((count) => count > 0), 'requests did meet')
})

function inRedis(client: Awaited<ReturnType<typeof startRedis>>['client']): Backend {
  return {
    store: new RedisStore(client),
    clear: async () => void (await client.flushdb()),
    async dump() {
      const found = new Map<string, Uint8Array>()
      for (const key of await client.keys('*')) {
        const record = await client.getBuffer(key)
        if (record !== null) found.set(key, record)
      }
      return found
    }
  }
}

function inMemory(): Backend {
  const store = new MemoryStore()
  return {
    store,
    // Ids are never used twice: what earlier runs left is in nobody's way.
    clear: async () => {},
    async dump(keys) {
      const found = new Map<string, Uint8Array>()
      for (const key of keys) {
        const record = await store.read(key)
        if (record !== undefined) found.set(key, record)
      }
      return found
    }
  }
}
