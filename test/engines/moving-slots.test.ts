// Slots of a cluster that move while commands for them wait, in each way in which commands are sent.
import { setImmediate as turn } from 'node:timers/promises'
import * as six from 'ioredis'
import * as five from 'ioredis5'
import * as valkey from 'iovalkey'
import t, { type Test } from 'tap'
import { OldRedis } from '../../lib/adopt/old-redis.js'
import { type RedisClient, RedisStore } from '../../lib/index.js'
import { endedBecause } from '../../lib/records/tombstone.js'
import { execute } from '../../lib/stores/misdirected.js'
import type { FullClient } from '../../lib/stores/redis-commands.js'
import { TOUCH } from '../../lib/stores/store.js'
import { later, newKey, recordOf, revision } from '../contracts/store.js'
import { type ClusterNode, startCluster, type TestCluster } from '../support/cluster.js'
import { until } from '../support/gate.js'
import { LossyProxy } from '../support/lossy-proxy.js'

interface Options {
  redisOptions?: { username: string; password: string }
  retryDelayOnClusterDown?: number
  maxRedirections?: number
  clusterNodeRetryStrategy?: () => number
  enableAutoPipelining?: boolean
  natMap?: Record<string, { host: string; port: number }>
}
interface Cluster extends RedisClient {
  status: string
  refreshSlotsCache(callback?: () => void): void
  on(event: 'error', listener: () => void): unknown
  disconnect(): void
}
/** Milliseconds. No test needs a node to fail, and a busy machine may stop one for a second. */
const nodeTimeout = 10_000
const LIBRARIES = { 'ioredis 6': six.Cluster, 'ioredis 5': five.Cluster, iovalkey: valkey.Cluster }

/** A client that learns where slots are at the start, and then only from redirections. */
async function connect(
  t: Test,
  { nodes }: TestCluster,
  options: Options,
  Library: (typeof LIBRARIES)[keyof typeof LIBRARIES] = six.Cluster
): Promise<Cluster> {
  const settings = { slotsRefreshInterval: 0, ...options }
  const client: Cluster = new Library(nodes, settings)
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  await until(() => client.status === 'ready')
  client.refreshSlotsCache = (callback) => callback?.()
  return client
}

/** Keys of one node, each in a slot of its own. */
async function keysOf(cluster: TestCluster, owner: ClusterNode, count: number): Promise<string[]> {
  const keys = new Map<number, string>()
  while (keys.size < count) {
    const key = newKey()
    const slot = await cluster.slotOf(key)
    if ((await cluster.ownerOf(slot)) === owner) keys.set(slot, key)
  }
  return [...keys.values()]
}

