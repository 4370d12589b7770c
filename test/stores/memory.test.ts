// MemoryStore: the contract, and the limits that keep it small.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import v8 from 'node:v8'
import vm from 'node:vm'
import t, { type Test } from 'tap'
import { MemoryStore } from '../../lib/stores/memory.js'
import { later, newKey, recordOf, revision, storeContract } from '../contracts/store.js'
import { stopClock } from '../support/stopped-clock.js'

const FULL = 'FST_SESSION_MEMORY_FULL'

function createStore(t: Test, ...options: ConstructorParameters<typeof MemoryStore>): MemoryStore {
  const store = new MemoryStore(...options)
  t.teardown(() => store.close())
  return store
}

function catchWarnings(t: Test): unknown[] {
  const warnings: unknown[] = []
  t.intercept(process, 'emitWarning', { value: (...args: unknown[]) => warnings.push(args[1]) })
  return warnings
}

t.test('MemoryStore: keeps the contract', (t) => {
  const store = createStore(t)
  storeContract(t, () => store)
  t.end()
})

t.test('read(): a record exists up to its last millisecond and no longer', async (t) => {
  const clock = stopClock(t)
  const store = createStore(t)
  await store.create('key', recordOf(1), Date.now() + 1_000)
  clock.advance(1_000)
  t.ok(await store.read('key'))
  clock.advance(1)
  t.equal(await store.read('key'), undefined)
})

t.test('read(): does not extend a record', async (t) => {
  const clock = stopClock(t)
  const store = createStore(t)
  await store.create('key', recordOf(1), Date.now() + 1_000)
  clock.advance(900)
  t.ok(await store.read('key'))
  t.equal(await store.create('key', recordOf(2), later()), false)
  t.type(await store.update('key', revision(9), recordOf(2), later()), Uint8Array)
  clock.advance(101)
  t.equal(await store.read('key'), undefined)
})

t.test('maxEntries: the least recently used session is dropped, with one warning per process', async (t) => {
  const warnings = catchWarnings(t)
  const store = createStore(t, { maxEntries: 3 })
  for (const key of ['a', 'b', 'c']) await store.create(key, recordOf(1), later())
  await store.read('a')
  t.same(warnings, [])
  await store.create('d', recordOf(1), later())
  t.equal(await store.read('b'), undefined)
  for (const key of ['a', 'c', 'd']) t.ok(await store.read(key))
  t.same(warnings, [{ code: FULL }])
  await store.create('e', recordOf(1), later())
  t.equal(await store.read('a'), undefined)
  t.equal(store.size, 3)
  t.equal(warnings.length, 1)
})

t.test('maxBytes: the least recently used sessions are dropped, also when a record grows', async (t) => {
  const warnings = catchWarnings(t)
  const store = createStore(t, { maxBytes: 4 * 100 })
  const payload = (bytes: number) => new Uint8Array(bytes - 32)
  for (const key of ['a', 'b', 'c', 'd']) await store.create(key, recordOf(1, payload(100)), later())
  t.equal(store.size, 4)
  t.equal(await store.update('a', revision(1), recordOf(2, payload(250)), later()), 'done')
  t.equal(await store.read('b'), undefined)
  t.equal(await store.read('c'), undefined)
  t.ok(await store.read('d'))
  t.ok((await store.read('a'))?.equals(recordOf(2, payload(250))))
  t.same(warnings, [{ code: FULL }])
})

t.test('maxEntries: no warning for expired sessions', async (t) => {
  const clock = stopClock(t)
  const warnings = catchWarnings(t)
  const store = createStore(t, { maxEntries: 1 })
  await store.create('a', recordOf(1), Date.now() + 10)
  clock.advance(11)
  await store.create('b', recordOf(1), later())
  t.same(warnings, [])
  await store.update('b', revision(1), recordOf(2), later())
  await store.destroy('b', revision(2))
  t.same(warnings, [], 'no warning for replaced or destroyed sessions either')
})

t.test('maxBytes: a larger record is an error, and the previous one stays', async (t) => {
  catchWarnings(t)
  const store = createStore(t, { maxBytes: 100 })
  const large = recordOf(2, new Uint8Array(100))
  const error = { code: 'FST_SESSION_UNAVAILABLE', message: /larger than maxBytes/ }
  await t.rejects(store.create('key', large, later()), error)
  t.equal(await store.read('key'), undefined)
  await store.create('key', recordOf(1), later())
  await store.create('other', recordOf(1), later())
  await t.rejects(store.update('key', revision(1), large, later()), error)
  t.ok((await store.read('key'))?.equals(recordOf(1)))
  t.ok(await store.read('other'))
  t.ok(await store.create('exact', recordOf(1, new Uint8Array(100 - 32)), later()))
})

t.test('purge(): expired sessions leave no memory behind', async (t) => {
  const clock = stopClock(t)
  const store = createStore(t)
  const record = recordOf(1)
  v8.setFlagsFromString('--expose-gc')
  const collect = vm.runInNewContext('gc') as () => void
  const generation = async (number: number): Promise<number> => {
    for (let index = 0; index < 20_000; index++) {
      await store.create(`${number}:${index}`, record, Date.now() + 1_000)
    }
    t.equal(store.size, 20_000)
    clock.advance(1_001)
    store.purge()
    t.equal(store.size, 0)
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const first = await generation(0)
  let last = first
  for (let number = 1; number < 10; number++) last = await generation(number)
  t.ok(last - first < 2 * 1024 * 1024, `${first} bytes after the first generation, ${last} after the tenth`)
})

t.test('purge(): runs by itself', async (t) => {
  let purge = () => {}
  t.intercept(globalThis, 'setInterval', {
    value: (callback: () => void) => {
      purge = callback
      return { unref: () => undefined }
    }
  })
  const clock = stopClock(t)
  const store = new MemoryStore()
  await store.create('key', recordOf(1), Date.now() + 10)
  clock.advance(11)
  t.equal(store.size, 1)
  purge()
  t.equal(store.size, 0)
})

t.test('close(): empties the store and can be called twice', async (t) => {
  const store = new MemoryStore()
  await store.create(newKey(), recordOf(1), later())
  await store.close()
  await store.close()
  t.equal(store.size, 0)
})

t.test('close(): a store that is not closed does not keep the process alive', async (t) => {
  const module = new URL('../../lib/stores/memory.js', import.meta.url)
  const program = `
    import { MemoryStore } from ${JSON.stringify(module)}
    const store = new MemoryStore()
    await store.create('key', Buffer.alloc(32), Date.now() + 3_600_000)
  `
  const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '-e', program], {
    stdio: 'inherit'
  })
  t.same(await once(child, 'exit'), [0, null])
})

t.test('options: invalid limits are refused by name', async (t) => {
  for (const option of ['maxEntries', 'maxBytes']) {
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1000', null]) {
      t.throws(() => new MemoryStore({ [option]: value }), {
        code: 'FST_SESSION_OPTION',
        message: new RegExp(`option ${option}: must be an integer from 1 to \\d+$`)
      })
    }
  }
  t.throws(() => new MemoryStore({ maxEntries: 2 ** 24 + 1 }), { code: 'FST_SESSION_OPTION' })
})
