// Sessions in a Redis Cluster. Every operation has one key, so slots may move and nodes may fail.
import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { SessionIds } from '../../lib/cookies/session-id.js'
import { type RedisSessionOptions, RedisStore } from '../../lib/index.js'
import type { TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { startCluster, type TestCluster } from '../support/cluster.js'
import { until } from '../support/gate.js'
import {
  COMMANDS,
  createService,
  failure,
  fields,
  liveWholeLife,
  login,
  OPTIONAL_COMMANDS,
  post
} from './service.js'

function connect(
  t: Test,
  { nodes }: TestCluster,
  options: ConstructorParameters<typeof Cluster>[1] = {}
): Cluster {
  const client = new Cluster(nodes, options)
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  return client
}

function serve(t: Test, cluster: TestCluster, options: RedisSessionOptions = {}): Promise<TestApp> {
  return createService(t, { redis: connect(t, cluster, { enableAutoPipelining: true }), ...options })
}

/** For tests that do not measure time, so that a busy machine may delay requests. */
const PATIENT: RedisSessionOptions = { timeout: 60_000 }

/** The key of the only session. */
async function sessionKey({ primaries }: TestCluster): Promise<string> {
  const keys = await Promise.all(primaries.map(({ client }) => client.keys('session:*')))
  const [key] = keys.flat()
  if (key === undefined) throw new Error('no session in the cluster')
  return key
}

t.test('cluster', async (t) => {
  const cluster = await startCluster(t)
  await t.test('sessions work with and without auto-pipelining', async (t) => {
    await liveWholeLife(t, await serve(t, cluster))
    await liveWholeLife(t, await createService(t, { redis: connect(t, cluster) }))
  })

  await t.test('regenerate(): the new id may be on another node', async (t) => {
    const { primaries } = cluster
    for (const { client } of primaries) await client.flushall()
    const browser = await login(t, await serve(t, cluster))
    const owners = new Set<number>()
    while (owners.size < primaries.length) {
      t.same(failure(await post(browser, '/regenerate')), [200, undefined])
      for (const [index, { client }] of primaries.entries()) {
        const keys = await client.keys('session:*')
        // Tombstones of earlier ids are much shorter.
        const lengths = await Promise.all(keys.map((key) => client.strlen(key)))
        if (lengths.some((length) => length > 50)) owners.add(index)
      }
    }
    t.same(await browser.json('/'), { userId: 1, count: 0 })
  })

  await t.test('merge: parallel changes of two processes are merged', async (t) => {
    const [one, two] = [await serve(t, cluster, PATIENT), await serve(t, cluster, PATIENT)]
    const browser = await login(t, one)
    const requests = Array.from({ length: 20 }, (_, index) => {
      return post(browser.visit(index % 2 === 0 ? one : two), '/count')
    })
    for (const response of await Promise.all(requests)) t.equal(response.statusCode, 200)
    t.same(await browser.json('/'), { userId: 1, count: 20 })
  })

  await t.test('slot migration: a session works while its slot moves', async (t) => {
    const { primaries } = cluster
    for (const { client } of primaries) await client.flushall()
    const [one, two] = [await serve(t, cluster, PATIENT), await serve(t, cluster, PATIENT)]
    const browser = await login(t, one)
    const slot = await cluster.slotOf(await sessionKey(cluster))
    const owner = await cluster.ownerOf(slot)
    const target = primaries.find((node) => node !== owner)
    if (target === undefined) throw new Error('no other node')
    let answered = 0
    let isOver = false
    const load = [one, two].map(async (app) => {
      const tab = new Browser(app)
      for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
      while (!isOver) {
        const response = await post(tab, '/count')
        if (response.statusCode !== 200) t.same(failure(response), [200, undefined])
        answered++
      }
    })
    const more = async () => {
      const before = answered
      await until(() => answered >= before + 10)
    }
    await more()
    const move = await cluster.beginMove(slot, target)
    await more()
    await move.moveKeys()
    await more()
    t.equal(
      await target.client.call('CLUSTER', 'COUNTKEYSINSLOT', String(slot)),
      1,
      'the key is on the target'
    )
    await move.finish()
    await more()
    isOver = true
    await Promise.all(load)
    t.equal(await cluster.ownerOf(slot), target)
    t.same(await browser.json('/'), { userId: 1, count: answered }, 'no change was lost or applied twice')
  })

  await t.test('slot migration: sessions that share pipelines work while slots move', async (t) => {
    const { primaries } = cluster
    for (const { client } of primaries) await client.flushall()
    const app = await serve(t, cluster, PATIENT)
    const browsers: Browser[] = []
    for (let index = 0; index < 12; index++) browsers.push(await login(t, app))
    const failures: unknown[] = []
    const counts = browsers.map(() => 0)
    let isOver = false
    const load = browsers.map(async (browser, index) => {
      while (!isOver) {
        const response = await post(browser, '/count')
        if (response.statusCode === 200) counts[index] = (counts[index] ?? 0) + 1
        else failures.push([response.statusCode, response.body])
      }
    })
    const total = () => counts.reduce((sum, count) => sum + count, 0)
    const more = async () => {
      const before = total()
      await until(() => total() >= before + 60)
    }
    await more()
    const [from, to] = primaries
    if (from === undefined || to === undefined) throw new Error('no other node')
    const keys = (await from.client.keys('session:*')).concat(await to.client.keys('session:*'))
    for (const key of keys.slice(0, 8)) {
      const slot = await cluster.slotOf(key)
      const owner = await cluster.ownerOf(slot)
      const target = primaries.find((node) => node !== owner) ?? to
      const move = await cluster.beginMove(slot, target)
      await more()
      await move.moveKeys()
      await more()
      await move.finish()
    }
    await more()
    isOver = true
    await Promise.all(load)
    t.same(failures, [])
    for (const [index, browser] of browsers.entries()) {
      t.same(await browser.json('/'), { userId: 1, count: counts[index] })
    }
  })

  await t.test('ACL: a user with the minimal permissions', async (t) => {
    // ioredis warns about commands that it may not use.
    t.capture(console, 'warn', () => {})
    const own = ['cluster|slots', 'cluster|info', 'asking']
    const rights = [...COMMANDS, ...own].map((command) => `+${command}`)
    for (const { client } of cluster.primaries) {
      await client.call('ACL', 'SETUSER', 'sessions', 'reset', 'on', '>pw', '~session:*', ...rights)
      await client.call('ACL', 'LOG', 'RESET')
    }
    const redisOptions = { username: 'sessions', password: 'pw' }
    await liveWholeLife(t, await createService(t, { redis: connect(t, cluster, { redisOptions }) }))
    const denied = new Set<unknown>()
    for (const { client } of cluster.primaries) {
      for (const entry of (await client.call('ACL', 'LOG')) as unknown[]) denied.add(fields(entry).object)
    }
    for (const command of OPTIONAL_COMMANDS) denied.delete(command)
    t.same([...denied], [])
  })
})

t.test('cluster: a primary with a replica is killed', async (t) => {
  const cluster = await startCluster(t, { replicas: true, nodeTimeout: 3_000 })
  const app = await serve(t, cluster, { timeout: 1_000, replicas: 1, replicaTimeout: 300 })
  const browser = new Browser(app)
  await until(async () => (await post(browser, '/login')).statusCode === 200)
  await until(async () => (await post(browser, '/count')).statusCode === 200)
  const before = await browser.json<{ count: number }>('/')
  // Not just any key, since a login that was stored but not replicated has left another.
  const [cookie = ''] = browser.cookies.values()
  const slot = await cluster.slotOf(
    `session:${new SessionIds('__Host-session', []).handleOf(cookie.split('.')[0] ?? '')}`
  )
  const owner = await cluster.ownerOf(slot)
  await owner.stop()

  const first = await browser.request('/')
  t.same(failure(first), [503, 'FST_SESSION_UNAVAILABLE'], 'requests do not wait for the failover')
  t.equal(first.headers['retry-after'], '1')
  const statuses = new Set<number>()
  await until(async () => {
    const { statusCode } = await browser.request('/')
    statuses.add(statusCode)
    return statusCode === 200
  })
  t.same([...statuses].sort(), [200, 503])
  // The replica has taken over, but the node that answers may not know it yet.
  await until(async () => (await cluster.ownerOf(slot)) !== owner)
  t.same(await browser.json('/'), before, 'the replica has all acknowledged commits')
  const index = cluster.primaries.indexOf(owner)
  const promoted = cluster.replicas[index]
  if (promoted === undefined) throw new Error('no replica')

  const alone = await post(browser, '/count')
  t.same(failure(alone), [503, 'FST_SESSION_NOT_REPLICATED'], 'a primary without a replica reports it')
  // The replica of another primary, since Valkey 8.0 cannot restart the killed one from its cluster file.
  const spare = cluster.replicas[(index + 1) % cluster.replicas.length]
  await spare?.client.cluster('REPLICATE', String(await promoted.client.cluster('MYID')))
  await until(async () => (await promoted.client.info('replication')).includes('state=online'))
  await until(async () => (await post(browser, '/count')).statusCode === 200)
})

t.test('cluster: two of three primaries are killed', async (t) => {
  const cluster = await startCluster(t, { nodeTimeout: 500 })
  const app = await serve(t, cluster)
  const [survivor, ...others] = cluster.primaries
  if (survivor === undefined) throw new Error('no node')
  let browser: Browser
  do browser = await login(t, app)
  while ((await survivor.client.keys('session:*')).length === 0)
  for (const node of others) await node.stop()
  await until(async () =>
    String(await survivor.client.call('CLUSTER', 'INFO')).includes('cluster_state:fail')
  )

  t.same(
    failure(await browser.request('/')),
    [503, 'FST_SESSION_UNAVAILABLE'],
    'for keys of the third primary too'
  )
  const lost = failure(await post(new Browser(app), '/login'))
  t.equal(lost[0], 503)
  t.match(lost[1], /^FST_SESSION_(UNAVAILABLE|UNCERTAIN)$/)

  for (const node of others) await node.restart()
  await cluster.ready()
  await until(async () => (await browser.request('/')).statusCode === 200)
  t.same(await browser.json('/'), { userId: 1, count: 0 }, 'the session on the third primary still exists')
  await until(async () => (await post(new Browser(app), '/login')).statusCode === 200)
})

t.test('replicas', async (t) => {
  const cluster = await startCluster(t, { replicas: true })
  await t.test('a commit follows its slot to another node', (t) => followSlot(t, cluster))
  await t.test('sessions that end together wait once on each primary', (t) => endTogether(t, cluster))
})

async function followSlot(t: Test, cluster: TestCluster): Promise<void> {
  const client = connect(t, cluster, { slotsRefreshInterval: 0 })
  const store = new RedisStore(client, { replicas: 1, replicaTimeout: 10_000 })
  const record = Buffer.alloc(60, 1)
  const later = Date.now() + 60_000
  t.equal(await store.create('{a}0', record, later), true)
  const slot = await cluster.slotOf('a')
  const owner = await cluster.ownerOf(slot)
  const other = cluster.primaries.find((primary) => primary !== owner)
  if (other === undefined) throw new Error('one primary')
  await cluster.moveSlot(slot, other)
  t.equal(await store.create('{a}1', record, later), true, 'a new record, without a read before')
  t.equal(await store.update('{a}0', record.subarray(14, 32), record, later), 'done')
}

async function endTogether(t: Test, cluster: TestCluster): Promise<void> {
  const { primaries } = cluster
  const client = connect(t, cluster, { slotsRefreshInterval: 0, enableOfflineQueue: false })
  await until(() => client.status === 'ready')
  const store = new RedisStore(client, { replicas: 1, replicaTimeout: 10_000 })
  const keys = Array.from({ length: 60 }, (_, at) => `session:${at}`)
  const [first = ''] = keys
  const begin = () =>
    Promise.all(keys.map((key) => store.create(key, Buffer.alloc(60, 1), Date.now() + 60_000)))
  const endAll = async () => new Set(await Promise.all(keys.map((key) => store.end(key))))
  const waits = () => Promise.all(primaries.map(async (node) => (await node.commands()).wait ?? 0))
  t.same(await endAll(), new Set(['missing']), 'Redis gets to know the script')
  await begin()
  await waits()
  t.same(await endAll(), new Set(['done']))
  t.same(await waits(), [1, 1, 1])
  await begin()
  const slot = await cluster.slotOf(first)
  const owner = await cluster.ownerOf(slot)
  await cluster.moveSlot(slot, primaries.find((node) => node !== owner) as (typeof primaries)[0])
  t.same(await endAll(), new Set(['done']), 'a slot has moved')
  client.disconnect()
  await t.rejects(endAll(), { code: 'FST_SESSION_UNAVAILABLE' })
}
