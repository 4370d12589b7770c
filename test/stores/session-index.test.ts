// The index of sessions: one contract over every store.

import * as five from 'ioredis5'
import * as valkey from 'iovalkey'
import t from 'tap'
import { NearCacheStore } from '../../lib/near-cache/near-cache.js'
import { MemoryStore } from '../../lib/stores/memory.js'
import { RedisStore } from '../../lib/stores/redis.js'
import { indexContract, newHandle } from '../contracts/session-index.js'
import { startRedis } from '../support/redis-server.js'

t.test('memory', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  indexContract(t, () => store.openIndex())
})

t.test('Redis', async (t) => {
  const redis = await startRedis(t)
  for (const options of [{}, { protocol: 2, stringNumbers: true, keyPrefix: 'a:' } as const]) {
    await t.test(JSON.stringify(options), async (t) => {
      indexContract(t, () => new RedisStore(redis.connect(options)).openIndex())
    })
  }
  const old = new five.Redis(redis.port)
  const other = new valkey.Redis(redis.port)
  t.teardown(() => [old, other].map((client) => client.disconnect()))
  await t.test('ioredis 5', async (t) => indexContract(t, () => new RedisStore(old).openIndex()))
  await t.test('iovalkey', async (t) => indexContract(t, () => new RedisStore(other).openIndex()))
})

t.test('near cache', async (t) => {
  const redis = await startRedis(t)
  const lifetimes = {
    ...{ idleTimeout: 60, permanentLifetime: 60, absoluteTimeout: undefined, touchAfter: 6, rolling: true }
  }
  const log = { info() {}, warn() {}, error() {} }
  const client = redis.connect()
  const near = new NearCacheStore(new RedisStore(client), client, {
    ...{ maxStale: 1, maxBytes: 1_000_000, prefix: '', lifetimes, log }
  })
  t.teardown(() => near.close())
  indexContract(t, () => near.openIndex())
})

t.test('Redis: every set ends, with the member that is remembered longest', async (t) => {
  const redis = await startRedis(t)
  const index = await new RedisStore(redis.client).openIndex()
  const login = { entering: 0, from: '', isLogin: true, limit: 0, drop: [] }
  const handle = newHandle()
  await index.enter('a', { ...login, handle, lifetime: 1_000_000 })
  await index.enter('a', { ...login, handle: newHandle(), lifetime: 5_000 })
  const left = async () => redis.client.pttl('a')
  t.ok((await left()) > 900_000 && (await left()) <= 1_000_000)
  await index.revoke('a', [], 2_000_000)
  t.ok((await left()) > 1_900_000 && (await left()) <= 2_000_000)
  await index.enter('b', { ...login, handle, lifetime: 1_000 })
  await index.leave('b', [handle])
  t.equal(await redis.client.exists('b'), 0)
})

t.test('Redis: each operation is one script', async (t) => {
  const redis = await startRedis(t)
  const index = await new RedisStore(redis.connect()).openIndex()
  const login = { entering: 500, from: '', isLogin: true, limit: 2, drop: [], lifetime: 60_000 }
  const work = [
    () => index.enter('key', { ...login, handle: 'a' }),
    () => index.list('key'),
    () => index.revoke('key', [], 60_000),
    () => index.leave('key', ['a'])
  ]
  for (const each of work) await each()
  for (const each of work) {
    await redis.commands()
    await each()
    const { evalsha, eval: whole } = await redis.commands()
    t.same([evalsha, whole], [1, undefined])
  }
})

t.test('memory: what is forgotten takes no memory', async (t) => {
  const store = new MemoryStore()
  const index = await store.openIndex()
  let now = Date.now()
  t.intercept(Date, 'now', { value: () => now })
  const login = { entering: 0, from: '', isLogin: true, limit: 0, drop: [], lifetime: 1_000 }
  await index.enter('a', { ...login, handle: 'x' })
  now += 999
  store.purge()
  t.equal((await index.list('a')).length, 1)
  now += 1
  store.purge()
  t.same(await index.list('a'), [])
  await index.enter('a', { ...login, handle: 'x' })
  await store.close()
  t.same(await index.list('a'), [])
})
