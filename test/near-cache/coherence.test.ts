// What the near cache may serve, rule by rule. Another process writes; Redis tells.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import t from 'tap'
import { Codec } from '../../lib/data/codec.js'
import { touchOf, UnsealedRecord } from '../../lib/records/record.js'
import { RedisStore } from '../../lib/stores/redis.js'
import { serializers } from '../../serializers/index.js'
import { later, storeContract } from '../contracts/store.js'
import { gate, until } from '../support/gate.js'
import { LossyProxy } from '../support/lossy-proxy.js'
import { startRedis } from '../support/redis-server.js'
import { Wire } from '../support/wire.js'
import {
  nextOf,
  openStage,
  recordOf,
  type Stage,
  subscriberOf,
  trackedThrough,
  trackingClients
} from './stage.js'

t.test('the near cache keeps the contract of stores', async (t) => {
  const { near } = await openStage(t)
  storeContract(t, () => near)
})

t.test('what is read again costs no command, and has the same bytes', async (t) => {
  const { read, redis, store, warm } = await openStage(t)
  const record = recordOf()
  const key = await store(record)
  await warm(key)
  await redis.commands()
  for (let reads = 0; reads < 100; reads++) t.ok((await read(key))?.equals(record.bytes))
  t.same(await redis.commands(), {})
})

t.test('what another process writes is not served any more', async (t) => {
  const { elsewhere, read, settled, store, warm } = await openStage(t)
  const first = recordOf()
  const second = nextOf(first)
  const touched = nextOf(second)
  const writes: Record<string, [(key: string) => Promise<unknown>, Buffer | undefined]> = {
    update: [(key) => elsewhere.update(key, first.revision, second.bytes, later()), second.bytes],
    touch: [
      (key) => elsewhere.touch(key, first.revision, touchOf(touched.bytes), later()),
      Buffer.concat([first.bytes.subarray(0, 22), touchOf(touched.bytes), first.bytes.subarray(32)])
    ],
    destroy: [(key) => elsewhere.destroy(key, first.revision), undefined],
    end: [(key) => elsewhere.end(key), undefined]
  }
  for (const [name, [write, expected]] of Object.entries(writes)) {
    const key = await store(first)
    await warm(key)
    await write(key)
    await settled()
    t.same(await read(key), expected, name)
  }
})

t.test('a commit that loses invalidates nothing', async (t) => {
  const { elsewhere, isHit, settled, store, warm } = await openStage(t)
  const record = recordOf()
  const key = await store(record)
  await warm(key)
  t.type(await elsewhere.update(key, nextOf(record).revision, recordOf().bytes, later()), Buffer)
  await settled()
  t.ok(await isHit(key))
})

// Without a tracking connection that hears anything, only what the process itself knows can help.
t.test('what this process writes is dropped at once, and never kept from memory', async (t) => {
  const redis = await startRedis(t)
  const proxy = await LossyProxy.open(t, redis.port)
  const client = trackedThrough(redis.connect(), proxy.port)
  const { isHit, near, store, warm } = await openStage(t, { redis, client })
  const first = recordOf()
  const second = nextOf(first)
  const writes: Record<string, (key: string) => Promise<unknown>> = {
    create: (key) => near.create(key, second.bytes, later()),
    update: (key) => near.update(key, first.revision, second.bytes, later()),
    touch: (key) => near.touch(key, first.revision, touchOf(second.bytes), later()),
    destroy: (key) => near.destroy(key, first.revision),
    end: (key) => near.end(key)
  }
  const keys = new Map<string, string>()
  for (const name of Object.keys(writes)) {
    const key = await store(first)
    await warm(key)
    keys.set(name, key)
  }
  proxy.swallow()
  for (const [name, write] of Object.entries(writes)) {
    const key = String(keys.get(name))
    await write(key)
    t.notOk(await isHit(key), name)
  }
})

// Redis carries the write out; only its answer is kept back.
t.test('what a write may have changed is not served, whether it is answered or not', async (t) => {
  const answer = gate()
  const inner = (client: Redis) => new UnansweredUpdates(client, answer.passed)
  const redis = await startRedis(t)
  const proxy = await LossyProxy.open(t, redis.port)
  const client = trackedThrough(redis.connect(), proxy.port)
  const { isHit, near, read, store, warm } = await openStage(t, { redis, client, inner })
  const record = recordOf()
  const key = await store(record)
  await warm(key)
  proxy.swallow()
  const writing = near.update(key, record.revision, nextOf(record).bytes, later())
  writing.catch(() => {})
  t.notOk(await isHit(key))
  await read(key)
  answer.open()
  await t.rejects(writing)
  t.notOk(await isHit(key))
})

