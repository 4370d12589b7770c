// The near cache on a Redis Cluster: any node may own a key, and answer for it.
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { type NearCacheStore, openNearCache } from '../../lib/near-cache/near-cache.js'
import { RedisStore } from '../../lib/stores/redis.js'
import { later } from '../contracts/store.js'
import { type ClusterNode, startCluster, type TestCluster } from '../support/cluster.js'
import { until } from '../support/gate.js'
import { startRedis } from '../support/redis-server.js'
import { LIFETIMES, nextOf, PREFIX, recordOf, trackingClients } from './stage.js'

type ClusterOptions = NonNullable<ConstructorParameters<typeof Cluster>[1]>

interface Stage {
  cluster: TestCluster
  client: Cluster
  near: NearCacheStore
  elsewhere: RedisStore
  lines: string[]
  store(key?: string): Promise<string>
  /** Reads until the answer is kept. */
  warm(key: string): Promise<void>
  isHit(key: string): boolean
  /** Resolves when nothing of this key is served. */
  gone(key: string): Promise<void>
}

async function openStage(t: Test, cluster: TestCluster, options: ClusterOptions = {}): Promise<Stage> {
  const connect = (options: ClusterOptions) => {
    const client = new Cluster(cluster.nodes, options)
    client.on('error', () => {})
    t.teardown(() => {
      client.disconnect()
      // If it is disconnected while it asks for slots, ioredis goes on to ask for ever.
      Object.assign(client, { refreshSlotsCache() {} })
    })
    return client
  }
  const client = connect({ slotsRefreshInterval: 200, ...options })
  const elsewhere = new RedisStore(connect({ slotsRefreshInterval: 200 }))
  const lines: string[] = []
  const near = open(client, lines)
  if (near === undefined) throw new Error('it is off')
  t.teardown(() => near.close())
  let keys = 0
  const isHit = (key: string) => near.copyOf(key) !== undefined
  return {
    cluster,
    client,
    near,
    elsewhere,
    lines,
    isHit,
    async store(key = `${PREFIX}${++keys}`) {
      await elsewhere.create(key, recordOf().bytes, later())
      return key
    },
    warm: (key) =>
      until(async () => {
        await near.read(key).catch(() => {})
        return isHit(key)
      }),
    gone: (key) => until(() => !isHit(key))
  }
}

function open(client: Cluster, lines: string[]): NearCacheStore | undefined {
  const note = (_details: object, message: string) => void lines.push(message)
  const log = { info: note, warn: note, error: note }
  const limits = { maxStale: 2, maxBytes: 1_000_000 }
  return openNearCache(new RedisStore(client), client, {
    ...limits,
    prefix: PREFIX,
    lifetimes: LIFETIMES,
    log
  })
}

/** The owner of a key, and another primary. */
async function placesOf(key: string, { ownerOf, primaries, slotOf }: TestCluster) {
  const slot = await slotOf(key)
  const owner = await ownerOf(slot)
  const other = primaries.find((node) => node !== owner) as ClusterNode
  return { slot, owner, other }
}

