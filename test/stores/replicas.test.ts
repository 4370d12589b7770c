// Writes that wait for replicas: a repeated write waits too, and a write that was executed is never called refused.
import t, { type Test } from 'tap'
import { endedBecause } from '../../lib/records/tombstone.js'
import { RedisStore } from '../../lib/stores/redis.js'
import { TOUCH } from '../../lib/stores/store.js'
import { later, newKey, recordOf, revision } from '../contracts/store.js'
import { until } from '../support/gate.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'

const PATCH = recordOf(5).subarray(TOUCH.offset, TOUCH.offset + TOUCH.length)
const NOT_REPLICATED = { code: 'FST_SESSION_NOT_REPLICATED' }

interface Pair {
  primary: RedisServer
  /** Freezes the replica, which stays connected, during this work. */
  frozen(work: () => Promise<unknown>): Promise<void>
  /** A store whose connection has not written anything yet. */
  fresh(replicaTimeout: number): RedisStore
}

async function startPair(t: Test): Promise<Pair> {
  const primary = await startRedis(t, '--repl-diskless-sync-delay', '0')
  const replica = await startRedis(t, '--replicaof', '127.0.0.1', String(primary.port))
  await until(async () => (await primary.client.info('replication')).includes('state=online'))
  await until(async () => (await replica.client.info('replication')).includes('master_link_status:up'))
  const pid = Number(/^process_id:(\d+)/m.exec(await replica.client.info('server'))?.[1])
  return {
    primary,
    async frozen(work) {
      process.kill(pid, 'SIGSTOP')
      try {
        await work()
      } finally {
        process.kill(pid, 'SIGCONT')
      }
    },
    fresh: (replicaTimeout) => new RedisStore(primary.connect(), { replicas: 1, replicaTimeout })
  }
}

t.test('replicas: a write that an earlier try executed still waits for replicas', async (t) => {
  const { primary, frozen, fresh } = await startPair(t)
  const direct = new RedisStore(primary.connect())
  const [updated, touched, created, removed, ended] = [newKey(), newKey(), newKey(), newKey(), newKey()]
  const tries = {
    update: (store: RedisStore) => store.update(updated, revision(1), recordOf(2), later()),
    touch: (store: RedisStore) => store.touch(touched, revision(1), PATCH, later()),
    create: (store: RedisStore) => store.create(created, recordOf(1), later()),
    destroy: (store: RedisStore) => store.destroy(removed, revision(1)),
    end: (store: RedisStore) => store.end(ended)
  }
  for (const key of [updated, touched, removed, ended]) await direct.create(key, recordOf(1), later())
  await frozen(async () => {
    for (const [name, again] of Object.entries(tries)) {
      await again(direct)
      await t.rejects(
        Promise.resolve<unknown>(again(fresh(50))),
        { ...NOT_REPLICATED, message: /0 of 1 replicas/ },
        name
      )
    }
  })
  const outcomes = []
  for (const again of Object.values(tries)) outcomes.push(await again(fresh(20_000)))
  t.same(outcomes, ['done', 'done', true, 'missing', 'missing'])
  t.equal(await primary.client.exists(removed, ended), 0, 'removed keys stay removed')
  const conflict = await fresh(50).update(touched, revision(9), recordOf(3), later())
  t.type(conflict, Uint8Array, 'a conflict does not wait for replicas')
})

t.test('replicas: an end that finds the tombstone of another request waits for replicas too', async (t) => {
  const { primary, frozen, fresh } = await startPair(t)
  const direct = new RedisStore(primary.connect())
  const mark = { record: endedBecause('elsewhere', 60).bytes, expiresAt: later(), always: true }
  const ends = {
    'with a mark': (store: RedisStore, key: string) => store.end(key, mark),
    'without a mark': (store: RedisStore, key: string) => store.end(key),
    'of an emptied session': (store: RedisStore, key: string) => store.destroy(key, revision(1))
  }
  for (const [name, end] of Object.entries(ends)) {
    const key = newKey()
    await direct.create(key, recordOf(1), later())
    await frozen(async () => {
      t.equal(await direct.end(key, mark), 'done')
      await t.rejects(end(fresh(50), key), { ...NOT_REPLICATED, message: /0 of 1 replicas/ }, name)
    })
    const lifetime = await primary.client.pttl(key)
    t.same(await end(fresh(20_000), key), mark.record, 'it stays as it is')
    const left = await primary.client.pttl(key)
    t.ok(left > 0 && left <= lifetime, 'and ends no later')
  }
})

