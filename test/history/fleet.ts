// The processes of the service, each with its own proxy to Redis, so that a fault can concern one of them alone.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Engine } from './engine.js'
import type { Bug } from './planted.js'
import type { Condition, Order, ServiceOptions } from './service.js'
import type { Wire } from './wire.js'

export interface Process {
  /** Leads to the process while it runs. */
  address: string | undefined
  child: ChildProcess | undefined
  options: ServiceOptions
}

export class Fleet {
  readonly processes: Process[] = []
  /** All proxies, of all processes. */
  readonly proxies: Wire[] = []

  /** @param size How many processes it has. */
  static async start(engine: Engine, size: number, service: Omit<ServiceOptions, 'redis'>): Promise<Fleet> {
    const fleet = new Fleet()
    await Promise.all(
      Array.from({ length: size }, async () => {
        const { redis, proxies } = await engine.connect()
        fleet.proxies.push(...proxies)
        const started: Process = { address: undefined, child: undefined, options: { ...service, redis } }
        fleet.processes.push(started)
        await launch(started)
      })
    )
    return fleet
  }

  /** Kills this process as a crash would, and starts it again. */
  async replace(index: number): Promise<void> {
    const process = this.processes[index]
    if (process === undefined) return
    await kill(process)
    await launch(process)
  }

  async plant(bug: Bug | undefined): Promise<void> {
    await this.#order({ plant: bug })
  }

  /** How the processes are, since this was last asked. */
  condition(): Promise<Condition[]> {
    return this.#order({ condition: true })
  }

  heal(): void {
    for (const proxy of this.proxies) proxy.heal()
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map(kill))
    await Promise.all(this.proxies.map((proxy) => proxy.close()))
  }

  #order(order: Order): Promise<Condition[]> {
    return Promise.all(
      this.processes.map(async ({ child }) => {
        if (child === undefined) throw new Error('a process of the service does not run')
        const answer = once(child, 'message')
        child.send(order)
        return (await answer)[0]
      })
    )
  }
}

async function launch(process_: Process): Promise<void> {
  const child = fork(new URL('./service.ts', import.meta.url), [JSON.stringify(process_.options)], {
    execArgv: ['--import=tsx'],
    // What a test runner adds to its own processes is not for these.
    env: { ...process.env, NODE_OPTIONS: '' }
  })
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`a process of the service ended with ${code}`)
  })
  ended.catch(() => {})
  process_.child = child
  const [address] = await Promise.race([once(child, 'message'), ended])
  process_.address = address
}

async function kill(process_: Process): Promise<void> {
  const { child } = process_
  process_.address = undefined
  process_.child = undefined
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
