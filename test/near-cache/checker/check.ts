// Processes that share sessions, each with a network of its own to Redis for what it reads and for what it is told; faults;
// and what nobody may have been served.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { until } from '../../support/gate.js'
import { shuffled } from '../../support/random.js'
import { type RedisServer, startRedis } from '../../support/redis-server.js'
import { Wire } from '../../support/wire.js'
import type { Counts, Report, Task } from './process.js'
import { findStale, type Stale } from './stale.js'

export interface CheckOptions {
  processes: number
  /** Each fault strikes once, and again until this time has passed. */
  seconds: number
  /** Milliseconds for which a fault lasts. */
  ms: number
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
  leaked: string[]
  counts: Counts
  faults: Map<string, number>
}

interface Stage {
  /** The one that the networks lead to. */
  redis: RedisServer
  /** Takes its place in a failover. */
  spare: RedisServer
  networks: Record<Way, Wire>[]
  random: () => number
}

/** What a process reads and writes, what it is told, and what another one without a near cache would read. */
type Way = 'data' | 'tracking' | 'direct'

const SLOTS = 60
/** Milliseconds between two writes of one process. */
const PAUSE = 10
const PROCESS = new URL('process.js', import.meta.url)

const FAULTS: Record<string, (stage: Stage, ms: number) => Promise<unknown>> = {
  'no fault': (_stage, ms) => sleep(ms),
  'tracking cut': (stage) => strike(stage, 'tracking', (wire) => wire.cut()),
  'tracking refused': (stage, ms) => strike(stage, 'tracking', (wire) => wire.refuse(), ms),
  'tracking half open': (stage, ms) => strike(stage, 'tracking', (wire) => wire.silence(), ms),
  'tracking frozen': (stage, ms) => strike(stage, 'tracking', (wire) => wire.freeze(), ms),
  'tracking late by more than the bound': (stage, ms) => strike(stage, 'tracking', slow(ms / 2), ms),
  'tracking a little late': (stage, ms) => strike(stage, 'tracking', slow(ms / 20), ms),
  'data cut': (stage) => strike(stage, 'data', (wire) => wire.cut()),
  'data refused': (stage, ms) => strike(stage, 'data', (wire) => wire.refuse(), ms),
  'data half open': (stage, ms) => strike(stage, 'data', (wire) => wire.silence(), ms),
  'data frozen': (stage, ms) => strike(stage, 'data', (wire) => wire.freeze(), ms),
  'data a little late': (stage, ms) => strike(stage, 'data', slow(ms / 20), ms),
  'all tracking connections killed': ({ redis }) => redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub'),
  'all data connections killed': ({ redis }) => redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal'),
  'all keys removed': ({ redis }) => redis.client.flushall(),
  'Redis stands still': ({ redis }, ms) => redis.client.call('DEBUG', 'SLEEP', String(ms / 1_000)),
  'Redis killed, and started empty': async ({ redis }, ms) => {
    await redis.stop()
    await sleep(ms / 4)
    await redis.restart()
  },
  'a failover': failOver
}

export async function check(test: Test, options: CheckOptions): Promise<Outcome> {
  const { configured = options.maxStale, maxStale, ms, only = '', processes, random, seconds } = options
  const [redis, spare] = [await startServer(test), await startServer(test)]
  const stage: Stage = { redis, spare, networks: [], random }
  const tasks: Task[] = []
  for (let process = 0; process < processes; process++) {
    const network = { data: open(stage), tracking: open(stage), direct: open(stage) }
    stage.networks.push(network)
    const [data, tracking, direct] = await Promise.all(Object.values(network).map((wire) => wire.listen()))
    const ports = { data: Number(data), tracking: Number(tracking), direct: Number(direct) }
    tasks.push({ process, processes, slots: SLOTS, pause: PAUSE, maxStale: configured, ...ports })
  }
  const children = await Promise.all(tasks.map(start))
  test.teardown(async () => {
    for (const child of children) child.kill()
    await Promise.all(stage.networks.flatMap((network) => Object.values(network).map((wire) => wire.close())))
  })
  const faults = new Map<string, number>()
  const chosen = Object.entries(FAULTS).filter(([name]) => name.includes(only))
  const over = performance.now() + seconds * 1_000
  do {
    for (const [name, fault] of shuffled(chosen, random)) {
      faults.set(name, (faults.get(name) ?? 0) + 1)
      await fault(stage, ms)
      await sleep(ms / 3)
    }
  } while (performance.now() < over)
  const reports = await Promise.all(children.map(finish))
  return {
    stale: findStale(
      { served: reports.flatMap(({ served }) => served), stored: reports.flatMap(({ stored }) => stored) },
      maxStale * 1_000
    ),
    unseen: reports.flatMap(({ unseen }) => unseen),
    leaked: reports.flatMap(({ leaked }) => leaked),
    counts: reports.map(({ counts }) => counts).reduce(sum),
    faults
  }
}

function startServer(test: Test): Promise<RedisServer> {
  return startRedis(test, '--enable-debug-command', 'yes', '--repl-diskless-sync-delay', '0')
}

function open({ redis }: Stage): Wire {
  return new Wire(redis.port)
}

async function start(task: Task): Promise<ChildProcess> {
  const child = fork(PROCESS, [JSON.stringify(task)])
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

/** Something happens to the networks of some of the processes, for so many milliseconds. */
async function strike(
  { networks, random }: Stage,
  way: Way,
  happen: (wire: Wire) => void,
  ms = 0
): Promise<void> {
  const first = Math.floor(random() * networks.length)
  const wires = networks.filter((_, index) => index === first || random() < 0.3).map((each) => each[way])
  wires.forEach(happen)
  await sleep(ms)
  for (const wire of wires) wire.heal()
}

function slow(ms: number): (wire: Wire) => void {
  return (wire) => {
    wire.slowAnswers = ms
  }
}

/** Ordered, so that no write is lost; the networks follow one after another. */
async function failOver(stage: Stage, ms: number): Promise<void> {
  const { redis, spare, networks, random } = stage
  await spare.client.replicaof('127.0.0.1', redis.port)
  await until(async () => (await redis.client.info('replication')).includes('state=online'))
  await redis.client.call('FAILOVER', 'TO', '127.0.0.1', String(spare.port))
  await until(async () => (await spare.client.info('replication')).includes('role:master'))
  stage.redis = spare
  stage.spare = redis
  const wires = networks.flatMap(({ data, tracking }) =>
    random() < 0.5 ? [data, tracking] : [tracking, data]
  )
  for (const { direct } of networks) direct.lead(spare.port)
  for (const wire of wires) {
    wire.lead(spare.port)
    await sleep((random() * ms) / 10)
  }
  await redis.client.replicaof('NO', 'ONE')
}
