// The tracking connection: when it is armed, when it stays off, and what is said about it.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis as Client } from 'ioredis'
import { Redis as FiveRedis } from 'ioredis5'
import { Redis as ValkeyRedis } from 'iovalkey'
import t from 'tap'
import { RedisStore } from '../../lib/stores/redis.js'
import { later } from '../contracts/store.js'
import { until } from '../support/gate.js'
import { freePort, startRedis } from '../support/redis-server.js'
import { startSentinel } from '../support/sentinel.js'
import { Wire } from '../support/wire.js'
import { openStage, recordOf, subscriberOf, trackedThrough, trackingClients } from './stage.js'

const LIBRARIES = { 'ioredis 5': FiveRedis, iovalkey: ValkeyRedis }

for (const [name, Library] of Object.entries(LIBRARIES)) {
  t.test(`a client of ${name} has a near cache`, async (t) => {
    const redis = await startRedis(t)
    const client = new Library({ host: '127.0.0.1', port: redis.port }) as unknown as Client
    t.teardown(() => client.disconnect())
    const { elsewhere, read, settled, store, warm } = await openStage(t, { redis, client })
    const key = await store()
    await warm(key)
    await elsewhere.end(key)
    await settled()
    t.equal(await read(key), undefined)
  })
}

t.test('the keyPrefix of a client is part of the keys that Redis names', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect({ keyPrefix: 'app:' })
  const { elsewhere, read, warm } = await openStage(t, { redis, client })
  await elsewhere.create('app:session:key', recordOf().bytes, later())
  await warm('session:key')
  await elsewhere.end('app:session:key')
  await until(async () => (await read('session:key')) === undefined)
  t.equal(await read('session:key'), undefined)
})

t.test('after a failover it follows the client to the new primary', async (t) => {
  const { failover, name, replicated, sentinels, servers } = await startSentinel(t)
  const [redis] = servers
  if (redis === undefined) throw new Error('no server')
  const client = redis.connect({ sentinels, name })
  const { near, read, store, warm } = await openStage(t, { redis, client })
  const key = await store()
  await warm(key)
  await replicated()
  const primary = await failover()
  await until(async () => (await trackingClients(primary.client)) === 1)
  const asks = async (reading: (key: string) => Promise<unknown>) => {
    await primary.commands()
    await reading(key)
    const { get = 0 } = await primary.commands()
    return get > 0
  }
  await until(() => asks((key) => near.read(key)))
  await until(async () => !(await asks(read)))
  await new RedisStore(primary.client).end(key)
  await until(async () => (await read(key)) === undefined)
  t.equal(await read(key), undefined)
})

t.test('what is read before it is armed is not kept', async (t) => {
  const redis = await startRedis(t)
  const wire = new Wire(redis.port)
  t.teardown(() => wire.close())
  const client = redis.connect()
  const subscriber = subscriberOf(client)
  trackedThrough(client, await wire.listen())
  const { elsewhere, read, store, warm } = await openStage(t, { redis, client })
  const [key, another] = [await store(), await store()]
  await warm(key)
  wire.cut()
  await once(subscriber(), 'ready')
  // Redis has not yet been asked to track anything when the session ends.
  wire.slowCommands = 200
  t.ok(await read(key))
  await elsewhere.end(key)
  await warm(another)
  t.equal(await read(key), undefined)
})

t.test('while no sentinel answers it is not asked again and again without a pause', async (t) => {
  const redis = await startRedis(t)
  const sentinels = [{ host: '127.0.0.1', port: await freePort() }]
  const client = redis.connect({ sentinels, name: 'none', sentinelRetryStrategy: () => 0, lazyConnect: true })
  const subscriber = subscriberOf(client)
  await openStage(t, { redis, client })
  let asked = 0
  subscriber().on('sentinelError', () => asked++)
  await sleep(500)
  t.ok(asked > 0)
  t.ok(asked < 20, `asked ${asked} times`)
})

t.test('a server that cannot track gets one line in the log, and the cache stays off', async (t) => {
  const without: Record<string, { args?: string[]; acl?: string[] }> = {
    'CLIENT is unknown': { args: ['--rename-command', 'CLIENT', ''] },
    'the user may not subscribe': { acl: ['resetchannels'] },
    'the user may not ask which server it is': { acl: ['-info'] }
  }
  for (const [what, { args = [], acl = [] }] of Object.entries(without)) {
    await t.test(what, async (t) => {
      const redis = await startRedis(t, ...args)
      await redis.client.call('ACL', 'SETUSER', 'near', 'on', 'nopass', '~*', '&*', '+@all', ...acl)
      const client = redis.connect({ username: 'near', password: 'any' })
      const subscriber = subscriberOf(client)
      const { isHit, lines, read, store } = await openStage(t, { redis, client })
      await until(() => lines.length > 0)
      const key = await store()
      await read(key)
      t.notOk(await isHit(key))
      await until(() => subscriber().status === 'end')
      t.match(lines, [
        { message: /^the near cache is off until the next start: 127\.0\.0\.1:\d+ cannot track keys: \w+/ }
      ])
    })
  }
})

t.test('a user with the rights that the documents name has one', async (t) => {
  const redis = await startRedis(t)
  const page = readFileSync('docs/near-cache.md', 'utf8')
  const rights = [...page.matchAll(/`((?:\+|&)[\w:|]+)`/g)].map(([, right = '']) => right)
  t.ok(rights.length > 4)
  const least = ['resetkeys', '~session:*', 'resetchannels', '-@all', '+get', '+mget', ...rights]
  await redis.client.call('ACL', 'SETUSER', 'near', 'on', 'nopass', ...least)
  const client = redis.connect({ username: 'near', password: 'any' })
  const { elsewhere, read, settled, store, warm } = await openStage(t, { redis, client })
  const key = await store()
  await warm(key)
  await elsewhere.end(key)
  await settled()
  t.equal(await read(key), undefined)
})

t.test('connections that lead to different servers keep it off until they lead to one', async (t) => {
  const [redis, other] = [await startRedis(t), await startRedis(t)]
  const client = redis.connect()
  const subscriber = subscriberOf(client)
  trackedThrough(client, other.port)
  const { isHit, lines, read, store, warm } = await openStage(t, { redis, client })
  await until(() => lines.length > 0)
  const key = await store()
  await read(key)
  t.notOk(await isHit(key))
  t.match(lines[0]?.message, /^the near cache is off until this works: .* one server$/)
  Object.assign(subscriber().options, { port: redis.port })
  await warm(key)
  t.equal(lines.length, 1, 'the same is said once')
})

t.test('a tracking client that has ended connects again', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect()
  const subscriber = subscriberOf(client)
  const { isHit, store, warm } = await openStage(t, { redis, client })
  const key = await store()
  await warm(key)
  subscriber().disconnect()
  await until(() => subscriber().status === 'end')
  await warm(key)
  t.ok(await isHit(key))
})

t.test('with the near cache its connection ends, and it leaves the client as it was', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect()
  const listeners = () => client.eventNames().map((event) => [event, client.listenerCount(event)])
  // This one stays: it is shared by all stores of the client.
  new RedisStore(client)
  const before = listeners()
  const { near, store, warm } = await openStage(t, { redis, client })
  await warm(await store())
  t.equal(await trackingClients(redis.client), 1)
  near.close()
  await until(async () => (await trackingClients(redis.client)) === 0)
  t.same(listeners(), before)
  t.equal(client.status, 'ready')
})
