import { setImmediate } from 'node:timers/promises'
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

t.test('work on one key is done in the order in which it came, one after the other', async (t) => {
  const turns = new Turns()
  const log: string[] = []
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      turns.take('key', async () => {
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
  const turn = turns.take('key', async () => {
    isBegun = true
    return undefined
  })
  t.equal(isBegun, true)
  await turn
})

t.test('different keys do not wait for each other', async (t) => {
  const turns = new Turns()
  const slow = gate()
  const first = turns.take('a', slow.work)
  await turns.take('b', async () => undefined)
  t.equal(turns.size, 1, 'the other one still goes on')
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
    turns.take('key', leave(record)),
    turns.take('key', leave(undefined)),
    turns.take('key', leave(record))
  ])
  await turns.take('key', leave(undefined))
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
  const first = turns.take('key', failing.work)
  const second = turns.take('key', async (left) => {
    given.push(left)
    throw new Error('second')
  })
  const third = turns.take('key', async (left) => {
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

t.test('nothing stays in memory of keys that nobody works on', async (t) => {
  const turns = new Turns()
  const slow = gate()
  const works = [
    turns.take('a', slow.work),
    turns.take('a', async () => Buffer.alloc(1)),
    turns.take('b', async () => Buffer.alloc(1)),
    t.rejects(turns.take('c', async () => Promise.reject(new Error('failed')))),
    t.rejects(turns.take('a', async () => Promise.reject(new Error('failed'))))
  ]
  t.equal(turns.size, 3)
  slow.finish(Buffer.alloc(1))
  await Promise.all(works)
  t.equal(turns.size, 0)
})

t.test('who gives up waiting is not worked for, and holds nobody up', async (t) => {
  const turns = new Turns()
  for (const end of ['finish', 'fail'] as const) {
    const slow = gate()
    const first = turns.take('key', slow.work)
    const never = async () => {
      throw new Error('worked for nobody')
    }
    await t.rejects(
      turns.take('key', never, async () => {
        throw new Error('no patience')
      }),
      { message: 'no patience' }
    )
    const third = turns.take('key', async () => undefined)
    slow[end](new Error('the first fails') as Error & Left)
    await (end === 'fail' ? t.rejects(first, { message: 'the first fails' }) : first)
    await t.resolves(third)
    t.equal(turns.size, 0)
  }
})