// The answer is that of Redis; only when it is handed over is the test's.
t.test('an answer is not kept if something happened since its GET was sent:', async (t) => {
  const meanwhile: Record<string, (stage: Stage, key: string) => Promise<unknown>> = {
    'another process has written': async ({ elsewhere, settled }, key) => {
      await elsewhere.end(key)
      await settled()
    },
    'this process has written': ({ near }, key) =>
      near.touch(key, Buffer.alloc(18), Buffer.alloc(10), later()),
    'the tracking connection was another': async (stage) => {
      await killTracking(stage)
      await stage.settled()
    },
    'all keys were written': async ({ redis, settled }) => {
      await redis.client.flushall()
      await settled()
    }
  }
  for (const [what, happen] of Object.entries(meanwhile)) {
    await t.test(what, async (t) => {
      let held: HeldReads | undefined
      const inner = (client: Redis) => {
        held = new HeldReads(client)
        return held
      }
      const stage = await openStage(t, { inner })
      const { isHit, read, settled, store } = stage
      const key = await store()
      await settled()
      const release = held?.hold(key)
      const reading = read(key)
      await release?.answered
      await happen(stage, key)
      release?.open()
      t.ok(await reading, 'the one that asked gets it')
      t.notOk(await isHit(key))
    })
  }
})

t.test('of two reads at once the answer is kept', async (t) => {
  const { isHit, read, settled, store } = await openStage(t)
  const key = await store()
  await settled()
  const [one, other] = await Promise.all([read(key), read(key)])
  t.same(one, other)
  t.ok(await isHit(key))
})

t.test('a new epoch begins, with nothing in it, when', async (t) => {
  const endings: Record<string, (stage: Stage) => Promise<unknown>> = {
    'the tracking connection is lost': killTracking,
    'the connection that reads is lost': async ({ client, redis }) =>
      redis.client.call('CLIENT', 'KILL', 'ID', String(await client.client('ID'))),
    'all keys are removed': ({ redis }) => redis.client.flushall(),
    'Redis starts again, empty': async ({ redis }) => {
      await redis.stop()
      await redis.restart()
    }
  }
  for (const [what, end] of Object.entries(endings)) {
    await t.test(what, async (t) => {
      const stage = await openStage(t)
      const { isHit, read, settled, store, warm } = stage
      const [key, removed] = [await store(), await store()]
      await warm(key)
      await warm(removed)
      await end(stage)
      await until(async () => !(await isHit(removed)))
      await stage.elsewhere.end(removed)
      await settled()
      t.equal(await read(removed), undefined)
      const another = await store()
      await warm(another)
      t.ok(await isHit(another), 'and it is armed again')
    })
  }
})

t.test('nothing is served from the moment at which one of the two connections ends', async (t) => {
  for (const missing of ['data', 'tracking'] as const) {
    const redis = await startRedis(t)
    const wires = { data: new Wire(redis.port), tracking: new Wire(redis.port) }
    t.teardown(() => Promise.all(Object.values(wires).map((wire) => wire.close())))
    const reader = redis.connect({ port: await wires.data.listen() })
    const subscriber = subscriberOf(reader)
    const client = trackedThrough(reader, await wires.tracking.listen())
    const { near, store, warm } = await openStage(t, { redis, client })
    const key = await store()
    await warm(key)
    t.ok(near.copyOf(key))
    // It ends without an error, and the next one is not answered.
    wires[missing].freeze()
    wires[missing].cut()
    await once(missing === 'data' ? reader : subscriber(), 'close')
    t.equal(near.copyOf(key), undefined, missing)
  }
})

t.test('the end of a record is obeyed, though Redis has not told of it', async (t) => {
  const { isHit, read, store, warm } = await openStage(t)
  const key = await store(recordOf('{}', 1_000))
  await warm(key)
  const { now } = Date
  t.teardown(() => Object.assign(Date, { now }))
  Date.now = () => now() + 999_000 - 60_000
  t.ok(await isHit(key))
  Date.now = () => now() + 1_000_000
  t.notOk(await isHit(key))
  t.ok(await read(key), 'what Redis says counts')
})

t.test('without an answer to a PING nothing is served for longer than maxStale', async (t) => {
  const redis = await startRedis(t)
  const proxy = await LossyProxy.open(t, redis.port)
  const client = trackedThrough(redis.connect(), proxy.port)
  const { elsewhere, isHit, read, store, warm } = await openStage(t, { redis, client, maxStale: 0.4 })
  const [key, other] = [await store(), await store()]
  await warm(key)
  await warm(other)
  await proxy.swallow()
  await elsewhere.end(key)
  const endedAt = performance.now()
  let served = 0
  for (;;) {
    const askedAt = performance.now()
    if ((await read(key)) === undefined) break
    served++
    t.ok(askedAt < endedAt + 400, `served ${Math.round(askedAt - endedAt)} ms after its end`)
    await sleep(10)
  }
  t.ok(served > 0, 'within that time it was')
  t.notOk(await isHit(other), 'nothing else is served either')
  await until(async () => (await trackingClients(redis.client)) === 1)
  proxy.cut()
  await warm(other)
  t.ok(await isHit(other), 'and it recovers')
})

