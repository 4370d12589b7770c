// Processes that share sessions, each with a network of its own to Redis for what it reads and for what it is told; faults;
// and what nobody may have been served.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { shuffled } from '../../support/random.js'
import type { Ports } from './clients.js'
import { openCluster } from './cluster-faults.js'
import type { Network, Route } from './faults.js'
import type { Counts, Report, Task } from './process.js'
import { openSingle } from './single-faults.js'
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
  /** Whether they share a cluster. Default: one Redis. */
  isCluster?: boolean
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

const SLOTS = 60
/** Milliseconds between two writes of one process. */
const PAUSE = 10
/** Milliseconds for which a process may take to answer. */
const PATIENCE = 60_000
const PROCESS = new URL('process.js', import.meta.url)

export async function check(test: Test, options: CheckOptions): Promise<Outcome> {
  const { configured = options.maxStale, isCluster = false, only = '' } = options
  const { maxStale, ms, processes, random, seconds } = options
  const stage = await (isCluster ? openCluster : openSingle)(test, processes, random, ms)
  const shared = { processes, slots: SLOTS, pause: PAUSE, maxStale: configured, isCluster }
  const tasks = Array.from({ length: processes }, (_, process): Task => {
    const servers = stage.routes.map((route) => portsOf(route, process)) as Task['servers']
    return { ...shared, process, servers }
  })
  const children = await Promise.all(tasks.map(start))
  test.teardown(() => {
    for (const child of children) child.kill()
  })
  const faults = new Map<string, number>()
  const chosen = Object.entries(stage.faults).filter(([name]) => name.includes(only))
  const over = performance.now() + seconds * 1_000
  do {
    for (const [name, fault] of shuffled(chosen, random)) {
      faults.set(name, (faults.get(name) ?? 0) + 1)
      await fault(ms)
      await Promise.all(children.map(serveAgain))
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

function portsOf({ server, networks }: Route, process: number): Ports {
  const { data, direct, tracking } = networks[process] as Network
  return { server: server.port, data: data.port, tracking: tracking.port, direct: direct.port }
}

async function start(task: Task): Promise<ChildProcess> {
  const child = fork(PROCESS, [JSON.stringify(task)])
  await answer(child)
  return child
}

/** Resolves when the process serves from memory: a fault that strikes before proves little. */
async function serveAgain(child: ChildProcess): Promise<void> {
  child.send('serve')
  await answer(child)
}

async function finish(child: ChildProcess): Promise<Report> {
  child.send('stop')
  const [report] = await answer(child)
  return report
}

function answer(child: ChildProcess): Promise<[Report]> {
  return once(child, 'message', { signal: AbortSignal.timeout(PATIENCE) }) as Promise<[Report]>
}

function sum(one: Counts, other: Counts): Counts {
  const names = Object.keys(one) as (keyof Counts)[]
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as unknown as Counts
}
