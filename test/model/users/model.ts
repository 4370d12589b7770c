// The model of users with its stores, Redis and memory, and the processes that serve all runs.
import type { Test } from 'tap'
import { MemoryStore, RedisStore, type Store } from '../../../lib/index.js'
import { type RedisServer, startRedis } from '../../support/redis-server.js'
import type { Order } from '../order.js'
import type { Plan } from './plan.js'
import { type Backend, Process, type Stage } from './process.js'
import { Run, type Seen } from './run.js'

const PROCESSES = 2

export class UserModel {
  readonly totals = { runs: 0 }
  readonly seen: Partial<Seen> = {}
  readonly #redis: { client: RedisServer['client']; store: Store }
  readonly #idle = new Map<string, Process[]>()
  readonly #all: Process[] = []

  private constructor({ client }: RedisServer) {
    this.#redis = { client, store: new RedisStore(client) }
  }

  static async open(t: Test): Promise<UserModel> {
    const model = new UserModel(await startRedis(t))
    // A login that pauses does not keep this process alive, as a server would.
    const alive = setInterval(() => {}, 60_000)
    t.teardown(async () => {
      clearInterval(alive)
      for (const { app } of model.#all) await app.close()
    })
    return model
  }

  /** Runs this plan in this order, and returns the violations. */
  async judge(plan: Plan, order: Order): Promise<string[]> {
    const { store, end } = await this.#open(plan.store)
    const backend: Backend = { store, index: await (store as Required<Store>).openIndex() }
    const kills = plan.lanes.flatMap(({ turns }) => turns).filter(({ step }) => step.do === 'crash').length
    const processes = await this.#take(plan.maxPerUser, PROCESSES + kills, backend)
    const run = new Run(plan, order, backend, processes.slice(0, PROCESSES), processes.slice(PROCESSES))
    await run.carryOut()
    for (const process of processes) if (process.isDead) process.bury()
    this.#idle.get(JSON.stringify(plan.maxPerUser))?.push(...processes.filter(({ isDead }) => !isDead))
    end()
    this.totals.runs++
    for (const [name, count] of Object.entries(run.seen) as [keyof Seen, number][]) {
      this.seen[name] = (this.seen[name] ?? 0) + count
    }
    return run.violations
  }

  async #open(name: Plan['store']): Promise<{ store: Store; end(): void }> {
    if (name === 'redis') {
      await this.#redis.client.flushdb()
      return { store: this.#redis.store, end: () => {} }
    }
    const store = new MemoryStore({ maxEntries: 1_000 })
    return { store, end: () => void store.close() }
  }

  async #take(maxPerUser: Plan['maxPerUser'], count: number, backend: Backend): Promise<Process[]> {
    const name = JSON.stringify(maxPerUser)
    const idle = this.#idle.get(name) ?? []
    this.#idle.set(name, idle)
    const stage: Stage = { backend, running: 0, turn: async () => {} }
    while (idle.length < count) {
      const process = await Process.start(maxPerUser, stage)
      idle.push(process)
      this.#all.push(process)
    }
    return idle.splice(0, count)
  }
}
