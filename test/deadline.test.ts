// Limits how long promises are awaited: one timer for all, without sharing an async context.
import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { MapStore } from '../examples/map-store.js'
import { within } from '../lib/deadline.js'
import { GuardedStore } from '../lib/stores/guarded.js'
import { MemoryStore } from '../lib/stores/memory.js'
import { RedisStore } from '../lib/stores/redis.js'
import { later, newKey, recordOf, revision } from './contracts/store.js'
import { block } from './support/block.js'
import { gate } from './support/gate.js'
import { startRedis } from './support/redis-server.js'

const never = new Promise<never>(() => {})
const soon = () => performance.now() + 20

t.test('within(): returns results that are in time; a late result is an error and is dropped', async (t) => {
  const ended: unknown[] = []
  const observe = (error?: unknown) => void ended.push(error)
  const late = new Error('late')
  const broken = new Error('broken')
  t.equal(await within(soon(), Promise.resolve(1), () => late, observe), 1)
  await t.rejects(
    within(soon(), Promise.reject(broken), () => late, observe),
    broken
  )
  await t.rejects(
    within(soon(), never, () => late, observe),
    late
  )
  const tooLate = gate()
  await t.rejects(
    within(soon(), tooLate.passed, () => late, observe),
    late
  )
  await t.rejects(
    within(performance.now() - 1, never, () => late, observe),
    late
  )
  tooLate.open()
  await nextTurn()
  t.same(ended, [undefined, broken, late, late, late])
})

t.test('within(): an observer that throws delays no other call', async (t) => {
  const failure = new Error('no log any more')
  const throws = () => {
    throw failure
  }
  const all = await Promise.allSettled([
    within(soon(), never, () => new Error('late'), throws),
    within(soon(), never, () => new Error('late')),
    within(soon(), Promise.resolve(1), () => new Error('late'), throws),
    within(soon(), Promise.reject(new Error('broken')), () => new Error('late'), throws)
  ])
  t.match(all, [
    { reason: failure },
    { reason: { message: 'late' } },
    { reason: failure },
    { reason: failure }
  ])
})

t.test('within(): the timer belongs to no async context', async (t) => {
  const context = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const observe = () => void seen.push(context.getStore())
  await Promise.all([
    context.run('first', () => within(soon(), never, () => new Error('late'), observe).catch(() => {})),
    context.run('second', () => within(soon(), never, () => new Error('late'), observe).catch(() => {}))
  ])
  t.same(seen, [undefined, undefined])
})

t.test(
  'timeout: after blocking the event loop, a process accepts the answers that arrived meanwhile',
  async (t) => {
    const redis = await startRedis(t)
    const failures: string[] = []
    const health = {
      refuses: () => false,
      succeeded() {},
      failed: (operation: string) => failures.push(operation)
    }
    const inner = new RedisStore(redis.connect())
    const key = newKey()
    await inner.create(key, recordOf(1), later())
    const stores = Array.from({ length: 10 }, () => new GuardedStore(inner, 3_000, health))
    const reads = stores.map((store) => store.read(key))
    await new Promise((resolve) => setImmediate(resolve))
    block(3_900)
    for (const record of await Promise.all(reads)) t.ok(record?.equals(recordOf(1)))
    const updates = stores.map((store) => store.update(key, revision(1), recordOf(2), later()))
    t.equal((await Promise.all(updates))[0], 'done', 'time is left for the next operation')
    t.same(failures, [], 'the store does not count as failing')
  }
)

t.test('end(): a guarded store ends a session if its store can, within timeout', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const health = { refuses: () => false, succeeded() {}, failed() {} }
  const key = newKey()
  await memory.create(key, recordOf(1), later())
  const guarded = new GuardedStore(memory, 1_000, health)
  t.ok(guarded.canEnd)
  t.equal(await guarded.end(key), 'done')
  t.equal(await guarded.end(key), 'missing')
  t.notOk(new GuardedStore(new MapStore(), 1_000, health).canEnd)
  const stuck = Object.assign(new MapStore(), { end: () => never })
  await t.rejects(new GuardedStore(stuck, 20, health).end(key), { code: 'FST_SESSION_UNCERTAIN' })
})

t.test('timeout: a command that still waits for its connection is never sent', async (t) => {
  const failures: string[] = []
  const health = {
    refuses: () => false,
    succeeded() {},
    failed: (operation: string) => failures.push(operation)
  }
  const store = new MapStore()
  let connect = () => {}
  const connected = new Promise<void>((resolve) => {
    connect = resolve
  })
  const waiting = Object.assign(store, { ready: () => connected })
  const key = newKey()
  const create = new GuardedStore(waiting, 20, health).create(key, recordOf(1), later())
  await t.rejects(create, { code: 'FST_SESSION_UNAVAILABLE' })
  t.same(failures, ['create'])
  connect()
  t.equal(await new GuardedStore(waiting, 1_000, health).read(key), undefined)
})

t.test('timeout: holds in a process whose event loop is blocked again and again', async (t) => {
  let isOver = false
  const waiting = within(performance.now() + 100, never, () => new Error('late')).finally(() => {
    isOver = true
  })
  waiting.catch(() => {})
  while (!isOver) {
    block(70)
    await new Promise((resolve) => setTimeout(resolve, 0))
  }
  await t.rejects(waiting, { message: 'late' })
})
