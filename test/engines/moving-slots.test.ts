// Slots of a cluster that move while commands for them wait, in the way each kind of command is sent.
import { setImmediate as turn } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { OldRedis } from '../../lib/adopt/old-redis.js'
import { RedisStore } from '../../lib/index.js'
import { later, newKey, recordOf, revision } from '../contracts/store.js'
import { type ClusterNode, startCluster, type TestCluster } from '../support/cluster.js'
import { until } from '../support/gate.js'

/** A client that learns where slots are at the start, and then only from redirections. */
async function connect(t: Test, { nodes }: TestCluster, enableAutoPipelining: boolean): Promise<Cluster> {
  const client = new Cluster(nodes, {
    slotsRefreshInterval: 0,
    retryDelayOnClusterDown: 1,
    enableAutoPipelining
  })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  await until(() => client.status === 'ready')
  client.refreshSlotsCache = (callback) => callback?.()
  return client
}

/** Keys of one node, each in a slot of its own, and another node. */
async function keysOfOneNode(
  cluster: TestCluster,
  count: number
): Promise<[keys: string[], other: ClusterNode]> {
  const owner = await cluster.ownerOf(0)
  const keys: string[] = []
  while (keys.length < count) {
    const key = newKey()
    if ((await cluster.ownerOf(await cluster.slotOf(key))) === owner) keys.push(key)
  }
  return [keys, cluster.primaries.find((node) => node !== owner) as ClusterNode]
}

t.test('moving slots: commands that are gathered while an answer names the new node', async (t) => {
  const cluster = await startCluster(t)
  const client = await connect(t, cluster, true)
  const store = new RedisStore(client)
  const old = new OldRedis(client)
  const commands: Record<string, (key: string) => Promise<unknown>> = {
    read: (key) => store.read(key),
    update: (key) => store.update(key, revision(1), recordOf(1), later()),
    touch: (key) => store.touch(key, revision(1), recordOf(1).subarray(14, 32), later()),
    end: (key) => store.end(key),
    'read of another library': (key) => old.read(key, undefined),
    'shorten of another library': (key) => old.shorten(key, 60_000),
    'remove of another library': (key) => old.remove(key)
  }
  for (const [name, send] of Object.entries(commands)) {
    await t.test(name, async (t) => {
      const [keys, other] = await keysOfOneNode(cluster, 3)
      for (const key of keys) await store.create(key, recordOf(1), later())
      const [moved = '', ...rest] = keys
      await cluster.moveSlot(await cluster.slotOf(moved), other)
      const first = store.read(moved)
      await turn()
      // The first command has been sent. These wait for its answer, together.
      const gathered = [moved, ...rest].map(send)
      t.same(await first, recordOf(1))
      await t.resolves(Promise.all(gathered))
    })
  }
})

for (const enableAutoPipelining of [false, true]) {
  t.test(
    `moving slots: writes that wait for replicas, with auto-pipelining: ${enableAutoPipelining}`,
    async (t) => {
      const cluster = await startCluster(t, { replicas: true })
      const client = await connect(t, cluster, enableAutoPipelining)
      const store = new RedisStore(client, { replicas: 1, replicaTimeout: 10_000 })
      const [[first = '', ...rest], other] = await keysOfOneNode(cluster, 4)
      const create = (key: string) => store.create(key, recordOf(1), later())
      const update = (key: string) => store.update(key, revision(1), recordOf(1), later())

      await t.test('a slot has moved, and other writes go to its old node', async (t) => {
        await Promise.all([first, ...rest].map(create))
        await cluster.moveSlot(await cluster.slotOf(first), other)
        t.same(await Promise.all([first, ...rest].map(update)), ['done', 'done', 'done', 'done'])
        t.same(await Promise.all([first, ...rest].map(update)), ['done', 'done', 'done', 'done'])
      })
      await t.test('sessions end together, on both nodes', async (t) => {
        await store.read(first)
        t.same(await Promise.all([first, ...rest].map((key) => store.end(key))), [
          'done',
          'done',
          'done',
          'done'
        ])
      })
      await t.test('a slot moves: its records are on the new node already', async (t) => {
        const [key = ''] = rest
        await create(key)
        const move = await cluster.beginMove(await cluster.slotOf(key), other)
        await move.moveKeys()
        t.equal(await update(key), 'done')
        t.equal(await store.end(key), 'done')
        t.equal(await create(key), true)
        await move.finish()
        t.equal(await update(key), 'done')
      })
    }
  )
}

t.test('moving slots: a slot gets its first owner', async (t) => {
  const cluster = await startCluster(t, { args: ['--cluster-require-full-coverage', 'no'] })
  const [[key = '']] = await keysOfOneNode(cluster, 1)
  const slot = String(await cluster.slotOf(key))
  const owner = await cluster.ownerOf(Number(slot))
  for (const { client } of cluster.primaries) await client.call('CLUSTER', 'DELSLOTS', slot)
  const stores: RedisStore[] = []
  for (const enableAutoPipelining of [false, true]) {
    const store = new RedisStore(await connect(t, cluster, enableAutoPipelining))
    const refusal = {
      code: 'FST_SESSION_UNAVAILABLE',
      message: /failed with CLUSTERDOWN; nothing was stored/
    }
    await t.rejects(store.read(key), refusal)
    await t.rejects(store.create(key, recordOf(1), later()), refusal)
    stores.push(store)
  }
  await owner.client.call('CLUSTER', 'ADDSLOTS', slot)
  for (const store of stores) {
    t.equal(await store.create(newKeyIn(key), recordOf(1), later()), true)
  }
})

/** Another key of the same slot. */
function newKeyIn(key: string): string {
  return `{${key}}${newKey()}`
}