t.test('a tracking connection that does not answer is given up', async (t) => {
  const redis = await startRedis(t)
  const proxy = await LossyProxy.open(t, redis.port)
  const client = trackedThrough(redis.connect(), proxy.port)
  const { isHit, store, warm } = await openStage(t, { redis, client, maxStale: 0.4 })
  const key = await store()
  await warm(key)
  await proxy.swallow()
  await until(async () => (await trackingClients(redis.client)) === 0)
  t.notOk(await isHit(key), 'and nothing is served meanwhile')
})

t.test('an entry that is older than what the browser has seen is passed by', async (t) => {
  const redis = await startRedis(t)
  const proxy = await LossyProxy.open(t, redis.port)
  const client = trackedThrough(redis.connect(), proxy.port)
  const { elsewhere, near, read, store, warm } = await openStage(t, { redis, client })
  const first = recordOf()
  const second = nextOf(first)
  const key = await store(first)
  await warm(key)
  proxy.swallow()
  await elsewhere.update(key, first.revision, second.bytes, later())
  t.ok((await read(key))?.equals(first.bytes), 'nobody has told this process')
  t.ok((await read(key, first.header))?.equals(first.bytes))
  t.ok((await read(key, second.header))?.equals(second.bytes))
  const third = nextOf(second)
  await elsewhere.update(key, second.revision, third.bytes, later())
  t.ok((await read(key))?.equals(second.bytes))
  t.ok((await near.read(key))?.equals(third.bytes), 'who asks Redis sees more')
})

t.test('maxBytes bounds it, and what is larger is never kept', async (t) => {
  const { isHit, read, settled, store, warm } = await openStage(t, { maxBytes: 5_000 })
  const keys = await Promise.all(Array.from({ length: 10 }, () => store()))
  await warm(String(keys[0]))
  for (const key of keys) await read(key)
  t.ok(await isHit(String(keys[9])))
  t.notOk(await isHit(String(keys[0])), 'the one unused for longest has gone')
  const large = await store(recordOf(JSON.stringify({ name: 'x'.repeat(5_000) })))
  await settled()
  await read(large)
  t.notOk(await isHit(large))
})

const codec = new Codec(serializers.json, [], 1_048_576)

t.test('decoded data counts against maxBytes', async (t) => {
  const { near, store, warm } = await openStage(t, { maxBytes: 8_000 })
  const list = JSON.stringify({ list: Array.from({ length: 400 }, (_, id) => id) })
  const [first, second, gone] = [await store(recordOf(list)), await store(recordOf(list)), await store()]
  for (const key of [first, second, gone]) await warm(key)
  const [one, other, last] = [near.copyOf(first), near.copyOf(second), near.copyOf(gone)]
  await near.end(gone)
  last?.share(codec)
  t.equal(near.copyOf(gone), undefined, 'what was dropped does not come back')
  t.ok(one?.share(codec)?.has('list'))
  t.equal(near.copyOf(first), one)
  t.ok(other?.share(codec))
  t.equal(near.copyOf(second), other)
  t.equal(near.copyOf(first), undefined, 'the one unused for longer has gone')
})

t.test('a tombstone is passed on, and not kept', async (t) => {
  const { isHit, read, settled, store } = await openStage(t)
  const { header } = recordOf()
  const key = await store(new UnsealedRecord('').seal({ ...header, moved: true }))
  await settled()
  t.ok(await read(key))
  t.notOk(await isHit(key))
})

t.test('what is no record is passed on, and not kept', async (t) => {
  const { isHit, read, redis, settled } = await openStage(t)
  await redis.client.set('session:foreign', 'something else')
  await settled()
  t.equal(String(await read('session:foreign')), 'something else')
  t.notOk(await isHit('session:foreign'))
})

t.test('what is served has memory of its own', async (t) => {
  const { read, store, warm } = await openStage(t)
  const record = recordOf()
  const key = await store(record)
  await warm(key)
  t.equal((await read(key))?.buffer.byteLength, record.bytes.length)
})

async function killTracking({ redis }: Stage): Promise<void> {
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
}

/** Its reads are answered by Redis, and handed over when the test says so. */
class HeldReads extends RedisStore {
  #held: { key: string; answered: () => void; passed: Promise<void> } | undefined

  hold(key: string): { answered: Promise<void>; open(): void } {
    const [answer, pass] = [gate(), gate()]
    this.#held = { key, answered: answer.open, passed: pass.passed }
    return { answered: answer.passed, open: pass.open }
  }

  override async read(key: string): Promise<Buffer | undefined> {
    const held = this.#held
    const bytes = await super.read(key)
    if (held?.key !== key) return bytes
    this.#held = undefined
    held.answered()
    await held.passed
    return bytes
  }
}

/** Its updates take place, and fail, when that is known. */
class UnansweredUpdates extends RedisStore {
  readonly #known: Promise<void>

  constructor(client: Redis, known: Promise<void>) {
    super(client)
    this.#known = known
  }

  override async update(...args: Parameters<RedisStore['update']>): Promise<never> {
    await super.update(...args)
    await this.#known
    throw new Error('no answer')
  }
}
