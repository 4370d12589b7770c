// Signals of a store of the application's own, which a test can make fail.
import t, { type Test } from 'tap'
import { MemoryStore, type Store } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { gate, until } from '../support/gate.js'
import { startRedis } from '../support/redis-server.js'

/** The methods of a store in memory, and what a test changes about them. */
function customStore(t: Test, changes: (inner: MemoryStore) => Partial<Store>): Store {
  const inner = new MemoryStore()
  t.teardown(() => inner.close())
  const store: Store = {
    read: (key) => inner.read(key),
    create: (key, record, expiresAt) => inner.create(key, record, expiresAt),
    update: (key, revision, record, expiresAt) => inner.update(key, revision, record, expiresAt),
    touch: (key, revision, patch, expiresAt) => inner.touch(key, revision, patch, expiresAt),
    destroy: (key, revision) => inner.destroy(key, revision),
    watch: (listener) => inner.watch(listener)
  }
  return Object.assign(store, changes(inner))
}

/** An application with one session. */
async function deploy(t: Test, store: Store): Promise<{ app: TestApp; id: string }> {
  const app = await createApp(t, { store, signals: true })
  app.get('/login', async ({ session }) => {
    session.userId = 1
    return session.id
  })
  return { app, id: (await app.inject('/login')).body }
}

t.test('a store that cannot report: the log says so, and the session is read once a second', async (t) => {
  const store = customStore(t, () => ({ watch: async () => Promise.reject(new Error('no')) }))
  const { app, id } = await deploy(t, store)
  const signal = (await app.sessions.find(id))?.signal
  await until(() => app.logLines.some(({ msg }) => msg.startsWith('ended sessions are not reported')))
  await app.sessions.end(id)
  await until(() => signal?.aborted === true)
  t.match(signal?.reason, { code: 'FST_SESSION_ENDED' })
})

t.test('a read that fails after a report is tried again', async (t) => {
  let reads = 0
  let failures = 0
  const store = customStore(t, (inner) => ({
    async read(key) {
      reads++
      if (failures-- > 0) throw Object.assign(new Error('no'), { statusCode: 503 })
      return inner.read(key)
    }
  }))
  const { app, id } = await deploy(t, store)
  const signal = (await app.sessions.find(id))?.signal
  await until(() => reads === 2)
  failures = 1
  await app.sessions.end(id)
  await until(() => signal?.aborted === true)
  t.equal(reads, 4, 'the one that failed, and the one after it')
})

t.test('a report that comes during a read causes another read', async (t) => {
  const look = gate()
  let reads = 0
  const store = customStore(t, (inner) => ({
    async read(key) {
      const record = await inner.read(key)
      if (++reads === 2) await look.passed
      return record
    }
  }))
  const { app, id } = await deploy(t, store)
  const signal = (await app.sessions.find(id))?.signal
  await until(() => reads === 2)
  await app.sessions.end(id)
  look.open()
  await until(() => signal?.aborted === true)
  t.equal(reads, 3)
})

t.test('a store that begins to report when the application has closed is told to stop', async (t) => {
  const begun = gate()
  let closed = 0
  const store = customStore(t, () => ({
    async watch() {
      await begun.passed
      return { isLive: true, close: () => void closed++ }
    }
  }))
  const { app, id } = await deploy(t, store)
  const signal = (await app.sessions.find(id))?.signal
  await app.close()
  begun.open()
  await until(() => closed === 1)
  t.equal(signal?.aborted, false)
})

t.test('a session that expires by a clock that is ahead is alive as long as its record is', async (t) => {
  let reads = 0
  const store = customStore(t, (inner) => ({
    async read(key) {
      reads++
      return inner.read(key)
    }
  }))
  const { app, id } = await deploy(t, store)
  const record = (await store.read(`session:${id}`)) as Buffer
  const early = Buffer.from(record)
  early.writeUIntBE(Date.now() - 86_400_000, 22, 6)
  await store.update(`session:${id}`, record.subarray(14, 32), early, Date.now() + 86_400_000)
  const signal = (await app.sessions.find(id))?.signal
  const before = reads
  await until(() => reads >= before + 2)
  t.equal(signal?.aborted, false)
  await app.sessions.end(id)
  await until(() => signal?.aborted === true)
})

t.test('sessions.all(): a store that fails meanwhile is an error', async (t) => {
  const store = customStore(t, (inner) => ({
    keys: (prefix) => inner.keys(prefix),
    read: async () => Promise.reject(Object.assign(new Error('no'), { statusCode: 503 }))
  }))
  const { app } = await deploy(t, store)
  await t.rejects(
    async () => {
      for await (const info of app.sessions.all()) t.fail(info.id)
    },
    { message: 'no' }
  )
})

t.test('a client that connects again leads the subscription to its server', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect()
  const app = await createApp(t, { redis: client, signals: true })
  app.get('/login', async ({ session }) => {
    session.userId = 1
    return session.id
  })
  const id = (await app.inject('/login')).body
  const signal = (await app.sessions.find(id))?.signal
  const subscriber = async () =>
    /id=(\d+)/.exec(String(await redis.client.call('CLIENT', 'LIST', 'TYPE', 'pubsub')))?.[1]
  await until(async () => (await subscriber()) !== undefined)
  const first = await subscriber()
  client.disconnect(true)
  await until(async () => ![undefined, first].includes(await subscriber()))
  await app.sessions.end(id)
  await until(() => signal?.aborted === true)
  t.match(signal?.reason, { code: 'FST_SESSION_ENDED' })
})