t.test('replicas: a write is stored, however the wait for replicas ends', async (t) => {
  const { primary, frozen, fresh } = await startPair(t)
  await frozen(async () => {
    const key = newKey()
    const writing = fresh(20_000).create(key, recordOf(1), later())
    writing.catch(() => {})
    let waiting: string | undefined
    await until(async () => {
      const clients = String(await primary.client.client('LIST'))
      waiting = /^id=(\d+).*cmd=wait/m.exec(clients)?.[1]
      return waiting !== undefined
    })
    // A primary does this when it becomes a replica.
    await primary.client.client('UNBLOCK', Number(waiting), 'ERROR')
    await t.rejects(writing, { ...NOT_REPLICATED, message: /WAIT failed with UNBLOCKED/ })
    t.equal(await primary.client.exists(key), 1)

    const other = newKey()
    const cut = fresh(20_000).create(other, recordOf(1), later())
    cut.catch(() => {})
    await until(async () => (await primary.client.exists(other)) === 1)
    await until(async () => String(await primary.client.client('LIST')).includes('cmd=wait'))
    await primary.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await t.rejects(cut, { ...NOT_REPLICATED, message: /WAIT failed with the connection/ })
  })
})

t.test('replicas: sessions that end together wait for them once', async (t) => {
  const { primary, frozen, fresh } = await startPair(t)
  const store = fresh(20_000)
  const keys = Array.from({ length: 100 }, newKey)
  const mark = { record: recordOf(9), expiresAt: later(), always: true }
  const endAll = () => Promise.all(keys.map((key) => store.end(key, mark)))
  const direct = new RedisStore(primary.connect())
  await Promise.all(keys.slice(1).map((key) => direct.create(key, recordOf(1), later())))
  await primary.commands()
  const outcomes = await endAll()
  t.same([outcomes[0], ...new Set(outcomes.slice(1))], ['missing', 'done'])
  t.match(
    await primary.commands(),
    { wait: 2, eval: 100 },
    'once more, because Redis did not know the script'
  )
  await endAll()
  const { wait, evalsha } = await primary.commands()
  t.same({ wait, evalsha }, { wait: 1, evalsha: 100 })
  await frozen(async () => {
    const [one, two] = [fresh(50), fresh(50)]
    await Promise.all([
      direct.create('one', recordOf(1), later()),
      direct.create('two', recordOf(1), later())
    ])
    await t.rejects(Promise.all([one.end('one', mark), one.end('two', mark)]), NOT_REPLICATED)
    await t.rejects(two.end('one', mark), NOT_REPLICATED, 'a single one')
  })
  t.equal(await primary.client.exists('one', 'two'), 2, 'the marks are stored')
})

t.test('replicas: if only one of the sessions cannot be ended, the others are', async (t) => {
  const { primary, fresh } = await startPair(t)
  const [session, other] = [newKey(), newKey()]
  await primary.client.lpush(other, 'a list of another application')
  const store = fresh(20_000)
  await store.create(session, recordOf(1), later())
  const [ended, failed] = await Promise.allSettled([store.end(session), store.end(other)])
  t.match(ended, { value: 'done' })
  t.match(failed, { reason: { code: 'FST_SESSION_FOREIGN_KEY' } })
})

t.test('replicas: if the client gives up, it is uncertain which sessions have ended', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect()
  await client.ping()
  // A fake answer: a cluster client rejects a pipeline as a whole only while it loses its nodes.
  const { pipeline } = client
  client.pipeline = ((...given: []) => {
    const line = pipeline.apply(client, given)
    line.exec = () => Promise.reject(new Error('Connection is closed.'))
    return line
  }) as never
  const store = new RedisStore(client, { replicas: 1 })
  for (const ending of [store.end(newKey()), store.end(newKey())]) {
    await t.rejects(ending, { code: 'FST_SESSION_UNCERTAIN' })
  }
})
