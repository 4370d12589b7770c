// The model with its stores, Redis and memory, and the Fastify instances that serve all runs.
import type { Test } from 'tap'
import { MemoryStore, RedisStore } from '../../lib/index.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import type { Ledger } from './ledger.js'
import type { Order } from './order.js'
import type { Plan } from './plan.js'
import { type Backend, carryOut, Fleet } from './run.js'

export class Model {
  readonly totals = { runs: 0, operations: 0 }
  readonly seen: Partial<Ledger['seen']> = {}
  readonly #fleet = new Fleet()
  readonly #backends: { redis: Backend; memory: Backend }

  private constructor(redis: RedisServer) {
    this.#backends = { redis: inRedis(redis.client), memory: inMemory() }
  }

  static async open(t: Test): Promise<Model> {
    const model = new Model(await startRedis(t))
    t.teardown(() => model.#fleet.close())
    return model
  }

  /** Runs this plan in this order, and returns the violations. */
  async judge(plan: Plan, order: Order): Promise<string[]> {
    const { violations, operations, seen } = await carryOut(
      plan,
      order,
      this.#backends[plan.store],
      this.#fleet
    )
    this.totals.runs++
    this.totals.operations += operations
    for (const [name, count] of Object.entries(seen) as [keyof typeof seen, number][]) {
      this.seen[name] = (this.seen[name] ?? 0) + count
    }
    return violations
  }
}

function inRedis(client: RedisServer['client']): Backend {
  return {
    store: new RedisStore(client),
    // Its clock goes on by itself.
    expire: async (keys) => void (keys.length > 0 && (await client.del(keys))),
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
    // No id is used twice, so records of earlier runs do no harm.
    clear: async () => {},
    expire: async () => {},
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
