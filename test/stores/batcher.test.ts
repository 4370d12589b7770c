// Reads, updates and touches of parallel requests share commands, but no data.
import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash } from 'node:crypto'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import redisSession from '../../lib/index.js'
import { Batcher } from '../../lib/stores/batcher.js'
import { type RedisClient, RedisStore } from '../../lib/stores/redis.js'
import { TOUCH } from '../../lib/stores/store.js'
import { later, newKey, recordOf, revision } from '../contracts/store.js'
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

t.test('read(): parallel reads are one command, and each gets its own record', async (t) => {
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
  t.ok(
    records[20]?.equals(recordOf(1, 'payload 0')),
    'changing the result of one read does not affect another'
  )
})

t.test('read(): a key that MGET does not find is read alone, since it may hold another type', async (t) => {
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

t.test('read(): without the right to MGET, keys are read one by one', async (t) => {
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

t.test('connection lost: each parallel operation fails', async (t) => {
  const redis = await startRedis(t)
  const store = new RedisStore(redis.connect({ maxRetriesPerRequest: 0 }))
  const keys = await stored(store, ['a', 'b'])
  await redis.stop()
  const outcomes = await Promise.allSettled([
    ...keys.map((key) => store.read(key)),
    ...keys.map((key) => store.update(key, revision(1), recordOf(2), later()))
  ])
  const reasons = outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason)
  for (const reason of reasons) t.match(reason, { code: /^FST_SESSION_UN(AVAILABLE|CERTAIN)$/ })
  t.equal(new Set(reasons).size, 4, 'each with its own error')
})

t.test(
  'update() and touch(): parallel ones are one script each, and each gets its own outcome',
  async (t) => {
    const [store, redis] = await openStore(t)
    const keys = await stored(store, ['a', 'b', 'c', 'd'])
    const [updated = '', changed = '', touched = '', large = ''] = keys
    await store.update(changed, revision(1), recordOf(7, 'theirs'), later())
    const foreign = newKey()
    await redis.client.rpush(foreign, 'something of another application')
    const patch = recordOf(5).subarray(TOUCH.offset, TOUCH.offset + TOUCH.length)
    const work = () =>
      Promise.allSettled([
        store.update(updated, revision(1), recordOf(2, 'mine'), later()),
        store.update(changed, revision(1), recordOf(2, 'mine'), later()),
        store.update(newKey(), revision(1), recordOf(2), later()),
        store.update(foreign, revision(1), recordOf(2), later()),
        store.update(large, revision(1), recordOf(2, 'x'.repeat(20_000)), later()),
        store.touch(touched, revision(1), patch, later()),
        store.touch(changed, revision(1), patch, later())
      ])
    await work()
    await redis.client.script('FLUSH')
    for (const key of [updated, touched, large]) {
      await redis.client.del(key)
      await store.create(key, recordOf(1), later())
    }
    await redis.commands()
    const [first, second, third, fourth, fifth, sixth, seventh] = await work()
    t.match(first, { value: 'done' })
    t.match(second, { value: recordOf(7, 'theirs') })
    t.match(third, { value: 'missing' })
    t.match(fourth, { reason: { code: 'FST_SESSION_FOREIGN_KEY' } })
    t.match(fifth, { value: 'done' })
    t.match(sixth, { value: 'done' })
    t.match(seventh, { value: recordOf(7, 'theirs') })
    t.ok((await store.read(updated))?.equals(recordOf(2, 'mine')))
    t.ok((await redis.client.pttl(touched)) > 60_000)
    const ready = [updated, large].map((key) =>
      redis.client.del(key).then(() => store.create(key, recordOf(1), later()))
    )
    await Promise.all(ready)
    await redis.commands()
    await Promise.all([updated, large].map((key) => store.update(key, revision(1), recordOf(1), later())))
    t.match(await redis.commands(), { evalsha: 1, set: 2 })
  }
)

t.test('update(): large records are split over several commands, to save server memory', async (t) => {
  const [store, redis] = await openStore(t)
  const keys = await stored(
    store,
    Array.from({ length: 10 }, (_, index) => `payload ${index}`)
  )
  await store.update(keys[0] ?? '', revision(1), recordOf(1), later())
  await redis.commands()
  const large = recordOf(2, 'x'.repeat(100_000))
  const outcomes = await Promise.all(keys.map((key) => store.update(key, revision(1), large, later())))
  t.same(new Set(outcomes), new Set(['done']))
  t.match(await redis.commands(), { evalsha: 5, set: 10 })
})

type Commander = Record<'getBuffer' | 'set' | 'evalshaBuffer' | 'evalBuffer', (...args: unknown[]) => unknown>

// A fake, since the tests have no such proxy. Like those, it sends a script to the server of its first key.
t.test('update(): behind a proxy that shards keys, no key is reported missing', async (t) => {
  const servers = [await startRedis(t), await startRedis(t)]
  const of = (key: string) =>
    servers[createHash('md5').update(key).digest().readUInt8() % 2]?.client as unknown as Commander
  const first = (keys: string | string[]) => (typeof keys === 'string' ? keys : (keys[0] ?? ''))
  const proxy = {
    getBuffer: (key: string) => of(key).getBuffer(key),
    set: (key: string, ...rest: ['PX']) => of(key).set(key, ...rest),
    evalshaBuffer: (sha: string, count: number, keys: string | string[], ...rest: string[]) =>
      of(first(keys)).evalshaBuffer(sha, count, ...[keys].flat(), ...rest.flat()),
    evalBuffer: (source: string, count: number, keys: string | string[], ...rest: string[]) =>
      of(first(keys)).evalBuffer(source, count, ...[keys].flat(), ...rest.flat())
  }
  const store = new RedisStore(proxy as unknown as RedisClient)
  const keys = await stored(store, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
  const outcomes = await Promise.all(keys.map((key) => store.update(key, revision(1), recordOf(2), later())))
  t.same(new Set(outcomes), new Set(['done']))
})

t.test('update(): without the right to EVALSHA each update is refused', async (t) => {
  const [store, redis] = await openStore(t)
  const keys = await stored(store, ['a', 'b'])
  await redis.client.call('ACL', 'SETUSER', 'reader', 'on', '>pw', '~*', '+@all', '-evalsha')
  const poorer = new RedisStore(redis.connect({ username: 'reader', password: 'pw' }))
  const update = () =>
    Promise.allSettled(keys.map((key) => poorer.update(key, revision(1), recordOf(2), later())))
  for (const outcome of await update()) t.match(outcome, { reason: { code: 'FST_SESSION_STORE_DENIED' } })
  await redis.client.call('ACL', 'SETUSER', 'reader', '+evalsha')
  for (const outcome of await update()) t.match(outcome, { value: 'done' })
})

t.test('Batcher: an error of the batch rejects each of its calls', async (t) => {
  const wrong = new Error('wrong')
  const batcher = new Batcher<string, string>(
    (call) => Promise.resolve(call),
    () => Promise.reject(wrong)
  )
  t.equal(await batcher.add('alone'), 'alone')
  const outcomes = await Promise.allSettled([batcher.add('first'), batcher.add('second')])
  t.match(outcomes, [{ reason: wrong }, { reason: wrong }])
})

t.test('read(): parallel requests keep their own async context', async (t) => {
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
  t.ok(((await redis.commands()).mget ?? 0) < names.length / 2, 'although their sessions were read together')
})
