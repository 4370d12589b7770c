// What RedisStore reports for a write whose answer was lost: never a refusal, and never a conflict with itself.
import type { EventEmitter } from 'node:events'
import { once } from 'node:events'
import { createServer } from 'node:net'
import * as six from 'ioredis'
import * as five from 'ioredis5'
import * as valkey from 'iovalkey'
import t, { type Test } from 'tap'
import { type RedisClient, RedisStore } from '../../lib/stores/redis.js'
import { createClient } from '../../lib/stores/redis-client.js'
import { TOUCH } from '../../lib/stores/store.js'
import { later, newKey, recordOf, revision } from '../contracts/store.js'
import { until } from '../support/gate.js'
import { LossyProxy } from '../support/lossy-proxy.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'

type Client = RedisClient & EventEmitter & { disconnect(): void }

const UNCERTAIN = { code: 'FST_SESSION_UNCERTAIN', message: /a lost connection/ }
const PATCH = recordOf(5).subarray(TOUCH.offset, TOUCH.offset + TOUCH.length)
const log = { error() {}, warn() {}, info() {} }

const single = (proxy: number) => ({ host: '127.0.0.1', port: proxy, retryStrategy: () => 10 })
const cluster = { retryDelayOnFailover: 50, clusterRetryStrategy: () => 10 }

// Clients of the application, which resend a command after they reconnect.
const CLIENTS: Record<string, (proxy: number) => Client> = {
  'ioredis 6': (proxy) => new six.Redis(single(proxy)),
  'ioredis 5': (proxy) => new five.Redis(single(proxy)),
  iovalkey: (proxy) => new valkey.Redis(single(proxy)),
  'a cluster of ioredis 6': (proxy) => new six.Cluster([single(proxy)], cluster),
  'a cluster of ioredis 5': (proxy) => new five.Cluster([single(proxy)], cluster),
  'a cluster of iovalkey': (proxy) => new valkey.Cluster([single(proxy)], cluster)
}

