// The Redis of the checker: one server, or servers that exchange their roles while browsers use the service.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { startCluster } from '../../support/cluster.js'
import { until } from '../../support/gate.js'
import { type RedisServer, startRedis } from '../../support/redis-server.js'
import { startSentinel } from '../../support/sentinel.js'

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
    const shards = primaries.map((primary, at) => [primary, replicas[at] as RedisServer])
    return {
      connection: { nodes },
      replicas: 1,
      async failOver(random) {
        const shard = shards[Math.floor(random() * shards.length)] as RedisServer[]
        const follower = (await isPrimary(shard[0])) ? shard[1] : shard[0]
        // Half of them do not ask the primary, which may then lose what the replica does not have.
        const how = random() < 0.5 ? [] : ['FORCE']
        // One that is under way begins again if it is ordered again.
        await until(async () => {
          await follower?.client.call('CLUSTER', 'FAILOVER', ...how).catch(() => undefined)
          for (let polls = 0; polls < 100 && !(await isPrimary(follower)); polls++) await sleep(50)
          return isPrimary(follower)
        })
        await until(() => isFollowing(shard.find((server) => server !== follower)))
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
        await until(() => isFollowing(old))
      }
    }
  }
} as const

export type EngineName = keyof typeof ENGINES

async function isPrimary(server: RedisServer | undefined): Promise<boolean> {
  return String(await server?.client.info('replication')).includes('role:master')
}

async function isFollowing(server: RedisServer | undefined): Promise<boolean> {
  return String(await server?.client.info('replication')).includes('master_link_status:up')
}
