// Processes that share sessions, each with a network of its own to Redis for what it reads and for what it is told; faults;
// and what nobody may have been served.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { FailingNetwork, type Network } from '../../../benchmarks/chaos/network.js'
import { type RedisServer, startRedis } from '../../support/redis-server.js'
import type { Counts, Report, Task } from './process.js'
import { findStale, type Stale } from './stale.js'

export interface CheckOptions {
  processes: number
  seconds: number
  random: () => number
  /** Seconds for which a process may serve what it has not heard of. */
  maxStale: number
  /** What the processes take for that. Default: the same. */
  configured?: number
  /** Only faults whose name has this. */
  only?: string
}

export interface Outcome {
  stale: Stale[]
  unseen: string[]
  counts: Counts
  faults: Map<string, number>
}

interface Stage {
  redis: RedisServer
  networks: { data: FailingNetwork; tracking: FailingNetwork }[]
  random: () => number
}

const SLOTS = 60
/** Milliseconds between two writes of one process. */
const PAUSE = 10
const PROCESS = fileURLToPath(new URL('process.ts', import.meta.url))

const FAULTS: Record<string, (stage: Stage, ms: number) => Promise<unknown>> = {
  'no fault': (_stage, ms) => sleep(ms),
  'tracking connections cut': (stage) => cut(stage, 'tracking'),
  'tracking connections half open': (stage, ms) => disturb(stage, 'tracking', 'silent', ms),
  'tracking connections delayed': (stage, ms) => disturb(stage, 'tracking', ms / 2, ms),
  'tracking connections a little late': (stage, ms) => disturb(stage, 'tracking', 30, ms),
  'data connections cut': (stage) => cut(stage, 'data'),
  'data connections half open': (stage, ms) => disturb(stage, 'data', 'silent', ms),
  'data connections delayed': (stage, ms) => disturb(stage, 'data', 20, ms),
  'all tracking connections killed': ({ redis }) => redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'),
  'all data connections killed': ({ redis }) => redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal'),
  'all keys removed': ({ redis }) => redis.client.flushall(),
  'Redis stands still': ({ redis }, ms) => redis.client.call('DEBUG', 'SLEEP', String(ms / 1_000)),
  'Redis killed, and started empty': async ({ redis }, ms) => {
    await redis.stop()
    await sleep(ms / 4)
    await redis.restart()
  }
}

export async function check(t: Pick<Test, 'teardown'>, options: CheckOptions): Promise<Outcome> {
  const { configured = options.maxStale, maxStale, only = '', processes, random, seconds } = options
  const redis = await startRedis(t as Test, '--enable-debug-command', 'yes')
  const networks = Array.from({ length: processes }, () => ({
    data: new FailingNetwork(redis.port),
    tracking: new FailingNetwork(redis.port)
  }))
  t.teardown(() => Promise.all(networks.flatMap(({ data, tracking }) => [data.close(), tracking.close()])))
  const children = await Promise.all(
    networks.map(async ({ data, tracking }, process) =>
      start({
        process,
        processes,
        slots: SLOTS,
        redis: redis.port,
        data: await data.listen(),
        tracking: await tracking.listen(),
        maxStale: configured,
        pause: PAUSE
      })
    )
  )
  t.teardown(() => {
    for (const child of children) child.kill()
  })
  const faults = new Map<string, number>()
  const names = Object.keys(FAULTS).filter((name) => name.includes(only))
  const over = performance.now() + seconds * 1_000
  for (let turn = 0; performance.now() < over; turn++) {
    // Each of them once, then at random.
    const name = names[turn < names.length ? turn : Math.floor(random() * names.length)] ?? 'no fault'
    faults.set(name, (faults.get(name) ?? 0) + 1)
    await FAULTS[name]?.({ redis, networks, random }, maxStale * 1_500).catch(() => {})
    await sleep(maxStale * 500)
  }
  const reports = await Promise.all(children.map(finish))
  return {
    stale: findStale(
      { served: reports.flatMap(({ served }) => served), stored: reports.flatMap(({ stored }) => stored) },
      maxStale * 1_000
    ),
    unseen: reports.flatMap(({ unseen }) => unseen),
    counts: reports.map(({ counts }) => counts).reduce(sum),
    faults
  }
}

async function start(task: Task): Promise<ChildProcess> {
  const child = fork(PROCESS, [JSON.stringify(task)], { execArgv: ['--import=tsx'] })
  await once(child, 'message')
  return child
}

async function finish(child: ChildProcess): Promise<Report> {
  child.send('stop')
  const [report] = await once(child, 'message')
  return report
}

function sum(one: Counts, other: Counts): Counts {
  const names = Object.keys(one) as (keyof Counts)[]
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as unknown as Counts
}

async function cut(stage: Stage, which: 'data' | 'tracking'): Promise<void> {
  await disturb(stage, which, 'cut', 0)
}

/** The networks of some of the processes fail for so many milliseconds. What stays silent is cut in the end. */
async function disturb(
  { networks, random }: Stage,
  which: 'data' | 'tracking',
  network: Network,
  ms: number
): Promise<void> {
  const first = Math.floor(random() * networks.length)
  const concerned = networks
    .filter((_, index) => index === first || random() < 0.3)
    .map((each) => each[which])
  for (const each of concerned) each.become(network)
  await sleep(ms)
  for (const each of concerned) {
    if (network === 'silent') each.become('cut')
    each.become('open')
  }
}