for (const [name, Library] of Object.entries(LIBRARIES)) {
  t.test(`moving slots: commands that wait while an answer names the new node: ${name}`, async (t) => {
    const cluster = await startCluster(t, { nodeTimeout })
    const [owner, other] = cluster.primaries as [ClusterNode, ClusterNode]
    const client = await connect(t, cluster, { enableAutoPipelining: true }, Library)
    const store = new RedisStore(client)
    const old = new OldRedis(client)
    const commands: Record<string, [send: (key: string) => Promise<unknown>, reply: unknown]> = {
      read: [(key) => store.read(key), recordOf(1)],
      update: [(key) => store.update(key, revision(1), recordOf(2), later()), 'done'],
      touch: [(key) => store.touch(key, revision(1), patch, later()), 'done'],
      end: [(key) => store.end(key), 'done'],
      'shorten of another library': [(key) => old.shorten(key, 50_000), 50_000],
      'remove of another library': [(key) => old.remove(key), undefined]
    }
    for (const [name, [send, reply]] of Object.entries(commands)) {
      await t.test(name, async (t) => {
        const keys = await keysOf(cluster, owner, 3)
        for (const key of keys) await store.create(key, recordOf(1), later())
        const [moved = ''] = keys
        await cluster.moveSlot(await cluster.slotOf(moved), other)
        const first = store.read(moved)
        await turn()
        // The first command has been sent. These wait for its answer, together.
        const gathered = keys.map(send)
        t.same(await first, recordOf(1))
        t.same(await Promise.all(gathered), [reply, reply, reply])
      })
    }
    await t.test('read of another library', async (t) => {
      const [key = '', another = ''] = await keysOf(cluster, owner, 2)
      for (const each of [key, another]) await store.create(each, recordOf(1), later())
      await cluster.moveSlot(await cluster.slotOf(key), other)
      const first = store.read(key)
      await turn()
      const gathered = [key, another].map((each) => old.read(each, undefined))
      await first
      for (const record of await Promise.all(gathered)) t.same(record?.values, [recordOf(1)])
    })
  })

  t.test(`moving slots: a slot moves to a node that had none: ${name}`, async (t) => {
    const cluster = await startCluster(t, { nodeTimeout, spares: 4 })
    const { spares } = cluster
    const [owner] = cluster.primaries as [ClusterNode]
    for (const enableAutoPipelining of [false, true]) {
      for (const isMapped of [false, true]) {
        const spare = spares.pop() as ClusterNode
        const proxy = await LossyProxy.open(t, spare.port)
        const address = { host: '127.0.0.1', port: isMapped ? proxy.port : spare.port }
        const natMap = { [`127.0.0.1:${spare.port}`]: address }
        // The client itself gives up soon.
        const options = { enableAutoPipelining, natMap, maxRedirections: 2 }
        const open = async () => new RedisStore(await connect(t, cluster, options, Library))
        const [store, late] = [await open(), await open()]
        const [key = ''] = await keysOf(cluster, owner, 1)
        const slot = await cluster.slotOf(key)
        await store.create(key, recordOf(1), later())
        const move = await cluster.beginMove(slot, spare)
        await move.moveKeys()
        t.same(await store.read(key), recordOf(1), 'a key that has moved')
        t.equal(await store.create(`{${key}}2`, recordOf(1), later()), true, 'a new key')
        t.equal(await store.update(key, revision(1), recordOf(2), later()), 'done')
        await move.finish()
        t.same(await store.read(key), recordOf(2))
        t.equal(await late.update(key, revision(2), recordOf(3), later()), 'done', 'after the move')
        t.same(await late.read(key), recordOf(3))
      }
    }
  })
}

const patch = recordOf(1).subarray(TOUCH.offset, TOUCH.offset + TOUCH.length)

for (const [name, Library] of Object.entries(LIBRARIES)) {
  for (const enableAutoPipelining of [false, true]) {
    const title = `${name}, ${enableAutoPipelining ? 'with' : 'without'} auto-pipelining`
    t.test(`moving slots: writes that wait for replicas: ${title}`, async (t) => {
      const cluster = await startCluster(t, { nodeTimeout, replicas: true })
      const [owner, other] = cluster.primaries as [ClusterNode, ClusterNode]
      const client = await connect(t, cluster, { enableAutoPipelining }, Library)
      const store = new RedisStore(client, { replicas: 1, replicaTimeout: 10_000 })
      const keys = await keysOf(cluster, owner, 4)
      const [first = '', second = ''] = keys
      const create = (key: string) => store.create(key, recordOf(1), later())
      const update = (key: string) => store.update(key, revision(1), recordOf(1), later())
      const all = ['done', 'done', 'done', 'done']

      await t.test('a slot has moved, and other writes go to its old node', async (t) => {
        await Promise.all(keys.map(create))
        await cluster.moveSlot(await cluster.slotOf(first), other)
        t.same(await Promise.all(keys.map(update)), all)
        t.same(await Promise.all(keys.map(update)), all)
      })
      await t.test('sessions end together, on both nodes', async (t) => {
        await store.read(first)
        t.same(await Promise.all(keys.map((key) => store.end(key))), all)
      })
      await t.test('a slot moves: its records are on the new node already', async (t) => {
        await create(second)
        const move = await cluster.beginMove(await cluster.slotOf(second), other)
        await move.moveKeys()
        t.equal(await update(second), 'done')
        t.equal(await store.end(second), 'done')
        t.equal(await create(second), true)
        await move.finish()
        t.equal(await update(second), 'done')
      })
      await t.test('the index of a user has moved, and moves', async (t) => {
        const [, , user = ''] = keys
        const index = await store.openIndex()
        const enter = (handle: string) =>
          index.enter(user, {
            handle,
            lifetime: 60_000,
            entering: 0,
            from: '',
            isLogin: true,
            limit: 0,
            drop: []
          })
        t.equal(await enter('1'), 'entered')
        const move = await cluster.beginMove(await cluster.slotOf(user), other)
        await move.moveKeys()
        t.equal(await enter('2'), 'entered')
        await move.finish()
        t.equal(await enter('3'), 'entered')
        t.equal((await index.list(user)).length, 3)
      })
    })
  }
}