t.test('cluster', async (t) => {
  const cluster = await startCluster(t, { replicas: true, nodeTimeout: 10_000 })

  await t.test('sessions on every primary are served, until another process writes them', async (t) => {
    const { elsewhere, gone, isHit, store, warm } = await openStage(t, cluster)
    const keys = await Promise.all(Array.from({ length: 24 }, () => store()))
    // The client gets to know nodes one by one, and each of them begins with an empty cache.
    await until(async () => {
      for (const key of keys) await warm(key)
      return keys.every(isHit)
    })
    for (const key of keys) {
      await elsewhere.end(key)
      await gone(key)
    }
    t.notOk(keys.some(isHit))
  })

  await t.test(
    'a key that moves is not served from its old owner, nor from one that it is moving to',
    async (t) => {
      const { elsewhere, gone, isHit, near, store, warm } = await openStage(t, cluster)
      const key = await store(`${PREFIX}moving`)
      await warm(key)
      const { other, owner, slot } = await placesOf(key, cluster)
      const move = await cluster.beginMove(slot, other)
      await move.moveKeys()
      await gone(key)
      await warm(key)
      const first = recordOf()
      await elsewhere.end(key)
      await gone(key)
      await elsewhere.create(key, first.bytes, later())
      await warm(key)
      await move.finish()
      await gone(key)
      await warm(key)
      const second = nextOf(first)
      t.equal(await elsewhere.update(key, first.revision, second.bytes, later()), 'done')
      await gone(key)
      t.ok((await near.read(key))?.equals(second.bytes))
      await cluster.moveSlot(slot, owner)
      await elsewhere.end(key)
      await gone(key)
      t.notOk(isHit(key))
    }
  )

  await t.test('any change of the cluster empties it', async (t) => {
    const { gone, isHit, store, warm } = await openStage(t, cluster)
    const key = await store(`${PREFIX}epoch`)
    await warm(key)
    const { other } = await placesOf(key, cluster)
    await other.client.call('CLUSTER', 'BUMPEPOCH')
    await gone(key)
    await warm(key)
    t.ok(isHit(key), 'and then it serves again')
  })

  await t.test('a replica that takes over is followed', async (t) => {
    const { elsewhere, gone, isHit, store, warm } = await openStage(t, cluster)
    const key = await store(`${PREFIX}failover`)
    await warm(key)
    const { owner } = await placesOf(key, cluster)
    const replica = cluster.replicas[cluster.primaries.indexOf(owner)]
    await replica?.client.call('CLUSTER', 'FAILOVER')
    await gone(key)
    await until(async () => (await replica?.client.info('replication'))?.includes('role:master') === true)
    await warm(key)
    await until(async () => (await elsewhere.end(key).catch(() => 'again')) !== 'again')
    await gone(key)
    t.notOk(isHit(key))
    await owner.client.call('CLUSTER', 'FAILOVER')
    await until(async () => (await owner.client.info('replication')).includes('role:master'))
  })

  await t.test('with the near cache its connections end, and it leaves the client as it was', async (t) => {
    const { client, near, store, warm } = await openStage(t, cluster)
    await warm(await store(`${PREFIX}closed`))
    const tracking = async () => {
      const counts = await Promise.all(cluster.primaries.map((node) => trackingClients(node.client)))
      return counts.reduce((sum, count) => sum + count)
    }
    t.equal(await tracking(), 3)
    near.close()
    await until(async () => (await tracking()) === 0)
    // The store behind it counts lost connections, and stays.
    const plain = new Cluster(cluster.nodes)
    t.teardown(() => plain.disconnect())
    new RedisStore(plain)
    const listeners = (of: Cluster) => [of.listenerCount('+node'), of.listenerCount('-node')]
    t.same(listeners(client), listeners(plain))
    t.equal(client.status, 'ready')
  })

  await t.test('a client that reads from replicas has none, and the log says so', async (t) => {
    const client = new Cluster(cluster.nodes, { scaleReads: 'all' })
    t.teardown(() => client.disconnect())
    const lines: string[] = []
    t.equal(open(client, lines), undefined)
    t.same(lines, ["the near cache is off: replicas lag behind; set scaleReads: 'master' in the client"])
  })

  await t.test('a user who may not track gets one line in the log', async (t) => {
    for (const { client } of [...cluster.primaries, ...cluster.replicas]) {
      await client.call('ACL', 'SETUSER', 'near', 'on', '>pw', '~*', '&*', '+@all', '-client|tracking')
    }
    const { lines } = await openStage(t, cluster, { redisOptions: { username: 'near', password: 'pw' } })
    await until(() => lines.length > 0)
    await sleep(100)
    t.same(
      lines.map((line) => line.replace(/:\d+/, '')),
      ['the near cache is off until the next start: 127.0.0.1 cannot track keys: NOPERM']
    )
  })

  await t.test('a user who may not ask for the nodes gets one, too', async (t) => {
    for (const { client } of [...cluster.primaries, ...cluster.replicas]) {
      await client.call('ACL', 'SETUSER', 'near', 'on', '>pw', '~*', '&*', '+@all', '-cluster|nodes')
    }
    const { isHit, lines, near, store } = await openStage(t, cluster, {
      redisOptions: { username: 'near', password: 'pw' }
    })
    await until(() => lines.length > 0)
    const key = await store(`${PREFIX}denied`)
    await near.read(key)
    t.notOk(isHit(key))
    t.same(lines, ['the near cache is off until the cluster is stable: NOPERM'])
  })
})

t.test('cluster: a primary that joins is tracked before anything is served', async (t) => {
  const cluster = await startCluster(t, { nodeTimeout: 10_000 })
  const { gone, isHit, lines, near, store, warm } = await openStage(t, cluster)
  const key = await store()
  await warm(key)
  const node = await startRedis(t, '--cluster-enabled', 'yes')
  const [first] = cluster.primaries
  await first?.client.call('CLUSTER', 'MEET', '127.0.0.1', String(node.port))
  await gone(key)
  await until(() => lines.length > 0)
  await near.read(key)
  t.notOk(isHit(key), 'a primary without slots may be about to get some')
  t.same(lines, [
    'the near cache is off until the cluster is stable: its nodes do not agree on its primaries'
  ])
  const id = String(await node.client.call('CLUSTER', 'MYID'))
  const isKnown = async ({ client }: ClusterNode) =>
    String(await client.call('CLUSTER', 'NODES')).includes(id)
  await until(async () => (await Promise.all(cluster.primaries.map(isKnown))).every(Boolean))
  await cluster.moveSlot(await cluster.slotOf(key), Object.assign(node, { id, probe: node.client }))
  await warm(key)
  await new RedisStore(node.client).end(key)
  await gone(key)
  t.notOk(isHit(key))
})

t.test('cluster: nothing is served while a primary is down', async (t) => {
  const cluster = await startCluster(t, { replicas: true, nodeTimeout: 3_000 })
  const { elsewhere, gone, isHit, store, warm } = await openStage(t, cluster)
  const keys = await Promise.all(Array.from({ length: 12 }, () => store()))
  for (const key of keys) await warm(key)
  const [key = ''] = keys
  const { owner } = await placesOf(key, cluster)
  await owner.stop()
  await Promise.all(keys.map(gone))
  await until(async () => (await cluster.ownerOf(await cluster.slotOf(key))) !== owner)
  await until(async () => (await elsewhere.read(key).catch(() => undefined)) !== undefined)
  await warm(key)
  await elsewhere.end(key)
  await gone(key)
  t.notOk(isHit(key), 'the replica that took over tells of its writes')
})