/** Turns the server into a cluster whose only node announces this port. */
async function beCluster({ client }: RedisServer, port: number): Promise<void> {
  await client.config('SET', 'cluster-announce-ip', '127.0.0.1')
  await client.config('SET', 'cluster-announce-port', String(port))
  await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await until(async () => String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'))
}

async function begin(t: Test, name: string, connect: (proxy: number) => Client) {
  const isCluster = name.includes('cluster')
  const redis = await startRedis(t, ...(isCluster ? ['--cluster-enabled', 'yes'] : []))
  const proxy = await LossyProxy.open(t, redis.port)
  if (isCluster) await beCluster(redis, proxy.port)
  const client = connect(proxy.port)
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  const store = new RedisStore(client)
  const other = new RedisStore(redis.connect())
  // Loads the scripts into the server beforehand, so that it never asks for them.
  const key = newKey()
  await other.create(key, recordOf(1), later())
  await other.create(key, recordOf(2), later())
  for (const each of [other, store]) {
    await Promise.all([
      each.touch(key, revision(9), PATCH, later()),
      each.touch(key, revision(9), PATCH, later())
    ])
    await each.update(key, revision(9), recordOf(2), later())
    const again = () => each.update(key, revision(9), recordOf(2), later())
    await Promise.all([again(), again()])
    await each.touch(key, revision(9), PATCH, later())
    await each.destroy(key, revision(9))
    await each.end(newKey())
  }
  return { redis, proxy, store, other }
}

for (const [name, connect] of Object.entries(CLIENTS)) {
  t.test(`write resent by ${name}`, async (t) => {
    const { redis, proxy, store, other } = await begin(t, name, connect)
    const stored = async (number = 1) => {
      const key = newKey()
      await other.create(key, recordOf(number), later())
      return key
    }

    await t.test('is recognised as done', async (t) => {
      const [updated, touched, removed, ended, created] = [
        await stored(),
        await stored(),
        await stored(),
        await stored(),
        newKey()
      ]
      const update = () => store.update(updated, revision(1), recordOf(2), later())
      t.equal(await proxy.lose(update), 'done')
      t.equal(await proxy.lose(() => store.touch(touched, revision(1), PATCH, later())), 'done')
      t.equal(await proxy.lose(() => store.create(created, recordOf(1), later())), true)
      t.equal(await proxy.lose(() => store.destroy(removed, revision(1))), 'missing')
      t.equal(await proxy.lose(() => store.end(ended)), 'missing')
    })

    await t.test('is uncertain if others have changed its record since', async (t) => {
      const [updated, touched, created, gone] = [await stored(), await stored(), newKey(), await stored()]
      const update = () => store.update(updated, revision(1), recordOf(2), later())
      await t.rejects(
        proxy.lose(update, () => other.update(updated, revision(2), recordOf(3), later())),
        UNCERTAIN
      )
      await t.rejects(
        proxy.lose(
          () => store.touch(touched, revision(1), PATCH, later()),
          () => other.end(touched)
        ),
        UNCERTAIN
      )
      await t.rejects(
        proxy.lose(
          () => store.create(created, recordOf(1), later()),
          () => other.update(created, revision(1), recordOf(2), later())
        ),
        UNCERTAIN
      )
      await t.rejects(
        proxy.lose(
          () => store.update(gone, revision(1), recordOf(2), later()),
          () => other.destroy(gone, revision(2))
        ),
        UNCERTAIN
      )
      await t.rejects(
        proxy.lose(() => store.destroy(updated, revision(1))),
        UNCERTAIN,
        'even if it had no effect'
      )
    })

    await t.test('is uncertain if only the last try was refused', async (t) => {
      const key = await stored()
      const refuse = () => redis.client.config('SET', 'min-replicas-to-write', '1')
      await t.rejects(
        proxy.lose(() => store.update(key, revision(1), recordOf(2), later()), refuse),
        { code: 'FST_SESSION_UNCERTAIN', message: /NOREPLICAS/ }
      )
      t.ok((await other.read(key))?.equals(recordOf(2)), 'an earlier try was executed')
      await t.rejects(store.update(key, revision(2), recordOf(3), later()), {
        code: 'FST_SESSION_UNAVAILABLE',
        message: /NOREPLICAS/
      })
      await redis.client.config('SET', 'min-replicas-to-write', '0')
    })

    if (name.includes('cluster')) return
    await t.test('is uncertain in a batch, each write separately', async (t) => {
      const keys = [await stored(), await stored(), await stored()]
      const [first = '', second = '', third = ''] = keys
      await other.end(third)
      const updates = () =>
        Promise.allSettled(keys.map((key) => store.update(key, revision(1), recordOf(2), later())))
      const meanwhile = () => other.update(second, revision(2), recordOf(3), later())
      const outcomes = await proxy.lose(updates, meanwhile)
      t.match(outcomes, [{ value: 'done' }, { reason: UNCERTAIN }, { reason: UNCERTAIN }])
      const refuse = () => redis.client.config('SET', 'min-replicas-to-write', '1')
      const both = () =>
        Promise.allSettled(
          [first, second].map((key, index) => store.update(key, revision(2 + index), recordOf(4), later()))
        )
      for (const outcome of await proxy.lose(both, refuse)) {
        t.match(outcome, { reason: { code: 'FST_SESSION_UNCERTAIN' } })
      }
      t.ok((await other.read(first))?.equals(recordOf(4)))
      await redis.client.config('SET', 'min-replicas-to-write', '0')
    })
  })
}

async function beginOwn(t: Test): Promise<{ redis: RedisServer; proxy: LossyProxy; store: RedisStore }> {
  const redis = await startRedis(t)
  const proxy = await LossyProxy.open(t, redis.port)
  // The application's setting for resending does not apply to sessions.
  const url = `redis://127.0.0.1:${proxy.port}?maxRetriesPerRequest=5`
  const own = createClient(url, 2_000, log)
  t.teardown(() => own.close())
  const store = new RedisStore(own.client, { connectionOf: () => own.connection })
  await store.ready('read')
  t.equal(store.ready('read'), undefined)
  return { redis, proxy, store }
}

t.test('client of the plugin: sends a write once', async (t) => {
  const { redis, proxy, store } = await beginOwn(t)
  const key = newKey()
  const uncertain = { code: 'FST_SESSION_UNCERTAIN' }
  await t.rejects(
    proxy.lose(() => store.create(key, recordOf(1), later())),
    uncertain
  )
  await store.ready('update')
  await redis.commands()
  await store.update(key, revision(9), recordOf(3), later())
  await t.rejects(
    proxy.lose(() => store.update(key, revision(1), recordOf(2), later())),
    uncertain
  )
  await store.ready('update')
  t.same((await redis.commands()).set, 1)
  t.ok((await redis.client.getBuffer(key))?.equals(recordOf(2)))
})

t.test('client of the plugin: repeats a lost read, alone and in a batch', async (t) => {
  const { redis, proxy, store } = await beginOwn(t)
  const [one, two] = [newKey(), newKey()]
  for (const key of [one, two]) await store.create(key, recordOf(1), later())
  t.ok((await proxy.lose(() => store.read(one)))?.equals(recordOf(1)))
  const both = await proxy.lose(() => Promise.all([store.read(one), store.read(two)]))
  t.ok(both.every((record) => record?.equals(recordOf(1))))
  await redis.stop()
  await t.rejects(store.read(one), { code: 'FST_SESSION_UNAVAILABLE', message: /ECONN|closed|connection/ })
})

t.test(
  'cluster: with a slot that no node serves, the error says whether a try may have been executed',
  async (t) => {
    const redis = await startRedis(
      t,
      ...['--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'no']
    )
    const proxy = await LossyProxy.open(t, redis.port)
    await beCluster(redis, proxy.port)
    const client = new six.Cluster([single(proxy.port)], {
      ...cluster,
      ...{ maxRedirections: 4, retryDelayOnClusterDown: 10 }
    })
    client.on('error', () => {})
    t.teardown(() => client.disconnect())
    const store = new RedisStore(client)
    await store.create('{a}key', recordOf(1), later())
    const slot = String(await redis.client.call('CLUSTER', 'KEYSLOT', 'a'))
    const update = () => store.update('{a}key', revision(1), recordOf(2), later())
    await t.rejects(
      proxy.lose(update, () => redis.client.call('CLUSTER', 'DELSLOTS', slot)),
      { code: 'FST_SESSION_UNCERTAIN', message: /CLUSTERDOWN/ }
    )
    await t.rejects(update(), { code: 'FST_SESSION_UNAVAILABLE', message: /CLUSTERDOWN/ })
  }
)

t.test("uncertain: an error in a proxy's own words is no refusal by Redis", async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => socket.write('-upstream failure\r\n'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  const client = new six.Redis({
    ...single(port),
    ...{ protocol: 2, enableReadyCheck: false, disableClientInfo: true }
  })
  t.teardown(() => client.disconnect())
  await t.rejects(new RedisStore(client).create('key', recordOf(1), later()), {
    code: 'FST_SESSION_UNCERTAIN',
    message: /an answer that is not one of Redis/
  })
})

t.test('unavailable: a command that the client did not send was refused', async (t) => {
  const redis = await startRedis(t)
  const update = (client: RedisClient) =>
    new RedisStore(client).update('key', revision(1), recordOf(2), later())
  const subscriber = redis.connect({ protocol: 2 })
  await subscriber.subscribe('news')
  await t.rejects(update(subscriber), {
    code: 'FST_SESSION_UNAVAILABLE',
    message: /a client in subscriber mode/
  })
  const eager = redis.connect({ enableOfflineQueue: false, lazyConnect: true })
  await t.rejects(update(eager), { code: 'FST_SESSION_UNAVAILABLE', message: /no connection/ })
  const closed = new six.Cluster([{ host: '127.0.0.1', port: redis.port }], { lazyConnect: true })
  closed.disconnect()
  await once(closed, 'end')
  await t.rejects(update(closed), { code: 'FST_SESSION_UNAVAILABLE', message: /a closed connection/ })
})

t.test('RedisStore: many stores on one client add one listener per event', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect()
  const before = client.eventNames().map((event) => client.listenerCount(event))
  for (let store = 0; store < 20; store++) new RedisStore(client)
  const after = client.eventNames().map((event) => client.listenerCount(event))
  t.equal(sum(after) - sum(before), 2)
})

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
