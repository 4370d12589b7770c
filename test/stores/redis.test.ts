// RedisStore: the contract with every kind of connection, its cost, and its errors when Redis refuses.
import { inspect } from 'node:util'
import { Redis, type RedisOptions } from 'ioredis'
import t, { type Test } from 'tap'
import { RedisStore } from '../../lib/stores/redis.js'
import { TOUCH } from '../../lib/stores/store.js'
import { later, newKey, recordOf, revision, storeContract } from '../contracts/store.js'
import { freePort, startRedis } from '../support/redis-server.js'

const PATCH = recordOf(1).subarray(TOUCH.offset, TOUCH.offset + TOUCH.length)

const CONNECTIONS: Record<string, Omit<RedisOptions, 'replyMapping'>> = {
  'RESP3, the default': {},
  RESP2: { protocol: 2 },
  'auto-pipelining': { enableAutoPipelining: true },
  'a key prefix': { keyPrefix: 'service:{a}:' },
  'another database': { db: 7 },
  'numbers as strings': { stringNumbers: true }
}

for (const [name, options] of Object.entries(CONNECTIONS)) {
  t.test(`RedisStore: keeps the contract with ${name}`, async (t) => {
    const redis = await startRedis(t)
    storeContract(t, () => new RedisStore(redis.connect(options)))
  })
}

t.test('RedisStore: each operation is one command', async (t) => {
  const redis = await startRedis(t)
  const store = new RedisStore(redis.connect())
  for (const [key, number] of [
    ['update', 1],
    ['touch', 1],
    ['destroy', 1]
  ] as const) {
    await store.create(`warm ${key}`, recordOf(number), later())
  }
  await store.update('warm update', revision(1), recordOf(2), later())
  await store.touch('warm touch', revision(1), PATCH, later())
  await store.destroy('warm destroy', revision(1))
  const commands = async (work: () => Promise<unknown>) => {
    await redis.commands()
    await work()
    return redis.commands()
  }
  t.same(await commands(() => store.read('key')), { get: 1 })
  t.same(await commands(() => store.create('key', recordOf(1), later())), { set: 1 })
  await store.create('key', recordOf(1), later())
  t.same(
    await commands(() => store.create('key', recordOf(2), later())),
    { set: 1, evalsha: 1, get: 1 },
    'the existing record may be its own'
  )
  t.same(await commands(() => store.touch('key', revision(1), PATCH, later())), {
    ...{ evalsha: 1, getrange: 1 },
    ...{ setrange: 1, pexpire: 1 }
  })
  t.same(await commands(() => store.update('key', revision(1), recordOf(2), later())), {
    ...{ evalsha: 1, getrange: 1 },
    set: 1
  })
  const refused = { evalsha: 1, getrange: 1, get: 1 }
  t.same(await commands(() => store.update('key', revision(1), recordOf(3), later())), refused)
  t.same(await commands(() => store.touch('key', revision(1), PATCH, later())), refused)
  t.same(await commands(() => store.destroy('key', revision(1))), refused)
  t.same(await commands(() => store.destroy('key', revision(2))), { evalsha: 1, getrange: 1, del: 1 })
  t.same(await commands(() => store.destroy('key', revision(2))), refused)
  await store.create('key', recordOf(1), later())
  await store.end('warm end')
  t.same(await commands(() => store.end('key')), { evalsha: 1, getrange: 1, del: 1 })
})

t.test('TTL: a record expires in Redis at the given time', async (t) => {
  const redis = await startRedis(t)
  const store = new RedisStore(redis.client)
  const keeps = async (
    lifetime: number,
    work: (expiresAt: number) => Promise<unknown>,
    since = Date.now()
  ): Promise<void> => {
    await work(since + lifetime)
    const left = await redis.client.pttl('key')
    const elapsed = Date.now() - since
    t.ok(left <= lifetime && left >= lifetime - elapsed - 1, `${left} of ${lifetime} ms, ${elapsed} later`)
  }
  await keeps(60_000, (end) => store.create('key', recordOf(1), end))
  await keeps(31 * 86_400_000, (end) => store.update('key', revision(1), recordOf(1), end))
  await keeps(90_000, (end) => store.touch('key', revision(1), PATCH, end))
  const since = Date.now()
  await keeps(600_000, (end) => store.touch('key', revision(1), PATCH, end), since)
  await keeps(600_000, () => store.create('key', recordOf(2), later()), since)
  await keeps(600_000, () => store.touch('key', revision(9), Buffer.alloc(TOUCH.length), later()), since)
})