t.test('moving slots: a slot gets its first owner', async (t) => {
  const cluster = await startCluster(t, { nodeTimeout, args: ['--cluster-require-full-coverage', 'no'] })
  const [owner] = cluster.primaries as [ClusterNode]
  const [key = ''] = await keysOf(cluster, owner, 1)
  const slot = await cluster.slotOf(key)
  for (const { client } of cluster.primaries) await client.call('CLUSTER', 'DELSLOTS', String(slot))
  const stores: RedisStore[] = []
  for (const enableAutoPipelining of [false, true]) {
    const store = new RedisStore(
      await connect(t, cluster, { enableAutoPipelining, retryDelayOnClusterDown: 1 })
    )
    const refusal = {
      code: 'FST_SESSION_UNAVAILABLE',
      message: /failed with CLUSTERDOWN; nothing was stored/
    }
    await t.rejects(store.read(key), refusal)
    await t.rejects(store.create(key, recordOf(1), later()), refusal)
    stores.push(store)
  }
  await owner.client.call('CLUSTER', 'ADDSLOTS', String(slot))
  await until(async () => {
    const owners = await Promise.all(cluster.primaries.map((node) => node.client.cluster('SLOTS')))
    return owners.every((ranges) => ranges.some(([from, to]) => Number(from) <= slot && slot <= Number(to)))
  })
  for (const store of stores) t.equal(await store.create(`{${key}}${newKey()}`, recordOf(1), later()), true)
})

t.test('moving slots: a user without the right to ASKING', async (t) => {
  const cluster = await startCluster(t, { nodeTimeout })
  const [owner, other] = cluster.primaries as [ClusterNode, ClusterNode]
  for (const { client } of cluster.primaries) {
    await client.call('ACL', 'SETUSER', 'limited', 'on', '>pw', '~*', '+@all', '-asking')
  }
  const redisOptions = { username: 'limited', password: 'pw' }
  const client = await connect(t, cluster, { enableAutoPipelining: true, redisOptions })
  const store = new RedisStore(client)
  const [key = ''] = await keysOf(cluster, owner, 1)
  await store.create(key, recordOf(1), later())
  const move = await cluster.beginMove(await cluster.slotOf(key), other)
  await move.moveKeys()
  const update = (store: RedisStore) => store.update(key, revision(1), recordOf(2), later())
  // The client has asked, and hides why the node refused.
  await t.rejects(update(store), { code: 'FST_SESSION_UNAVAILABLE', message: /MOVED; nothing was stored/ })
  const replicated = new RedisStore(client, { replicas: 1 })
  await t.rejects(update(replicated), { code: 'FST_SESSION_STORE_DENIED', message: /NOPERM/ })
  // The slot has moved when the command comes, which then needs no ASKING.
  await move.finish()
  const command = ['getBuffer', [key]] as const
  const redirection = new Error(`ASK 1 127.0.0.1:${other.port}`)
  t.same(await execute(client as unknown as FullClient, [command], redirection), [{ reply: recordOf(1) }])
})

t.test('moving slots: ends that were executed before the client was redirected are uncertain', async (t) => {
  const cluster = await startCluster(t, { nodeTimeout, replicas: true })
  const [owner, other] = cluster.primaries as [ClusterNode, ClusterNode]
  const proxy = await LossyProxy.open(t, owner.port)
  const natMap = { [`127.0.0.1:${owner.port}`]: { host: '127.0.0.1', port: proxy.port } }
  const store = new RedisStore(await connect(t, cluster, { natMap, clusterNodeRetryStrategy: () => 1 }), {
    replicas: 1,
    replicaTimeout: 10_000
  })
  const keys = await keysOf(cluster, owner, 2)
  const end = (key: string) =>
    store.end(key, { record: endedBecause('elsewhere', 60).bytes, expiresAt: later() })
  const create = () => Promise.all(keys.map((key) => store.create(key, recordOf(1), later())))
  await create()
  t.same(await Promise.all(keys.map(end)), ['done', 'done'], 'Redis gets to know the script')
  for (const { client } of cluster.primaries) await client.flushall()
  await create()
  const ended = await proxy.lose(
    () => Promise.allSettled(keys.map(end)),
    async () => {
      for (const key of keys) await cluster.moveSlot(await cluster.slotOf(key), other)
    }
  )
  for (const { status, ...end } of ended) t.match(end, { reason: { code: 'FST_SESSION_UNCERTAIN' } }, status)
})
