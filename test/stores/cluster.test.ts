// RedisStore on a cluster of two nodes, with every library.
import { setTimeout as sleep } from 'node:timers/promises'
import * as six from 'ioredis'
import * as five from 'ioredis5'
import * as valkey from 'iovalkey'
import t, { type Test } from 'tap'
import { RedisStore } from '../../lib/stores/redis.js'
import { indexContract } from '../contracts/session-index.js'
import { storeContract } from '../contracts/store.js'
import { startRedis } from '../support/redis-server.js'

type Node = { host: string; port: number }

const enableAutoPipelining = true
const CLUSTERS = {
  'ioredis 6': (nodes: Node[]) => new six.Cluster(nodes, { enableAutoPipelining }),
  'ioredis 5': (nodes: Node[]) => new five.Cluster(nodes, { enableAutoPipelining }),
  // iovalkey groups scripts by name instead of key, and then refuses the groups.
  'iovalkey with all commands in pipelines': (nodes: Node[]) =>
    new valkey.Cluster(nodes, { enableAutoPipelining }),
  iovalkey: (nodes: Node[]) =>
    new valkey.Cluster(nodes, { enableAutoPipelining, autoPipeliningIgnoredCommands: ['evalsha', 'eval'] }),
  'iovalkey without auto-pipelining': (nodes: Node[]) => new valkey.Cluster(nodes)
}

/** Starts a cluster of two nodes, each with half of the slots. */
async function startCluster(t: Test): Promise<Node[]> {
  const options = ['--cluster-enabled', 'yes']
  const servers = await Promise.all([startRedis(t, ...options), startRedis(t, ...options)])
  const [first, second] = servers
  await first.client.call('CLUSTER', 'ADDSLOTS', ...slots(0, 8192))
  await second.client.call('CLUSTER', 'ADDSLOTS', ...slots(8192, 16384))
  await second.client.call('CLUSTER', 'SET-CONFIG-EPOCH', '2')
  await first.client.call('CLUSTER', 'MEET', '127.0.0.1', String(second.port))
  for (const { client } of servers) {
    const isReady = async () => {
      const info = String(await client.call('CLUSTER', 'INFO'))
      return info.includes('cluster_state:ok') && info.includes('cluster_size:2')
    }
    while (!(await isReady())) await sleep(20)
  }
  return servers.map(({ port }) => ({ host: '127.0.0.1', port }))
}

function slots(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => String(from + index))
}

t.test('RedisStore: keeps the contract on a cluster', async (t) => {
  const nodes = await startCluster(t)
  for (const [name, connect] of Object.entries(CLUSTERS)) {
    await t.test(name, (t) => {
      storeContract(t, () => {
        const client = connect(nodes)
        client.on('error', () => {})
        t.teardown(() => client.disconnect())
        return new RedisStore(client)
      })
      t.end()
    })
  }
})

t.test('openIndex(): keeps the contract on a cluster', async (t) => {
  const client = new six.Cluster(await startCluster(t))
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  indexContract(t, () => new RedisStore(client).openIndex())
})
