// Signals when a server fails: whoever takes over reports what ends.
import { Cluster } from 'ioredis'
import t from 'tap'
import { startCluster } from '../support/cluster.js'
import { until } from '../support/gate.js'
import { caughtUp } from '../support/replication.js'
import { startSentinel } from '../support/sentinel.js'
import { serve, subscribers } from './stage.js'
import { Visitor } from './visitor.js'

/** No timing, but a test that hangs. */
const SOON = { timeout: 120_000 }

t.test('failover: a session that ends on the new primary ends its streams', SOON, async (t) => {
  const sentinel = await startSentinel(t)
  const redis = { sentinels: sentinel.sentinels, name: sentinel.name, connectionName: 'service' }
  const [one, two] = [await serve(t, { redis }), await serve(t, { redis })]
  const visitor = new Visitor(t)
  await visitor.get(one, '/login')
  const stream = await visitor.listen(two)
  const [old] = sentinel.servers
  await sentinel.replicated()
  await sentinel.failover()
  // What the old primary still takes is lost, since nobody waits for replicas here.
  await until(async () => !String(await old?.client.call('CLIENT', 'LIST')).includes('name=service'))
  await until(async () => (await visitor.get(one, '/move')).status === 200)
  await until(async () => (await visitor.get(one, '/logout')).status === 200)
  t.equal(await stream.end, 'data: ended')
})

t.test('a node of a cluster that dies takes no report with it', SOON, async (t) => {
  const cluster = await startCluster(t, { replicas: true })
  const connect = () => {
    const client = new Cluster(cluster.nodes, { clusterRetryStrategy: () => 100 })
    t.teardown(() => client.disconnect())
    return client
  }
  const [one, two] = [
    await serve(t, { redis: connect(), timeout: 10_000 }),
    await serve(t, { redis: connect(), timeout: 10_000 })
  ]
  const visitor = new Visitor(t)
  await visitor.get(one, '/login')
  const stream = await visitor.listen(two)
  const counts = () =>
    Promise.all(cluster.primaries.map(async ({ client }) => (await subscribers(client)).length))
  await until(async () => (await counts()).includes(1))
  const index = (await counts()).indexOf(1)
  const [primary, replica] = [cluster.primaries[index], cluster.replicas[index]]
  if (primary === undefined || replica === undefined) throw new Error('no subscription')
  await caughtUp(primary, [replica])
  await primary.stop()
  await cluster.ready()
  await until(async () => (await visitor.get(one, '/logout')).status === 200)
  t.equal(await stream.end, 'data: ended')
})
