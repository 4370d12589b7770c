// Reads of parallel requests share a command, and nothing else.
import { AsyncLocalStorage } from 'node:async_hooks'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import redisSession from '../../lib/index.js'
import { RedisStore } from '../../lib/stores/redis.js'
import { later, newKey, recordOf } from '../contracts/store.js'
import '../support/app.js'
import { Browser } from '../support/browser.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'

async function stored(store: RedisStore, payloads: string[]): Promise<string[]> {
  return Promise.all(
    payloads.map(async (payload) => {
      const key = newKey()
      await store.create(key, recordOf(1, payload), later())
      return key
    })
  )
}

async function openStore(t: Test): Promise<[RedisStore, RedisServer]> {
  const redis = await startRedis(t)
  const store = new RedisStore(redis.connect())
  return [store, redis]
}

t.test('reads of one turn are one command, and each has its own record', async (t) => {
  const [store, redis] = await openStore(t)
  const payloads = Array.from({ length: 20 }, (_, index) => `payload ${index}`)
  const keys = await stored(store, payloads)
  await redis.commands()
  const records = await Promise.all([...keys, ...keys].map((key) => store.read(key)))
  t.same(await redis.commands(), { mget: 1 })
  for (const [index, record] of records.entries()) {
    t.ok(record?.equals(recordOf(1, payloads[index % keys.length] ?? '')))
  }
  records[0]?.fill(0)
  t.ok(records[20]?.equals(recordOf(1, 'payload 0')), 'what one reader does to it is not seen by another')
})

t.test('what is missing is asked for again alone, since it may be there and be no string', async (t) => {
  const [store, redis] = await openStore(t)
  const [present = ''] = await stored(store, ['present'])
  const foreign = newKey()
  await redis.client.rpush(foreign, 'something of another application')
  await redis.commands()
  const [first, second, third] = await Promise.allSettled([
    store.read(present),
    store.read(newKey()),
    store.read(foreign)
  ])
  t.match(first, { value: recordOf(1, 'present') })
  t.match(second, { status: 'fulfilled', value: undefined })
  t.match(third, { reason: { code: 'FST_SESSION_FOREIGN_KEY' } })
  t.match(await redis.commands(), { mget: 1, get: 2 })
})

t.test('a user who may GET and not MGET reads one by one', async (t) => {
  const [, redis] = await openStore(t)
  const rights = ['~*', '-@all', '+get', '+set', '+info', '+select', '+hello', '+client']
  await redis.client.call('ACL', 'SETUSER', 'reader', 'reset', 'on', '>pw', ...rights)
  const store = new RedisStore(redis.connect({ username: 'reader', password: 'pw' }))
  const keys = await stored(store, ['a', 'b', 'c'])
  await redis.client.call('ACL', 'LOG', 'RESET')
  for (const round of [1, 2]) {
    await redis.commands()
    const records = await Promise.all(keys.map((key) => store.read(key)))
    t.ok(records.every((record, index) => record?.equals(recordOf(1, ['a', 'b', 'c'][index] ?? ''))))
    t.same(await redis.commands(), { get: 3 }, `round ${round}`)
  }
  const denied = (await redis.client.call('ACL', 'LOG')) as unknown[][]
  t.equal(denied.length, 1)
  t.equal(Number(denied[0]?.[1]), 1, 'MGET is tried once')
})

t.test('where the connection is gone every one of them fails', async (t) => {
  const redis = await startRedis(t)
  const store = new RedisStore(redis.connect({ maxRetriesPerRequest: 0 }))
  const keys = await stored(store, ['a', 'b'])
  await redis.stop()
  for (const { reason } of (await Promise.allSettled(keys.map((key) => store.read(key)))) as {
    reason?: Error
  }[]) {
    t.match(reason, { code: 'FST_SESSION_UNAVAILABLE' })
  }
})

t.test('parallel requests keep their own asynchronous context', async (t) => {
  const redis = await startRedis(t)
  const context = new AsyncLocalStorage<string>()
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRequest', (request, _reply, done) => {
    context.run(String(request.headers['x-request']), done)
  })
  await app.register(cookie)
  await app.register(redisSession, { redis: redis.url })
  app.get('/login', async ({ session }) => session.set('userId', 1))
  app.get('/context', async ({ session }) => [context.getStore(), session.get('userId')])
  const browser = new Browser(app)
  await browser.request('/login')
  await redis.commands()
  const names = Array.from({ length: 20 }, (_, index) => `request ${index}`)
  const answers = await Promise.all(
    names.map((name) => browser.request('/context', { headers: { 'x-request': name } }))
  )
  t.same(
    answers.map((answer) => answer.json()),
    names.map((name) => [name, 1])
  )
  t.ok(((await redis.commands()).mget ?? 0) < names.length / 2, 'though their sessions were read together')
})
