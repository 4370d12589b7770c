// The faults that hit the service and its Redis while browsers use it. Each fault is undone at its end.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Fate } from '../support/wire.js'
import type { Nodes, Pair, Single } from './engine.js'
import type { Fleet } from './fleet.js'
import type { Action } from './history.js'

/** Number of keys that Redis needs about a second to load. */
const BALLAST = 400_000

export interface Stage<Struck> {
  engine: Struck
  fleet: Fleet
  random: () => number
  /** Duration of the fault in milliseconds. */
  ms: number
  /** The plugin's option `timeout`. */
  timeout: number
}

export interface Fault<Struck> {
  name: string
  /** An action that browsers choose more often during this fault. */
  often?: Action
  /** Runs to its end before the browsers start. */
  prepare?(engine: Struck): Promise<unknown>
  strike(stage: Stage<Struck>): Promise<unknown>
}

const none: Fault<unknown> = { name: 'none', strike: ({ ms }) => sleep(ms) }

/** A fault that applies this fate to one in `oneIn` writes of every process. */
function writes(name: string, oneIn: number, fateOf: (stage: Stage<unknown>) => Fate): Fault<unknown> {
  return {
    name,
    async strike(stage) {
      await withFate(stage, oneIn, fateOf, () => sleep(stage.ms))
    }
  }
}

/** Applies this fate to one in `oneIn` writes of every process until the work is done. */
export async function withFate(
  { fleet, random, ...rest }: Stage<unknown>,
  oneIn: number,
  fateOf: (stage: Stage<unknown>) => Fate,
  work: () => Promise<unknown>
): Promise<void> {
  const stage = { fleet, random, ...rest }
  for (const proxy of fleet.proxies) {
    proxy.fate = () => (random() * oneIn < 1 ? fateOf(stage) : 'pass')
  }
  await work()
  fleet.heal()
}

/** A random time in milliseconds, below or above the deadline of a request. */
function around({ random, timeout }: Stage<unknown>): number {
  return (0.2 + 1.4 * random()) * timeout
}

const lost = writes('answers lost', 12, () => 'lose')
const cut = writes('connections cut', 12, () => 'cut')
const late = writes('answers late', 12, around)

/** Repeats the action until the fault's time is over; meanwhile one in `lostOneIn` answers is lost. */
function repeated<Struck>(
  name: string,
  act: (stage: Stage<Struck>) => Promise<unknown>,
  lostOneIn?: number
): Fault<Struck> {
  const strike = async (stage: Stage<Struck>) => {
    const over = performance.now() + stage.ms
    while (performance.now() < over) await act(stage)
  }
  if (lostOneIn === undefined) return { name, strike }
  return {
    name,
    strike: (stage) =>
      withFate(
        stage,
        lostOneIn,
        () => 'lose',
        () => strike(stage)
      )
  }
}

const silent = repeated<unknown>('connections silent', async (stage) => {
  const { fleet, random } = stage
  const proxy = fleet.proxies[Math.floor(random() * fleet.proxies.length)]
  proxy?.freeze()
  await sleep(around(stage))
  proxy?.thaw()
  await sleep(100 * random())
})

const killed = repeated<unknown>('processes killed', async ({ fleet, random }) => {
  await sleep(300 * random())
  await fleet.replace(Math.floor(random() * fleet.size))
})

const frozen = repeated<Single>('Redis frozen', async (stage) => {
  const { server } = stage.engine
  await server.signal('SIGSTOP')
  await sleep(around(stage))
  await server.signal('SIGCONT')
  await sleep(300 * stage.random())
})

const restarted = repeated<Single>('Redis restarted', async (stage) => {
  const { server } = stage.engine
  await server.signal('SIGKILL')
  await sleep(around(stage))
  await server.restart()
  await sleep(500 * stage.random())
})

const loading: Fault<Single> = {
  ...repeated<Single>('Redis restarted, much to load', async ({ engine: { server }, random }) => {
    await sleep(700 + 500 * random())
    await server.signal('SIGKILL')
    await server.restart()
  }),
  // A request without a session waits for one command only.
  often: 'sign in',
  async prepare({ server: { client } }) {
    const fill = `for i = 1, ${BALLAST} do redis.call('SET', 'ballast:' .. i, i) end`
    if ((await client.exists('ballast:1')) === 0) await client.eval(fill, 0)
  }
}

/** Switches something on and off again; some answers are lost meanwhile. */
function switched(
  name: string,
  on: (client: Redis) => Promise<unknown>,
  off: (client: Redis) => Promise<unknown>
): Fault<Single> {
  const act = async ({ engine, random }: Stage<Single>) => {
    const { client } = engine.server
    await on(client)
    await sleep(150 * random())
    await off(client)
    await sleep(150 * random())
  }
  return repeated(name, act, 24)
}

const full = switched(
  'memory full',
  (client) => client.config('SET', 'maxmemory', 1),
  (client) => client.config('SET', 'maxmemory', 0)
)

const denied = switched(
  'writes denied',
  (client) => client.call('ACL', 'SETUSER', 'default', '-set', '-setrange', '-del'),
  (client) => client.call('ACL', 'SETUSER', 'default', '+@all')
)

const paused = repeated<Single>('writes paused', async (stage) => {
  const ms = Math.floor(around(stage))
  await stage.engine.server.client.call('CLIENT', 'PAUSE', ms, 'WRITE')
  await sleep(ms + 200 * stage.random())
})

async function flushScripts({ engine }: Stage<Single>): Promise<void> {
  await engine.server.client.script('FLUSH')
  await sleep(20)
}
const flushed = repeated('scripts flushed', flushScripts, 12)

const failedOver = repeated<Pair>('failover, acknowledgements late', async ({ engine, random }) => {
  await sleep(300 * random())
  engine.between.slowAnswers = 100
  await sleep(50 + 200 * random())
  await engine.failOver(60 * random())
  await engine.inSync()
})

async function failOverBehind({ engine, random }: Stage<Pair>): Promise<void> {
  await sleep(300 * random())
  engine.between.freeze()
  await sleep(400 * random())
  await engine.failOver(60 * random())
  await engine.inSync()
}
const failedOverLost = repeated('failover, replica behind, answers lost', failOverBehind, 6)

async function loseReplica({ engine, random }: Stage<Pair>): Promise<void> {
  engine.between.freeze()
  await sleep(400 * random())
  engine.between.thaw()
  await engine.inSync()
  await sleep(200 * random())
}
const replicaAway = repeated('replica away, answers lost', loseReplica, 12)

async function moveSlot({ engine }: Stage<Nodes>): Promise<void> {
  await engine.moveSlot()
  await sleep(10)
}
const moved = repeated('slots moved', moveSlot)
const movedLost = repeated('slots moved, answers lost', moveSlot, 12)

export const ANYWHERE: readonly Fault<unknown>[] = [none, lost, cut, late, silent, killed]
export const ON_SINGLE: readonly Fault<Single>[] = [frozen, restarted, loading, full, denied, paused, flushed]
export const ON_PAIR: readonly Fault<Pair>[] = [failedOver, failedOverLost, replicaAway]
export const ON_CLUSTER: readonly Fault<Nodes>[] = [moved, movedLost]
