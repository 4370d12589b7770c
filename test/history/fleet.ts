// The processes of the service. Each has its own proxy to Redis, so that a fault can hit a single process.
import { once } from 'node:events'
import { kill, launch, type ServiceProcess } from '../support/service-process.js'
import type { Wire } from '../support/wire.js'
import type { Engine } from './engine.js'
import type { Bug } from './planted.js'
import type { Condition, Order, ServiceOptions } from './service.js'

interface Place {
  options: ServiceOptions
  /** Missing while a new process replaces it. */
  process?: ServiceProcess
}

const PROGRAM = new URL('./service.js', import.meta.url)

export class Fleet {
  readonly #places: Place[] = []
  /** The proxies of all processes. */
  readonly proxies: Wire[] = []

  /** @param size Number of processes. */
  static async start(engine: Engine, size: number, service: Omit<ServiceOptions, 'redis'>): Promise<Fleet> {
    const fleet = new Fleet()
    await Promise.all(
      Array.from({ length: size }, async () => {
        const { redis, proxies } = await engine.connect()
        fleet.proxies.push(...proxies)
        const options = { ...service, redis }
        fleet.#places.push({ options, process: await launch(PROGRAM, options) })
      })
    )
    return fleet
  }

  get size(): number {
    return this.#places.length
  }

  /** The indexes of the running processes. */
  running(): number[] {
    return [...this.#places.keys()].filter((index) => this.addressOf(index) !== undefined)
  }

  /** The URL of a process, if it is running. */
  addressOf(index: number): string | undefined {
    return this.#places[index]?.process?.address
  }

  /** Kills this process as a crash would, and starts another one. */
  async replace(index: number): Promise<void> {
    const place = this.#places[index]
    if (place?.process === undefined) return
    const { options, process } = place
    delete place.process
    await kill(process)
    place.process = await launch(PROGRAM, options)
  }

  async plant(bug: Bug | undefined): Promise<void> {
    await this.#order({ plant: bug })
  }

  /** The condition of the processes since the last call. */
  condition(): Promise<Condition[]> {
    return this.#order({ condition: true })
  }

  heal(): void {
    for (const proxy of this.proxies) proxy.heal()
  }

  async stop(): Promise<void> {
    await Promise.all(this.#places.map(({ process }) => process && kill(process)))
    await Promise.all(this.proxies.map((proxy) => proxy.close()))
  }

  #order(order: Order): Promise<Condition[]> {
    return Promise.all(
      this.#places.map(async ({ process }) => {
        if (process === undefined) throw new Error('a process of the service is not running')
        const answer = once(process.child, 'message')
        process.child.send(order)
        return (await answer)[0]
      })
    )
  }
}
