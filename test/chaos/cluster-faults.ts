// Faults of a cluster of three primaries with one replica each.
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClusterNode, startCluster, type TestCluster } from '../support/cluster.js'
import { lifetime } from '../support/lifetime.js'
import { COMMON, type Engine, type Fault, none, type Scenario } from './fault.js'
import { becomesPrimary, holdBack, inSync, release } from './replicated.js'

interface ClusterEngine extends Engine {
  cluster: TestCluster
  /** The current primaries and their replicas. */
  pairs: [primary: ClusterNode, replica: ClusterNode][]
}

async function open(): Promise<ClusterEngine> {
  const { test, end } = lifetime()
  const cluster = await startCluster(test, { replicas: true, nodeTimeout: 1_000 })
  const pairs = cluster.primaries.map((primary, index): [ClusterNode, ClusterNode] => {
    const replica = cluster.replicas[index]
    if (replica === undefined) throw new Error('a primary without a replica')
    return [primary, replica]
  })
  return { redis: { cluster: cluster.nodes }, cluster, pairs, close: end }
}

async function killPrimary({ cluster, pairs }: ClusterEngine): Promise<void> {
  const [[primary, replica]] = pairs as [[ClusterNode, ClusterNode]]
  await primary.stop()
  await becomesPrimary(replica)
  await cluster.ready()
}

/** Kills the primary when its replica has not received the last writes. */
async function killAheadOfReplica(engine: ClusterEngine, ms: number): Promise<void> {
  const [[primary, replica]] = engine.pairs as [[ClusterNode, ClusterNode]]
  await holdBack(primary, [replica])
  await sleep(ms / 4)
  const over = killPrimary(engine)
  await release([replica])
  await over
}

/** Restarts the killed server as a replica of its former replica. */
async function restart({ pairs }: ClusterEngine): Promise<void> {
  const [[killed, promoted]] = pairs as [[ClusterNode, ClusterNode]]
  await killed.restart()
  await inSync([killed])
  pairs[0] = [promoted, killed]
}

/** Moves slots that hold sessions from one primary to another, one slot at a time. */
async function moveSlots({ cluster, pairs }: ClusterEngine, ms: number): Promise<void> {
  const until = performance.now() + ms
  for (let round = 0; performance.now() < until; round++) {
    const [from] = pairs[round % pairs.length] as [ClusterNode, ClusterNode]
    const [to] = pairs[(round + 1) % pairs.length] as [ClusterNode, ClusterNode]
    const key = await from.client.randomkey()
    if (key !== null) await cluster.moveSlot(await cluster.slotOf(key), to)
    await sleep(10)
  }
}

const killed: Fault<ClusterEngine> = { name: 'primary killed', strike: killPrimary, mend: restart }
const killedAhead: Fault<ClusterEngine> = {
  name: 'primary killed, its replica behind',
  strike: killAheadOfReplica,
  mend: restart
}
const moved: Fault<ClusterEngine> = { name: 'slots moved', strike: moveSlots }

export const clusterReplicated: Scenario<ClusterEngine> = {
  name: 'cluster, replicas: 1',
  session: { ...COMMON, replicas: 1 },
  open,
  faults: [none, moved, killed, killedAhead]
}

export const clusterUnreplicated: Scenario<ClusterEngine> = {
  name: 'cluster, detectRollback',
  session: { ...COMMON, detectRollback: true },
  open,
  faults: [none, { ...killed, mayLose: true }, { ...killedAhead, mayLose: true }]
}