for (const enableAutoPipelining of [false, true]) {
  const how = enableAutoPipelining ? 'with auto-pipelining' : 'without auto-pipelining'
  t.test(`scripts: sent again if the server has lost them, ${how}`, async (t) => {
    const redis = await startRedis(t)
    const client = redis.connect({ enableAutoPipelining })
    const store = new RedisStore(client)
    const keys = Array.from({ length: 50 }, newKey)
    await Promise.all(keys.map((key) => store.create(key, recordOf(1), later())))
    for (const round of [1, 2]) {
      await redis.client.script('FLUSH')
      const outcomes = keys.map((key) => store.update(key, revision(round), recordOf(round + 1), later()))
      const reads = keys.map((key) => store.read(key))
      t.same([...new Set(await Promise.all(outcomes))], ['done'], '50 at once')
      t.ok((await Promise.all(reads)).every((record) => record?.length === recordOf(1).length))
    }
    await redis.client.script('FLUSH')
    const key = newKey()
    const work = [
      store.create(key, recordOf(1), later()),
      client.script('FLUSH'),
      store.touch(key, revision(1), PATCH, later()),
      client.script('FLUSH'),
      store.touch(key, revision(1), PATCH, later())
    ]
    t.same(await Promise.all(work), [true, 'OK', 'done', 'OK', 'done'], 'within a batch')
    await store.touch(key, revision(1), PATCH, later())
    await redis.commands()
    t.equal(await store.touch(key, revision(1), PATCH, later()), 'done')
    t.equal((await redis.commands()).eval, undefined, 'only once')
  })
}

const CANARY = 'canary'

/** Makes every operation fail, and checks that no error contains a key or a record. */
async function refuses(
  t: Test,
  store: RedisStore,
  kind: RegExp,
  code = /^FST_SESSION_UN(AVAILABLE|CERTAIN)$/,
  key = `key-${CANARY}`
): Promise<void> {
  const record = recordOf(1, `payload-${CANARY}`)
  const hidden = [CANARY, Buffer.from(CANARY).toString('hex'), Buffer.from(CANARY).toString('base64')]
  const operations = {
    GET: store.read(key),
    SET: store.create(key, record, later()),
    EVALSHA: store.update(key, revision(1), record, later()),
    'EVALSHA to touch': store.touch(key, revision(1), Buffer.from(`${CANARY}-canary-`), later()),
    'EVALSHA to destroy': store.destroy(key, Buffer.from(`${CANARY}--`))
  }
  const results = await Promise.allSettled(Object.values(operations))
  for (const [index, name] of Object.keys(operations).entries()) {
    const result = results[index]
    if (result?.status !== 'rejected') continue
    const error: unknown = result.reason
    t.match(error, { code }, `${name} fails`)
    t.match((error as Error).message, kind)
    t.match((error as Error).message, name.split(' ')[0])
    t.equal((error as Error).cause, undefined)
    const seen = `${inspect(error, { showHidden: true, depth: 10 })}${(error as Error).stack}${JSON.stringify(error)}`
    for (const secret of hidden) t.notOk(seen.includes(secret), 'the error leaks nothing')
  }
  t.ok(results.some(({ status }) => status === 'rejected'))
}

t.test('WRONGTYPE: a key that holds another type is an error', async (t) => {
  const redis = await startRedis(t)
  const key = `key-${CANARY}`
  await redis.client.hset(key, 'field', CANARY)
  const store = new RedisStore(redis.connect())
  await refuses(t, store, /refused with WRONGTYPE; /, /FOREIGN_KEY/, key)
  t.equal(await store.create(key, recordOf(1), later()), false, 'the key is taken')
  t.same(await redis.client.hgetall(key), { field: CANARY })
})

t.test('NOAUTH: without the password every operation is an error', async (t) => {
  const redis = await startRedis(t)
  await redis.client.config('SET', 'requirepass', 'secret')
  await refuses(
    t,
    new RedisStore(redis.connect({ enableReadyCheck: false })),
    /refused with NOAUTH; /,
    /STORE_DENIED/
  )
})

t.test('OOM: a server without memory refuses writes but still reads', async (t) => {
  const redis = await startRedis(t)
  const store = new RedisStore(redis.connect())
  await store.create('key', recordOf(1), later())
  await redis.client.config('SET', 'maxmemory-policy', 'noeviction')
  await redis.client.config('SET', 'maxmemory', '1')
  await refuses(t, store, /refused with OOM; /, /STORE_FULL/)
  await t.rejects(store.create('new', recordOf(1), later()), {
    message: /SET was refused with OOM; give it more memory or disk space$/
  })
  await t.rejects(store.update('key', revision(1), recordOf(2), later()), {
    message: /EVALSHA was refused with OOM; give it more memory or disk space$/
  })
  t.ok((await store.read('key'))?.equals(recordOf(1)))
  await redis.client.config('SET', 'maxmemory', '0')
  t.equal(await store.update('key', revision(1), recordOf(2), later()), 'done')
})

t.test('connection lost: an error until the server is back', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect({ maxRetriesPerRequest: 0, retryStrategy: () => 20 })
  const store = new RedisStore(client)
  t.equal(await store.read('key'), undefined)
  await redis.stop()
  await refuses(t, store, /failed with (ECONN\w+|MaxRetriesPerRequestError|EPIPE|no answer)/)
  await redis.restart()
  if (client.status !== 'ready') await new Promise((resolve) => client.once('ready', resolve))
  t.equal(await store.create('key', recordOf(1), later()), true)
})

t.test('no connection: an error, and nothing is stored', async (t) => {
  const client = new Redis({ port: await freePort(), host: '127.0.0.1', maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  await refuses(t, new RedisStore(client), /failed with MaxRetriesPerRequestError/, /UNAVAILABLE/)
})

t.test('closed client: an error', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect()
  await client.quit()
  await refuses(
    t,
    new RedisStore(client),
    /failed with a closed connection; nothing was stored/,
    /UNAVAILABLE/
  )
})
