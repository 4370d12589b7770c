// A cluster of three primaries with one replica each, and its faults. None of them loses a write that was answered.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { holdBack, inSync, release } from '../../chaos/replicated.js'
import { type ClusterNode, startCluster, type TestCluster } from '../../support/cluster.js'
import { until } from '../../support/gate.js'
import { shuffled } from '../../support/random.js'
import { commonFaults, openRoute, type Route, SERVER_FLAGS, type Stage } from './faults.js'

/** Milliseconds after which a silent node counts as failed, at least. */
const MIN_NODE_TIMEOUT = 4_000
/** How many slots move at once. */
const MOVED_SLOTS = 5

/** @param longest Milliseconds for which a fault lasts. */
export async function openCluster(
  test: Test,
  processes: number,
  random: () => number,
  longest: number
): Promise<Stage> {
  // So much that no replica takes over by itself: it might lack the last writes.
  const nodeTimeout = Math.max(MIN_NODE_TIMEOUT, 4 * longest)
  const cluster = await startCluster(test, { replicas: true, nodeTimeout, args: SERVER_FLAGS })
  const nodes = [...cluster.primaries, ...cluster.replicas]
  const routes = await Promise.all(nodes.map((node) => openRoute(test, node, processes)))
  const target = async () => {
    const [primary] = shuffled(await cluster.currentPrimaries(), random)
    return routes.find(({ server }) => server === primary) as Route
  }
  const failovers: Failovers = { cluster, random, pause: 5 * nodeTimeout, askedAt: new Map() }
  const faults = {
    ...commonFaults(target, random),
    'slots move, and back': (ms: number) => moveSlots(cluster, random, ms),
    'a failover': () => failOver(failovers),
    'a failover, after which the old primary hears of no write': (ms: number) => failOver(failovers, ms)
  }
  return { routes, faults }
}

/** Slots that hold sessions. Each pause shows the processes another step of the move. */
async function moveSlots(cluster: TestCluster, random: () => number, ms: number): Promise<void> {
  const [from, to] = shuffled(await cluster.currentPrimaries(), random) as [ClusterNode, ClusterNode]
  const keys = await Promise.all(Array.from({ length: MOVED_SLOTS }, () => from.client.randomkey()))
  const known = keys.filter((key) => key !== null)
  const slots = new Set(await Promise.all(known.map((key) => cluster.slotOf(key))))
  for (const target of [to, from]) {
    const moves = await Promise.all([...slots].map((slot) => cluster.beginMove(slot, target)))
    await sleep(ms / 4)
    for (const move of moves) await move.moveKeys()
    await sleep(ms / 4)
    for (const move of moves) await move.finish()
    await agreement(cluster)
    await sleep(ms / 4)
  }
}

interface Failovers {
  cluster: TestCluster
  random: () => number
  /**
   * Milliseconds between two failovers to one node, at least. For four node timeouts Redis 7.0 counts the votes of the last
   * one again: the node takes writes without being elected, and loses them.
   */
  pause: number
  /** When each node was last asked to take over. */
  askedAt: Map<ClusterNode, number>
}

/**
 * Ordered, so that no write is lost: the primary waits until its replica has all of them.
 * @param deafFor Milliseconds for which the old primary, as a replica, gets no writes.
 */
async function failOver({ cluster, random, pause, askedAt }: Failovers, deafFor = 0): Promise<void> {
  const primaries = await cluster.currentPrimaries()
  const pairs = cluster.primaries.map((node, index) => {
    const other = cluster.replicas[index] as ClusterNode
    return primaries.includes(node) ? { old: node, next: other } : { old: other, next: node }
  })
  const lastAsked = (node: ClusterNode) => askedAt.get(node) ?? -pause
  const [pair] = shuffled(pairs, random).sort((one, other) => lastAsked(one.next) - lastAsked(other.next))
  const { old, next } = pair as { old: ClusterNode; next: ClusterNode }
  if (deafFor > 0) await holdBack(next, [old])
  await until(async () => {
    if ((await next.client.info('replication')).includes('role:master')) return true
    const at = performance.now()
    if (at - lastAsked(next) > pause) {
      askedAt.set(next, at)
      await next.client.call('CLUSTER', 'FAILOVER')
    }
    return false
  })
  await sleep(deafFor)
  await release([old])
  await inSync([old])
  await agreement(cluster)
}

/** Resolves when all nodes say the same about the owners of all slots. */
async function agreement({ primaries, replicas }: TestCluster): Promise<void> {
  await until(async () => {
    const views = await Promise.all([...primaries, ...replicas].map(viewOf))
    return new Set(views).size === 1
  })
}

async function viewOf({ client }: ClusterNode): Promise<string> {
  const ranges = (await client.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
  return JSON.stringify(ranges.map(([first, last, [, port]]) => [first, last, port]).sort())
}
