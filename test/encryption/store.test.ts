// The store around a store: it keeps the contract, and offers what the inner store offers.
import t from 'tap'
import { MapStore } from '../../examples/map-store.js'
import { KeyList } from '../../lib/encryption/keys.js'
import { sealedStore } from '../../lib/encryption/sealed-store.js'
import { Sealer } from '../../lib/encryption/sealer.js'
import { MemoryStore, RedisStore, type Store } from '../../lib/index.js'
import { HEADER_BYTES, isSealed, isTombstone, REVISION, TOMBSTONE } from '../../lib/records/record.js'
import type { Outcome } from '../../lib/stores/store.js'
import { storeContract } from '../contracts/store.js'
import { startRedis } from '../support/redis-server.js'
import { key } from './stage.js'

const sealer = new Sealer(new KeyList([key(1)]), { required: true, seal: true })
const REVISION_END = REVISION.offset + REVISION.length

/** A record of ours that holds these bytes, which may be none: the contract stores anything. */
function wrapped(bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.set([0xf5, 1, 1, isTombstone(bytes) ? TOMBSTONE.bit : 0])
  if (bytes.length >= REVISION_END) header.set(bytes.subarray(REVISION.offset, REVISION_END), REVISION.offset)
  return Buffer.concat([header, bytes])
}

function unwrapped(record: Uint8Array): Buffer {
  const bytes = Buffer.from(record.subarray(HEADER_BYTES))
  if (bytes.length >= REVISION_END) bytes.set(record.subarray(REVISION.offset, REVISION_END), REVISION.offset)
  return bytes
}

/** The contract's bytes in records. Everything that reaches the inner store must be sealed. */
function inRecords(inner: Store): Store {
  const checked: Store = new Proxy(inner, {
    get(target, name) {
      const method = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => {
        const record = { create: args[1], update: args[2], end: (args[1] as { record?: unknown })?.record }[
          String(name)
        ]
        if (record !== undefined && !isSealed(record as Uint8Array)) throw new Error('a record in the clear')
        return method.apply(target, args)
      }
    }
  })
  const store = sealedStore(checked, sealer)
  const outcome = (answer: Outcome) => (answer instanceof Uint8Array ? unwrapped(answer) : answer)
  return {
    ...store,
    async read(key) {
      const record = await store.read(key)
      return record && unwrapped(record)
    },
    create: (key, record, expiresAt) => store.create(key, wrapped(record), expiresAt),
    update: async (key, revision, record, expiresAt) =>
      outcome(await store.update(key, revision, wrapped(record), expiresAt)),
    touch: async (...args) => outcome(await store.touch(...args)),
    destroy: async (...args) => outcome(await store.destroy(...args)),
    ...(store.end && {
      end: async (key, mark) =>
        outcome(await (store as Required<Store>).end(key, mark && { ...mark, record: wrapped(mark.record) }))
    })
  }
}

t.test('keeps the contract in memory', (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  storeContract(t, () => inRecords(memory))
  t.end()
})

t.test('keeps the contract in Redis', async (t) => {
  const redis = await startRedis(t)
  storeContract(t, () => inRecords(new RedisStore(redis.connect())))
})

t.test('offers what the inner store offers', async (t) => {
  const offers = (store: Store, name: keyof Store) => store[name] !== undefined
  const redis = await startRedis(t)
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const stores = [
    new MapStore(),
    memory,
    new RedisStore(redis.client),
    new RedisStore(redis.client, { channel: 'x' })
  ]
  for (const inner of stores as Store[]) {
    const outer = sealedStore(inner, sealer) as Store
    for (const name of ['end', 'keys', 'openIndex', 'ready', 'watch'] as const) {
      t.equal(offers(outer, name), offers(inner, name), `${inner.constructor.name}.${name}`)
    }
  }
  const copies = Object.assign(new MapStore(), { copyOf: () => undefined })
  t.notOk('copyOf' in sealedStore(copies, sealer), 'copies would be sealed')
})
