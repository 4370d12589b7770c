// A Redis Cluster on loopback for one test: three primaries, each with a replica if the test needs them.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import { until } from './gate.js'
import { type RedisServer, startRedis } from './redis-server.js'

export interface ClusterNode extends RedisServer {
  /** The node's name in the cluster. */
  id: string
  /** A client that fails at once if the server is down. */
  probe: Redis
}

export interface TestCluster {
  /** The addresses that clients start with. */
  nodes: { host: string; port: number }[]
  primaries: ClusterNode[]
  /** The replica of each primary, in the same order. Empty without replicas. */
  replicas: ClusterNode[]
  /** Primaries without slots. */
  spares: ClusterNode[]
  /** The node that owns this slot, according to the other nodes. */
  ownerOf(slot: number): Promise<ClusterNode>
  /** The nodes that are primaries now: after a failover, others than at the start. */
  currentPrimaries(): Promise<ClusterNode[]>
  /** The slot of a key. */
  slotOf(key: string): Promise<number>
  /** Starts the migration of a slot. Clients then ask the target for missing keys (ASK). */
  beginMove(slot: number, to: ClusterNode): Promise<SlotMove>
  /** Moves a slot with all of its keys. */
  moveSlot(slot: number, to: ClusterNode): Promise<void>
  /** Waits until all running nodes see all slots served. */
  ready(): Promise<void>
}

export interface SlotMove {
  /** Moves the keys that are in the slot now. */
  moveKeys(): Promise<void>
  /** Moves the other keys, and makes the target the owner (MOVED). */
  finish(): Promise<void>
}

export interface ClusterOptions {
  /** Whether each primary has a replica. Default false. */
  replicas?: boolean
  /** How many more primaries there are, without slots. Default 0. */
  spares?: number
  /** Milliseconds after which a silent node counts as failed. Default 1,000. */
  nodeTimeout?: number
  /** Extra arguments for every server. */
  args?: string[]
}

const SLOTS = 16_384
const PRIMARIES = 3

/**
 * Starts a cluster that ends with the test. A node that is stopped and restarted keeps its identity, and is empty.
 */
export async function startCluster(t: Test, options: ClusterOptions = {}): Promise<TestCluster> {
  const { replicas: hasReplicas = false, spares: extra = 0, nodeTimeout = 1_000, args = [] } = options
  const folder = mkdtempSync(join(tmpdir(), 'session-cluster-'))
  // Before the servers are started, so that it happens after their end: they write to the folder.
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const start = async (_: unknown, index: number): Promise<ClusterNode> => {
    const settings = {
      'cluster-enabled': 'yes',
      'cluster-config-file': join(folder, `${index}.conf`),
      'cluster-node-timeout': String(nodeTimeout),
      'cluster-replica-validity-factor': '0',
      'repl-diskless-sync-delay': '0'
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
    const server = await startRedis(t, ...flags, ...args)
    const probe = server.connect({
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: 5_000
    })
    return Object.assign(server, { id: String(await server.client.call('CLUSTER', 'MYID')), probe })
  }
  const replicated = PRIMARIES * (hasReplicas ? 2 : 1)
  const all = await Promise.all(Array.from({ length: replicated + extra }, start))
  const primaries = all.slice(0, PRIMARIES)
  const replicas = all.slice(PRIMARIES, replicated)
  const spares = all.slice(replicated)

  const share = Math.ceil(SLOTS / PRIMARIES)
  for (const [index, { client }] of primaries.entries()) {
    const last = Math.min((index + 1) * share, SLOTS) - 1
    await client.call('CLUSTER', 'ADDSLOTSRANGE', String(index * share), String(last))
  }
  for (const [index, { client }] of all.entries()) {
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
  }
  const [first, ...others] = all
  for (const { port } of others) await first?.client.call('CLUSTER', 'MEET', '127.0.0.1', String(port))
  await Promise.all(all.map((node) => until(async () => (await known(node)).length === all.length)))
  for (const [index, replica] of replicas.entries()) {
    await replica.client.call('CLUSTER', 'REPLICATE', primaries[index]?.id ?? '')
  }
  await Promise.all(replicas.map((replica) => until(() => isSynchronised(replica))))

  const cluster: TestCluster = {
    nodes: all.map(({ port }) => ({ host: '127.0.0.1', port })),
    primaries,
    replicas,
    spares,
    async ownerOf(slot) {
      const port = await ownerPort(await living(all), slot)
      const owner = all.find((node) => node.port === port)
      if (owner === undefined) throw new Error(`no node owns slot ${slot}`)
      return owner
    },
    async currentPrimaries() {
      const roles = await Promise.all(all.map(({ client }) => client.role()))
      return all.filter((_, index) => roles[index]?.[0] === 'master')
    },
    slotOf: async (key) => Number(await (await living(all)).probe.call('CLUSTER', 'KEYSLOT', key)),
    async beginMove(slot, to) {
      const from = await cluster.ownerOf(slot)
      await to.client.call('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', from.id)
      await from.client.call('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', to.id)
      const moveKeys = async () => {
        for (;;) {
          const keys = (await from.client.call('CLUSTER', 'GETKEYSINSLOT', String(slot), '100')) as string[]
          if (keys.length === 0) return
          await from.client.call('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys)
        }
      }
      return {
        moveKeys,
        async finish() {
          await moveKeys()
          const current = await cluster.currentPrimaries()
          for (const { client } of [to, from, ...current.filter((node) => node !== to && node !== from)]) {
            await client.call('CLUSTER', 'SETSLOT', String(slot), 'NODE', to.id)
          }
        }
      }
    },
    async moveSlot(slot, to) {
      await (await cluster.beginMove(slot, to)).finish()
    },
    async ready() {
      await Promise.all(
        all.map((node) => until(async () => !(await isAlive(node)) || (await isServing(node))))
      )
    }
  }
  await cluster.ready()
  return cluster
}

/** Whether the node reports `cluster_state:ok`. */
async function isServing({ probe }: ClusterNode): Promise<boolean> {
  return String(await probe.call('CLUSTER', 'INFO')).includes('cluster_state:ok')
}

async function known({ client }: RedisServer): Promise<string[]> {
  const lines = String(await client.call('CLUSTER', 'NODES'))
    .trim()
    .split('\n')
  return lines.filter((line) => !line.includes('handshake'))
}

async function isSynchronised({ client }: RedisServer): Promise<boolean> {
  return (await client.info('replication')).includes('master_link_status:up')
}

function isAlive({ probe }: ClusterNode): Promise<boolean> {
  return probe.ping().then(
    () => true,
    () => false
  )
}

async function living(nodes: ClusterNode[]): Promise<ClusterNode> {
  for (const node of nodes) if (await isAlive(node)) return node
  throw new Error('no node of the cluster lives')
}

async function ownerPort({ probe }: ClusterNode, slot: number): Promise<number | undefined> {
  const ranges = (await probe.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
  return ranges.find(([from, to]) => slot >= from && slot <= to)?.[2][1]
}
