import { Buffer } from 'node:buffer'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { CommitQueue } from '../lib/request/queue.js'

/** Work that lasts until the test ends it. */
function gate() {
  let finish: (left?: Buffer | undefined) => void = () => {}
  let fail: (error: Error) => void = () => {}
  const done = new Promise<Buffer | undefined>((resolve, reject) => {
    finish = resolve
    fail = reject
  })
  return { work: () => done, finish, fail }
}

/** Does the work under a lease, as a commit does. */
async function take(
  queue: CommitQueue,
  key: string,
  work: (left: Buffer | undefined) => Promise<Buffer | undefined>,
  wait = (before: Promise<Buffer | undefined>) => before
): Promise<void> {
  const lease = queue.join(key)
  let left: Buffer | undefined
  try {
    left = await work(lease.previous && (await wait(lease.previous)))
  } finally {
    lease.release(left)
  }
}

t.test('join(): work on one key runs one after another, in order', async (t) => {
  const queue = new CommitQueue()
  const log: string[] = []
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      take(queue, 'key', async () => {
        log.push(`begin ${index}`)
        // Earlier work takes longer.
        for (let tick = index; tick < 20; tick++) await setImmediate()
        log.push(`end ${index}`)
        return undefined
      })
    )
  )
  t.same(log, Array.from({ length: 20 }, (_, index) => [`begin ${index}`, `end ${index}`]).flat())
})

t.test('join(): work on a free key starts at once', async (t) => {
  const queue = new CommitQueue()
  let isBegun = false
  const done = take(queue, 'key', async () => {
    isBegun = true
    return undefined
  })
  t.equal(isBegun, true)
  await done
})

t.test('join(): different keys do not wait for each other', async (t) => {
  const queue = new CommitQueue()
  const slow = gate()
  const first = take(queue, 'a', slow.work)
  await t.resolves(take(queue, 'b', async () => undefined))
  slow.finish()
  await first
})

t.test('join(): a lease gets the record of the lease before it, unless the key was free', async (t) => {
  const queue = new CommitQueue()
  const given: (Buffer | undefined)[] = []
  const leave = (left: Buffer | undefined) => async (before: Buffer | undefined) => {
    given.push(before)
    return left
  }
  const record = Buffer.from('record')
  await Promise.all([
    take(queue, 'key', leave(record)),
    take(queue, 'key', leave(undefined)),
    take(queue, 'key', leave(record))
  ])
  await take(queue, 'key', leave(undefined))
  t.same(given, [undefined, record, undefined, undefined])
})

t.test(
  'release(): after an error only its own caller fails, and the next lease gets no record',
  async (t) => {
    const unhandled: unknown[] = []
    const listen = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', listen)
    t.teardown(() => process.off('unhandledRejection', listen))
    const queue = new CommitQueue()
    const failing = gate()
    const given: (Buffer | undefined)[] = []
    const first = take(queue, 'key', failing.work)
    const second = take(queue, 'key', async (left) => {
      given.push(left)
      throw new Error('second')
    })
    const third = take(queue, 'key', async (left) => {
      given.push(left)
      return undefined
    })
    failing.fail(new Error('first'))
    await t.rejects(first, { message: 'first' })
    await t.rejects(second, { message: 'second' })
    await third
    t.same(given, [undefined, undefined])
    await setImmediate()
    t.same(unhandled, [])
  }
)

t.test('CommitQueue: forgets keys without leases, and no others', async (t) => {
  const queue = new CommitQueue()
  const held = Array.from({ length: 3_000 }, (_, index) => queue.join(`held ${index}`))
  for (let index = 0; index < 20_000; index++) queue.join(`key ${index}`).release(Buffer.alloc(1))
  t.ok(queue.size < 2 * held.length, `of 23,000 keys ${queue.size} are left`)
  const next = held.map((_, index) => queue.join(`held ${index}`))
  t.ok(next.every(({ previous }) => previous !== undefined))
  for (const lease of [...held, ...next]) lease.release(undefined)
  for (let index = 0; index < 20_000; index++) queue.join(`other ${index}`).release(undefined)
  t.ok(queue.size <= 1_024, `${queue.size} are left`)
})

t.test('CommitQueue: keeps no record in memory once its key is free', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const queue = new CommitQueue()
  const records: WeakRef<Buffer>[] = []
  const leave = async () => {
    const record = Buffer.alloc(100)
    records.push(new WeakRef(record))
    return record
  }
  await Promise.all([take(queue, 'key', leave), take(queue, 'key', leave), take(queue, 'key', leave)])
  await setImmediate()
  collect()
  t.same(
    records.map((record) => record.deref()),
    [undefined, undefined, undefined]
  )
  t.equal(queue.size, 1)
})

t.test('join(): work that gives up waiting does not run and blocks no other', async (t) => {
  const queue = new CommitQueue()
  for (const end of ['finish', 'fail'] as const) {
    const slow = gate()
    const first = take(queue, 'key', slow.work)
    const never = async () => {
      throw new Error('must not run')
    }
    await t.rejects(
      take(queue, 'key', never, async () => {
        throw new Error('no patience')
      }),
      { message: 'no patience' }
    )
    const third = take(queue, 'key', async () => undefined)
    const firstEnds = end === 'fail' ? t.rejects(first, { message: 'the first fails' }) : first
    let isFree = false
    const thirdBegins = third.then(() => {
      isFree = true
    })
    await setImmediate()
    t.equal(isFree, false, 'later work still waits for the first')
    slow[end](new Error('the first fails') as Error & Buffer)
    await firstEnds
    await t.resolves(thirdBegins)
    const free = queue.join('key')
    t.equal(free.previous, undefined)
    free.release()
  }
})
