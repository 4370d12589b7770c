// The Redis of the checker: one server, or servers that exchange their roles while browsers use the service.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { startCluster } from '../../support/cluster.js'
import { type RedisServer, startRedis } from '../../support/redis-server.js'
import { startSentinel } from '../../support/sentinel.js'

/** A primary and its replica, in any order. */
type Shard = [RedisServer, RedisServer]
/** Milliseconds for which a replica misses what its primary writes, at most. */
const LAG = 700
/** Milliseconds after which a failover or the start of a process counts as hanging. */
export const PATIENCE = 30_000

type Address = { host: string; port: number }

/** How a process connects. */
export type Connection = Address | { nodes: Address[] } | { sentinels: Address[]; name: string }

export interface Engine {
  connection: Connection
  /** How many replicas each primary has. */
  replicas: number
  /** Makes a replica the primary, and resolves when the old one follows it. Undefined without replicas. */
  failOver?(random: () => number): Promise<void>
}

export const ENGINES = {
  async standalone(test: Test): Promise<Engine> {
    const { port } = await startRedis(test)
    return { connection: { host: '127.0.0.1', port }, replicas: 0 }
  },

  async cluster(test: Test): Promise<Engine> {
    const { nodes, primaries, replicas } = await startCluster(test, { replicas: true })
    const shards = primaries.map((primary, at): Shard => [primary, replicas[at] as RedisServer])
    return {
      connection: { nodes },
      replicas: 1,
      async failOver(random) {
        const shard = shards[Math.floor(random() * shards.length)] as Shard
        const [follower, old] = (await isPrimary(shard[0])) ? [shard[1], shard[0]] : shard
        // Half of them do not ask the primary, which then loses what the replica does not have.
        const how = random() < 0.5 ? [] : ['FORCE']
        if (how.length > 0) await cutOff(follower, old, random() * LAG)
        // One that is under way begins again if it is ordered again.
        await soon('failover', async () => {
          await follower.client.call('CLUSTER', 'FAILOVER', ...how).catch(() => undefined)
          for (let polls = 0; polls < 100 && !(await isPrimary(follower)); polls++) await sleep(50)
          return isPrimary(follower)
        })
        await join(follower)
        await soon('replica', () => isFollowing(old))
      }
    }
  },

  async sentinel(test: Test): Promise<Engine> {
    const { failover, name, primary, sentinels } = await startSentinel(test)
    return {
      connection: { sentinels, name },
      replicas: 1,
      async failOver(random) {
        const old = await primary()
        const { port } = await failover()
        // Sentinel would do it after 8 seconds.
        await sleep(random() * 1_000)
        await old.client.replicaof('127.0.0.1', port)
        await soon('replica', () => isFollowing(old))
      }
    }
  }
} as const

export type EngineName = keyof typeof ENGINES

// The replica misses what the primary writes meanwhile: it cannot sign in there.
async function cutOff(follower: RedisServer, primary: RedisServer, milliseconds: number): Promise<void> {
  await follower.client.call('CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'nothing')
  await primary.client.call('CLIENT', 'KILL', 'TYPE', 'REPLICA')
  await sleep(milliseconds)
}

/** Undoes that. */
async function join(follower: RedisServer): Promise<void> {
  await follower.client.call('CONFIG', 'SET', 'masteruser', '', 'masterauth', '')
}

/** Polls until the condition is true. */
async function soon(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`no ${what} within ${PATIENCE} ms`)
    await sleep(5)
  }
}

async function isPrimary({ client }: RedisServer): Promise<boolean> {
  return (await client.info('replication')).includes('role:master')
}

async function isFollowing({ client }: RedisServer): Promise<boolean> {
  return (await client.info('replication')).includes('master_link_status:up')
}
