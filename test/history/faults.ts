// What happens to the service and its Redis while browsers use it. Every fault ends healed.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Nodes, Pair, Single } from './engine.js'
import type { Fleet } from './fleet.js'
import type { Action } from './history.js'
import type { Fate } from './wire.js'

/** So many keys take about a second to load. */
const BALLAST = 400_000

export interface Stage<Struck> {
  engine: Struck
  fleet: Fleet
  random: () => number
  /** Milliseconds that it lasts. */
  ms: number
  /** The plugin's option. */
  timeout: number
}

export interface Fault<Struck> {
  name: string
  /** What browsers do more often than usual. */
  often?: Action
  /** Is over before the browsers come. */
  prepare?(engine: Struck): Promise<unknown>
  strike(stage: Stage<Struck>): Promise<unknown>
}

const none: Fault<unknown> = { name: 'none', strike: ({ ms }) => sleep(ms) }

/** One in so many writes meets this fate, at every process. */
function writes(name: string, oneIn: number, fateOf: (stage: Stage<unknown>) => Fate): Fault<unknown> {
  return {
    name,
    async strike(stage) {
      await withFate(stage, oneIn, fateOf, () => sleep(stage.ms))
    }
  }
}

/** While this work is done, one in so many writes meets this fate, at every process. */
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

/** Again and again until its time is over. */
async function repeat({ ms }: Stage<unknown>, work: () => Promise<unknown>): Promise<void> {
  const over = performance.now() + ms
  while (performance.now() < over) await work()
}

/** Milliseconds around the deadline of a request: some wait longer than it has, others do not. */
function around({ random, timeout }: Stage<unknown>): number {
  return (0.2 + 1.4 * random()) * timeout
}

const lost = writes('answers lost', 12, () => 'lose')
const cut = writes('connections cut', 12, () => 'cut')
const late = writes('answers late', 12, around)

const silent: Fault<unknown> = {
  name: 'connections silent',
  strike: (stage) =>
    repeat(stage, async () => {
      const { fleet, random } = stage
      const proxy = fleet.proxies[Math.floor(random() * fleet.proxies.length)]
      proxy?.freeze()
      await sleep(around(stage))
      proxy?.thaw()
      await sleep(100 * random())
    })
}

const killed: Fault<unknown> = {
  name: 'processes killed',
  strike: (stage) =>
    repeat(stage, async () => {
      const { fleet, random } = stage
      await sleep(300 * random())
      await fleet.replace(Math.floor(random() * fleet.processes.length))
    })
}

const frozen: Fault<Single> = {
  name: 'Redis frozen',
  strike: (stage) =>
    repeat(stage, async () => {
      const { server } = stage.engine
      await server.signal('SIGSTOP')
      await sleep(around(stage))
      await server.signal('SIGCONT')
      await sleep(300 * stage.random())
    })
}

const restarted: Fault<Single> = {
  name: 'Redis restarted',
  strike: (stage) =>
    repeat(stage, async () => {
      const { server } = stage.engine
      await server.signal('SIGKILL')
      await sleep(around(stage))
      await server.restart()
      await sleep(500 * stage.random())
    })
}

const loading: Fault<Single> = {
  name: 'Redis restarted, much to load',
  // Who comes without a session waits for one command only.
  often: 'sign in',
  async prepare({ server: { client } }) {
    const fill = `for i = 1, ${BALLAST} do redis.call('SET', 'ballast:' .. i, i) end`
    if ((await client.exists('ballast:1')) === 0) await client.eval(fill, 0)
  },
  strike: (stage) =>
    repeat(stage, async () => {
      const { server } = stage.engine
      await sleep(700 + 500 * stage.random())
      await server.signal('SIGKILL')
      await server.restart()
    })
}

const full: Fault<Single> = {
  name: 'memory full',
  strike: (stage) =>
    withFate(
      stage,
      24,
      () => 'lose',
      () =>
        repeat(stage, async () => {
          const { client } = stage.engine.server
          await client.config('SET', 'maxmemory', 1)
          await sleep(150 * stage.random())
          await client.config('SET', 'maxmemory', 0)
          await sleep(150 * stage.random())
        })
    )
}

const denied: Fault<Single> = {
  name: 'writes denied',
  strike: (stage) =>
    withFate(
      stage,
      24,
      () => 'lose',
      () =>
        repeat(stage, async () => {
          const { client } = stage.engine.server
          await client.call('ACL', 'SETUSER', 'default', '-set', '-setrange', '-del')
          await sleep(150 * stage.random())
          await client.call('ACL', 'SETUSER', 'default', '+@all')
          await sleep(150 * stage.random())
        })
    )
}

const paused: Fault<Single> = {
  name: 'writes paused',
  strike: (stage) =>
    repeat(stage, async () => {
      const ms = Math.floor(around(stage))
      await stage.engine.server.client.call('CLIENT', 'PAUSE', ms, 'WRITE')
      await sleep(ms + 200 * stage.random())
    })
}

const flushed: Fault<Single> = {
  name: 'scripts flushed',
  strike: (stage) =>
    withFate(
      stage,
      12,
      () => 'lose',
      () =>
        repeat(stage, async () => {
          await stage.engine.server.client.script('FLUSH')
          await sleep(20)
        })
    )
}

const failedOver: Fault<Pair> = {
  name: 'failover, acknowledgements late',
  strike: (stage) =>
    repeat(stage, async () => {
      const { engine, random } = stage
      await sleep(300 * random())
      engine.between.slowAnswers = 100
      await sleep(50 + 200 * random())
      await engine.failOver(60 * random())
      await engine.inSync()
    })
}

const failedOverLost: Fault<Pair> = {
  name: 'failover, replica behind, answers lost',
  strike: (stage) =>
    withFate(
      stage,
      6,
      () => 'lose',
      () =>
        repeat(stage, async () => {
          const { engine, random } = stage
          await sleep(300 * random())
          engine.between.freeze()
          await sleep(400 * random())
          await engine.failOver(60 * random())
          await engine.inSync()
        })
    )
}

const replicaAway: Fault<Pair> = {
  name: 'replica away, answers lost',
  strike: (stage) =>
    withFate(
      stage,
      12,
      () => 'lose',
      () =>
        repeat(stage, async () => {
          const { engine, random } = stage
          engine.between.freeze()
          await sleep(400 * random())
          engine.between.thaw()
          await engine.inSync()
          await sleep(200 * random())
        })
    )
}

const moved: Fault<Nodes> = {
  name: 'slots moved',
  strike: (stage) => moveSlots(stage)
}

const movedLost: Fault<Nodes> = {
  name: 'slots moved, answers lost',
  strike: (stage) =>
    withFate(
      stage,
      12,
      () => 'lose',
      () => moveSlots(stage)
    )
}

async function moveSlots(stage: Stage<Nodes>): Promise<void> {
  let turn = 0
  await repeat(stage, async () => {
    await stage.engine.moveSlotFrom(turn++)
    await sleep(10)
  })
}

export const ANYWHERE: readonly Fault<unknown>[] = [none, lost, cut, late, silent, killed]
export const ON_SINGLE: readonly Fault<Single>[] = [frozen, restarted, loading, full, denied, paused, flushed]
export const ON_PAIR: readonly Fault<Pair>[] = [failedOver, failedOverLost, replicaAway]
export const ON_CLUSTER: readonly Fault<Nodes>[] = [moved, movedLost]
