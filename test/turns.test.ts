import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { type Left, Turns } from '../lib/turns.js'

/** Work that goes on until it is told to end. */
function gate() {
  let finish: (left?: Left) => void = () => {}
  let fail: (error: Error) => void = () => {}
  const done = new Promise<Left>((resolve, reject) => {
    finish = resolve
    fail = reject
  })
  return { work: () => done, finish, fail }
}

/** Does this work in a turn, as a transaction does. */
async function take(
  turns: Turns,
  key: string,
  work: (left: Left) => Promise<Left>,
  wait = (before: Promise<Left>) => before
): Promise<void> {
  const turn = turns.enter(key)
  let left: Left
  try {
    left = await work(turn.before && (await wait(turn.before)))
  } finally {
    turn.leave(left)
  }
}

t.test('work on one key is done in the order in which it came, one after the other', async (t) => {
  const turns = new Turns()
  const log: string[] = []
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      take(turns, 'key', async () => {
        log.push(`begin ${index}`)
        // The earlier ones take longer.
        for (let tick = index; tick < 20; tick++) await setImmediate()
        log.push(`end ${index}`)
        return undefined
      })
    )
  )
  t.same(log, Array.from({ length: 20 }, (_, index) => [`begin ${index}`, `end ${index}`]).flat())
})

t.test('work on a free key begins at once', async (t) => {
  const turns = new Turns()
  let isBegun = false
  const turn = take(turns, 'key', async () => {
    isBegun = true
    return undefined
  })
  t.equal(isBegun, true)
  await turn
})

t.test('different keys do not wait for each other', async (t) => {
  const turns = new Turns()
  const slow = gate()
  const first = take(turns, 'a', slow.work)
  await t.resolves(take(turns, 'b', async () => undefined))
  slow.finish()
  await first
})

t.test('a turn is given what the one before left behind, unless the key was free', async (t) => {
  const turns = new Turns()
  const given: Left[] = []
  const leave = (left: Left) => async (before: Left) => {
    given.push(before)
    return left
  }
  const record = Buffer.from('record')
  await Promise.all([
    take(turns, 'key', leave(record)),
    take(turns, 'key', leave(undefined)),
    take(turns, 'key', leave(record))
  ])
  await take(turns, 'key', leave(undefined))
  t.same(given, [undefined, record, undefined, undefined])
})

t.test('an error is for the one whose work failed, and the next goes on without what it left', async (t) => {
  const unhandled: unknown[] = []
  const listen = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', listen)
  t.teardown(() => process.off('unhandledRejection', listen))
  const turns = new Turns()
  const failing = gate()
  const given: Left[] = []
  const first = take(turns, 'key', failing.work)
  const second = take(turns, 'key', async (left) => {
    given.push(left)
    throw new Error('second')
  })
  const third = take(turns, 'key', async (left) => {
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
})

t.test('keys that nobody works on any more are forgotten, and no others', async (t) => {
  const turns = new Turns()
  const held = Array.from({ length: 3_000 }, (_, index) => turns.enter(`held ${index}`))
  for (let index = 0; index < 20_000; index++) turns.enter(`key ${index}`).leave(Buffer.alloc(1))
  t.ok(turns.size < 2 * held.length, `of 23,000 keys ${turns.size} are left`)
  const next = held.map((_, index) => turns.enter(`held ${index}`))
  t.ok(next.every(({ before }) => before !== undefined))
  for (const turn of [...held, ...next]) turn.leave(undefined)
  for (let index = 0; index < 20_000; index++) turns.enter(`other ${index}`).leave(undefined)
  t.ok(turns.size <= 1_024, `${turns.size} are left`)
})

t.test('the records that turns left behind do not stay in memory with their keys', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const turns = new Turns()
  const records: WeakRef<Buffer>[] = []
  const leave = async () => {
    const record = Buffer.alloc(100)
    records.push(new WeakRef(record))
    return record
  }
  await Promise.all([take(turns, 'key', leave), take(turns, 'key', leave), take(turns, 'key', leave)])
  await setImmediate()
  collect()
  t.same(
    records.map((record) => record.deref()),
    [undefined, undefined, undefined]
  )
  t.equal(turns.size, 1)
})

t.test('work whose caller has given up is not done, and holds nobody up', async (t) => {
  const turns = new Turns()
  for (const end of ['finish', 'fail'] as const) {
    const slow = gate()
    const first = take(turns, 'key', slow.work)
    const never = async () => {
      throw new Error('worked for nobody')
    }
    await t.rejects(
      take(turns, 'key', never, async () => {
        throw new Error('no patience')
      }),
      { message: 'no patience' }
    )
    const third = take(turns, 'key', async () => undefined)
    const firstEnds = end === 'fail' ? t.rejects(first, { message: 'the first fails' }) : first
    let isFree = false
    const thirdBegins = third.then(() => {
      isFree = true
    })
    await setImmediate()
    t.equal(isFree, false, 'those behind go on waiting for the first')
    slow[end](new Error('the first fails') as Error & Left)
    await firstEnds
    await t.resolves(thirdBegins)
    const free = turns.enter('key')
    t.equal(free.before, undefined)
    free.leave()
  }
})
