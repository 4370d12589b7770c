// What a commit does with a record that others have changed since the request read it.
import t from 'tap'
import { MemoryStore } from '../lib/index.js'
import { followed, openRecord, UnsealedRecord } from '../lib/records/record.js'
import type { Outcome } from '../lib/stores/store.js'
import { createApp } from './support/app.js'
import { Browser } from './support/browser.js'
import { until } from './support/gate.js'
import { HeldStore } from './support/held-store.js'
import { LossyProxy } from './support/lossy-proxy.js'
import { startRedis } from './support/redis-server.js'

/** A store in which another process commits before each update. */
class BusyStore extends MemoryStore {
  tries = 0

  override async update(...args: Parameters<MemoryStore['update']>): Promise<Outcome> {
    const [key, , , expiresAt] = args
    const { header, payload, revision } = openRecord((await this.read(key)) as Buffer)
    const theirs = new UnsealedRecord(payload).seal(followed(header))
    await super.update(key, revision, theirs.bytes, expiresAt)
    this.tries++
    return super.update(...args)
  }
}

t.test('commit: 409 if other writers are always faster', async (t) => {
  const store = new BusyStore()
  t.teardown(() => store.close())
  const app = await createApp(t, { store })
  app.get('/', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return {}
  })
  const browser = new Browser(app)
  t.equal((await browser.request('/')).statusCode, 200)
  const response = await browser.request('/')
  t.equal(response.statusCode, 409)
  t.match(response.json(), { code: 'FST_SESSION_CONFLICT', message: /before each of 200 tries/ })
  t.equal(store.tries, 200)
})

t.test(
  'save(): a change during save() that conflicts with a newer commit fails the next commit',
  async (t) => {
    const memory = new MemoryStore()
    t.teardown(() => memory.close())
    const held = new HeldStore(memory)
    const slow = await createApp(t, { store: held.store, merge: { count: 'conflict' } })
    slow.get('/', async ({ session }) => {
      session.name = 'Ada'
      const saved = session.save()
      const refused = await held.hold('update', 'after')
      const stored = held.hold('update', 'after')
      refused()
      const release = await stored
      session.count = 3
      release()
      return saved
    })
    const other = await createApp(t, { store: memory })
    other.get<{ Params: { count: number } }>('/:count', async ({ params, session }) => {
      session.count = Number(params.count)
      return {}
    })
    other.get('/', async ({ session }) => session.data())
    const browser = new Browser(other)
    await browser.request('/1')
    const stopped = held.hold('update')
    const answer = browser.visit(slow).request('/')
    const release = await stopped
    await browser.visit(other).request('/2')
    release()
    t.match((await answer).json(), { code: 'FST_SESSION_CONFLICT' })
    t.same(await browser.visit(other).json('/'), { name: 'Ada', count: 2 }, 'the saved change is kept')
  }
)

t.test('replicas: a commit that finds its own lost write waits for the replicas', async (t) => {
  const primary = await startRedis(t, '--repl-diskless-sync-delay', '0')
  const replica = await startRedis(t, '--replicaof', '127.0.0.1', String(primary.port))
  await until(async () => (await replica.client.info('replication')).includes('master_link_status:up'))
  const proxy = await LossyProxy.open(t, primary.port)
  const redis = { host: '127.0.0.1', port: proxy.port }
  const lossy = await createApp(t, { redis, replicas: 1, replicaTimeout: 4_000, timeout: 5_000 })
  const direct = await createApp(t, { redis: primary.connect() })
  let lost: Promise<void> | undefined
  lossy.get<{ Params: { name: string } }>('/:name', async ({ params, session }) => {
    session.name = params.name
    if (params.name === 'Ada') lost = proxy.swallow()
    return {}
  })
  direct.get('/', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return session.data()
  })
  const browser = new Browser(direct)
  await browser.request('/')
  // So that the server knows the script, and the lost reply is the one to the write.
  await browser.visit(lossy).request('/Eve')
  const answer = browser.request('/Ada')
  await until(() => lost !== undefined)
  await lost
  t.same(await browser.visit(direct).json('/'), { name: 'Ada', count: 2 })
  await primary.commands()
  proxy.cut()
  t.equal((await answer).statusCode, 200)
  const { wait = 0 } = await primary.commands()
  t.equal(wait, 2, 'for the repeated write, and for the touch that confirms it')
})

t.test(
  'regenerate() twice: an old id with its companion cookie leads to the session through two tombstones',
  async (t) => {
    const store = new MemoryStore()
    t.teardown(() => store.close())
    const app = await createApp(t, { store })
    app.get('/login', async ({ session }) => {
      session.permanent = true
      session.name = 'Ada'
      return {}
    })
    app.get('/new-id', async ({ session }) => session.regenerate())
    app.get('/', async ({ session }) => session.data())
    const browser = new Browser(app)
    await browser.request('/login')
    const first = browser.cookies.get('__Host-session') as string
    await browser.request('/new-id')
    await browser.request('/new-id')
    // A late response to a request with the first id does the same.
    browser.cookies.set('__Host-session', first)
    t.same(await browser.json('/'), { name: 'Ada' })
    t.not(browser.cookies.get('__Host-session'), first)
  }
)
