// The contract of a store.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { FIRST_BYTE, type Outcome, REVISION, type Store, TOMBSTONE, TOUCH } from '../../lib/stores/store.js'
import fc from '../support/properties.js'

const HEADER_BYTES = 32
const HOUR = 3_600_000

/** A time after the end of every test. */
export function later(): number {
  return Date.now() + HOUR
}

/** A key that no other test uses. */
export function newKey(): string {
  return `contract:${randomBytes(16).toString('base64url')}`
}

/** A unique revision for each number. */
export function revision(number: number): Buffer {
  const bytes = Buffer.alloc(REVISION.length, 0xa0)
  bytes.writeUInt32BE(number, REVISION.length - 4)
  return bytes
}

/** A record with this revision. Bytes outside the revision and the payload are 0x5a. */
export function recordOf(number: number, payload: string | Uint8Array = 'payload'): Buffer {
  const record = Buffer.concat([Buffer.alloc(HEADER_BYTES, 0x5a), Buffer.from(payload)])
  revision(number).copy(record, REVISION.offset)
  return record
}

/** The same, marked as a tombstone. */
export function tombstoneOf(number: number): Buffer {
  const record = recordOf(number)
  record[0] = FIRST_BYTE
  record[TOMBSTONE.offset] = TOMBSTONE.bit
  return record
}

/** Polls until the record is gone. */
export async function gone(store: Store, key: string): Promise<true> {
  while ((await store.read(key)) !== undefined) await sleep(5)
  return true
}

/**
 * Runs the contract as subtests of this test.
 * @param open Opens the same storage each time, through another connection if it has connections.
 */
export function storeContract(t: Test, open: () => Store): void {
  const store = open()

  async function stored(number: number, payload?: string | Uint8Array): Promise<string> {
    const key = newKey()
    await store.create(key, recordOf(number, payload), later())
    return key
  }

  t.test('all operations: a key that was never stored is missing', async (t) => {
    const key = newKey()
    t.equal(await store.read(key), undefined)
    t.equal(await store.update(key, revision(1), recordOf(2), later()), 'missing')
    t.equal(await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), later()), 'missing')
    t.equal(await store.destroy(key, revision(1)), 'missing')
    t.equal(await store.read(key), undefined, 'none of them stored anything')
  })

  t.test('all operations: an expired key is missing', async (t) => {
    const key = newKey()
    t.ok(await store.create(key, recordOf(1), Date.now() + 30))
    t.ok(await gone(store, key))
    t.equal(await store.update(key, revision(1), recordOf(2), later()), 'missing')
    t.equal(await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), later()), 'missing')
    t.equal(await store.destroy(key, revision(1)), 'missing')
    t.ok(await store.create(key, recordOf(3), later()), 'the key is free again')
    t.ok((await store.read(key))?.equals(recordOf(3)))
  })

  t.test('expiresAt: a time in the past ends the record', async (t) => {
    for (const instant of [Date.now() - HOUR, 0, -1]) {
      const created = newKey()
      t.ok(await store.create(created, recordOf(1), instant))
      t.ok(await gone(store, created))
      const updated = await stored(1)
      t.equal(await store.update(updated, revision(1), recordOf(2), instant), 'done')
      t.ok(await gone(store, updated))
      const touched = await stored(1)
      t.equal(
        await store.touch(touched, revision(1), recordOf(1).subarray(TOUCH.offset, HEADER_BYTES), instant),
        'done'
      )
      t.ok(await gone(store, touched))
    }
  })

  t.test('expiresAt: a fraction of a millisecond is accepted', async (t) => {
    const key = newKey()
    t.ok(await store.create(key, recordOf(1), later() + 0.25))
    t.ok((await store.read(key))?.equals(recordOf(1)))
  })

  t.test('all writes: a repeated write finds its work done, or its own record', async (t) => {
    const key = newKey()
    await store.create(key, recordOf(1), later())
    t.type(await store.create(key, recordOf(1), later()), 'boolean')
    await store.update(key, revision(1), recordOf(2), later())
    const updated = await store.update(key, revision(1), recordOf(2), later())
    t.ok(updated === 'done' || isRecord(updated, recordOf(2)))
    const patch = Buffer.alloc(TOUCH.length, 1)
    await store.touch(key, revision(2), patch, later())
    const touched = recordOf(2)
    patch.copy(touched, TOUCH.offset)
    const again = await store.touch(key, revision(2), patch, later())
    t.ok(again === 'done' || isRecord(again, touched))
    t.ok((await store.read(key))?.equals(touched))
  })

  t.test('create(): of two, the first record stays, with its expiry', async (t) => {
    const key = newKey()
    t.equal(await store.create(key, recordOf(1, 'first'), later()), true)
    t.equal(await store.create(key, recordOf(2, 'second'), Date.now() - 1), false)
    const brief = newKey()
    t.equal(await store.create(brief, recordOf(1), Date.now() + 100), true)
    if (!(await store.create(brief, recordOf(2), later()))) t.ok(await gone(store, brief))
    t.ok((await store.read(key))?.equals(recordOf(1, 'first')))
  })

  t.test('update(): replaces the record of the expected revision, and its expiry', async (t) => {
    const key = await stored(1, 'a longer payload than the next')
    t.equal(await store.update(key, revision(1), recordOf(2, 'short'), later()), 'done')
    t.ok((await store.read(key))?.equals(recordOf(2, 'short')))
    t.equal(await store.update(key, revision(2), recordOf(3), Date.now() + 30), 'done')
    t.ok(await gone(store, key), 'an earlier end')
    const brief = newKey()
    const end = Date.now() + 200
    await store.create(brief, recordOf(1), end)
    if ((await store.update(brief, revision(1), recordOf(2), later())) === 'done') {
      while (Date.now() <= end + 5) await sleep(5)
      t.ok((await store.read(brief))?.equals(recordOf(2)), 'a later end')
    }
  })

  t.test('update(): with another revision it writes nothing and returns the record', async (t) => {
    const key = await stored(2, 'theirs')
    for (const other of [revision(1), Buffer.alloc(REVISION.length), Buffer.alloc(REVISION.length, 0xff)]) {
      t.ok(isRecord(await store.update(key, other, recordOf(3), Date.now() - 1), recordOf(2, 'theirs')))
    }
    t.ok((await store.read(key))?.equals(recordOf(2, 'theirs')))
  })

  t.test('touch(): changes only its own bytes', async (t) => {
    const patch = Buffer.from(Array.from({ length: TOUCH.length }, (_, index) => index + 1))
    for (const payload of ['', 'payload', randomBytes(5_000)]) {
      const key = await stored(1, payload)
      t.equal(await store.touch(key, revision(1), patch, later()), 'done')
      const expected = recordOf(1, payload)
      patch.copy(expected, TOUCH.offset)
      t.ok((await store.read(key))?.equals(expected))
      const patched = expected.subarray(REVISION.offset, REVISION.offset + REVISION.length)
      const other = Buffer.alloc(TOUCH.length, 9)
      t.ok(
        isRecord(await store.touch(key, revision(1), other, later()), expected),
        'its revision has changed'
      )
      t.equal(await store.update(key, patched, recordOf(2), later()), 'done')
    }
  })

  t.test('touch(): changes the expiry', async (t) => {
    const key = newKey()
    const patch = recordOf(1).subarray(TOUCH.offset, HEADER_BYTES)
    await store.create(key, recordOf(1), later())
    t.equal(await store.touch(key, revision(1), patch, Date.now() + 30), 'done')
    t.ok(await gone(store, key))
    const brief = newKey()
    const end = Date.now() + 200
    await store.create(brief, recordOf(1), end)
    if ((await store.touch(brief, revision(1), patch, later())) === 'done') {
      while (Date.now() <= end + 5) await sleep(5)
      t.ok((await store.read(brief))?.equals(recordOf(1)))
    }
  })

  t.test(
    'touch(): with another revision it changes neither record nor expiry, and returns the record',
    async (t) => {
      const key = await stored(2)
      const outcome = await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), Date.now() - 1)
      t.ok(isRecord(outcome, recordOf(2)))
      await sleep(5)
      t.ok((await store.read(key))?.equals(recordOf(2)))
    }
  )

  t.test('destroy(): deletes the record; a second call is no error', async (t) => {
    const key = await stored(1)
    t.equal(await store.destroy(key, revision(1)), 'done')
    t.equal(await store.read(key), undefined)
    t.equal(await store.destroy(key, revision(1)), 'missing')
    t.equal(await store.update(key, revision(1), recordOf(2), later()), 'missing', 'nothing restores it')
    t.equal(await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), later()), 'missing')
    t.equal(await store.read(key), undefined)
  })

  t.test('destroy(): with another revision it deletes nothing', async (t) => {
    const key = await stored(2)
    t.ok(isRecord(await store.destroy(key, revision(1)), recordOf(2)))
    t.ok((await store.read(key))?.equals(recordOf(2)))
  })

  if (store.end !== undefined) {
    const end = (key: string) => (store as Required<Store>).end(key)
    t.test('end(): deletes a session of any revision, but no tombstone', async (t) => {
      for (const record of [recordOf(1), recordOf(2, 'more'), Buffer.alloc(0), Buffer.from([FIRST_BYTE])]) {
        const key = newKey()
        await store.create(key, record, later())
        t.equal(await end(key), 'done')
        t.equal(await store.read(key), undefined)
        t.equal(await end(key), 'missing')
        t.equal(await store.read(key), undefined)
      }
      const tombstone = recordOf(1)
      tombstone[0] = FIRST_BYTE
      tombstone[TOMBSTONE.offset] = TOMBSTONE.bit | 1
      const key = newKey()
      await store.create(key, tombstone, later())
      t.ok(isRecord(await end(key), tombstone))
      t.ok((await store.read(key))?.equals(tombstone))
      for (const [at, byte] of [
        [0, 0x7b],
        [TOMBSTONE.offset, 0xff & ~TOMBSTONE.bit]
      ] as const) {
        const other = Buffer.from(tombstone)
        other[at] = byte
        const otherKey = newKey()
        await store.create(otherKey, other, later())
        t.equal(await end(otherKey), 'done')
      }
    })

    t.test('end(): a mark takes the place of a session, but not of a tombstone or of nothing', async (t) => {
      const mark = (key: string, expiresAt = later()) =>
        (store as Required<Store>).end(key, { record: tombstoneOf(9), expiresAt })
      const missing = newKey()
      t.equal(await mark(missing), 'missing')
      t.equal(await store.read(missing), undefined)
      for (const record of [recordOf(1), Buffer.alloc(0)]) {
        const key = newKey()
        await store.create(key, record, later())
        t.equal(await mark(key), 'done')
        t.ok(isRecord(await mark(key), tombstoneOf(9)))
        t.ok((await store.read(key))?.equals(tombstoneOf(9)))
        t.equal(await store.create(key, recordOf(2), later()), false)
        t.ok(isRecord(await store.update(key, revision(1), recordOf(2), later()), tombstoneOf(9)))
      }
      const moved = newKey()
      await store.create(moved, tombstoneOf(1), later())
      t.ok(isRecord(await mark(moved), tombstoneOf(1)))
      const short = await stored(1)
      t.equal(await mark(short, Date.now() + 30), 'done')
      t.ok(await gone(store, short))
    })
  }

  if (store.keys !== undefined) {
    const keys = async (prefix: string) => {
      const found: string[] = []
      for await (const page of (store as Required<Store>).keys(prefix)) found.push(...page)
      return found.sort()
    }
    t.test('keys(): those that begin with the prefix, whatever characters are in it', async (t) => {
      const base = newKey()
      for (const prefix of [base, `${base}*?[a-z]^\\`]) {
        const own = Array.from({ length: 20 }, (_, index) => `${prefix}:${index}`).sort()
        for (const key of own) await store.create(key, recordOf(1), later())
        await store.create(`a${prefix}:`, recordOf(1), later())
        t.same(await keys(`${prefix}:`), own)
        await store.destroy(own[0] ?? '', revision(1))
        t.same(await keys(`${prefix}:`), own.slice(1))
      }
      t.same(await keys(newKey()), [])
    })
  }

  if (store.end !== undefined) {
    t.test(
      'end(): with a mark that is always left, nothing can be stored under the key before it expires',
      async (t) => {
        const { end, create, update, touch } = store as Required<Store>
        const mark = Buffer.from([FIRST_BYTE, 1, 0, TOMBSTONE.bit, ...Buffer.alloc(HEADER_BYTES - 4), 0])
        for (const [number, answer] of [
          [1, 'done'],
          [0, 'missing']
        ] as const) {
          const key = number === 0 ? newKey() : await stored(number)
          t.equal(await end.call(store, key, { record: mark, expiresAt: later(), always: true }), answer)
          t.ok((await store.read(key))?.equals(mark))
          t.equal(await create.call(store, key, recordOf(2), later()), false)
          t.ok(isRecord(await update.call(store, key, revision(1), recordOf(2), later()), mark))
          t.ok(isRecord(await touch.call(store, key, revision(1), Buffer.alloc(TOUCH.length), later()), mark))
          t.ok(
            isRecord(
              await end.call(store, key, { record: recordOf(3), expiresAt: Date.now() + 1, always: true }),
              mark
            ),
            'a tombstone stays'
          )
          t.ok((await store.read(key))?.equals(mark))
        }
        const key = await stored(1)
        t.equal(await end.call(store, key, { record: mark, expiresAt: Date.now() + 30 }), 'done')
        t.ok(await gone(store, key))
      }
    )
  }

  t.test('keys: records under different keys are independent', async (t) => {
    const base = newKey()
    const keys = [
      ...['a:', 'a:a:', 'b:', ''].map((prefix) => prefix + base),
      ...[
        '',
        ' ',
        '\0',
        '\r\n',
        '*',
        '{}',
        '{tag}',
        '?[a-z]',
        '\\',
        '"',
        "'",
        'ä',
        '漢字',
        '😀',
        '__proto__'
      ].map((odd) => base + odd + base),
      base + 'x'.repeat(10_000)
    ]
    for (const [index, key] of keys.entries()) {
      t.equal(await store.create(key, recordOf(index, key), later()), true)
    }
    for (const [index, key] of keys.entries()) {
      t.ok((await store.read(key))?.equals(recordOf(index, key)))
      t.equal(await store.update(key, revision(index), recordOf(index + 1, key), later()), 'done')
      t.equal(await store.destroy(key, revision(index + 1)), 'done')
    }
  })

  t.test('bytes: every byte is kept', async (t) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
    const key = newKey()
    await store.create(key, recordOf(1, bytes), later())
    t.ok((await store.read(key))?.equals(recordOf(1, bytes)))
    await store.update(key, revision(1), recordOf(2, bytes.toReversed()), later())
    t.ok((await store.read(key))?.equals(recordOf(2, bytes.toReversed())))
    t.ok(isRecord(await store.destroy(key, revision(1)), recordOf(2, bytes.toReversed())))
    for (const value of [0x00, 0x0d, 0x80, 0xff]) {
      const odd = recordOf(1)
      odd.fill(value, REVISION.offset, REVISION.offset + REVISION.length)
      const oddKey = newKey()
      await store.create(oddKey, odd, later())
      const same = Buffer.alloc(REVISION.length, value)
      t.equal(
        await store.touch(oddKey, same, odd.subarray(TOUCH.offset, HEADER_BYTES), later()),
        'done',
        'in a revision too'
      )
      t.equal(await store.destroy(oddKey, same), 'done')
    }
  })

  t.test('bytes: plain Uint8Arrays and views of larger buffers are accepted', async (t) => {
    const memory = Buffer.concat([randomBytes(100), recordOf(1), revision(1), randomBytes(100)])
    const part = (start: number, length: number) =>
      new Uint8Array(memory.buffer, memory.byteOffset + start, length)
    const record = part(100, recordOf(1).length)
    const key = newKey()
    await store.create(key, record, later())
    t.ok((await store.read(key))?.equals(recordOf(1)))
    t.equal(await store.update(key, part(100 + record.length, REVISION.length), record, later()), 'done')
    t.ok((await store.read(key))?.equals(recordOf(1)))
  })

  t.test('bytes: a record of 1 MB is kept', async (t) => {
    const payload = randomBytes(1_048_576)
    const key = newKey()
    await store.create(key, recordOf(1, payload), later())
    t.ok((await store.read(key))?.equals(recordOf(1, payload)))
    t.ok(isRecord(await store.update(key, revision(9), recordOf(2), later()), recordOf(1, payload)))
    t.equal(await store.update(key, revision(1), recordOf(2, payload), later()), 'done')
    t.ok((await store.read(key))?.equals(recordOf(2, payload)))
  })

  t.test('bytes: a record that is too short for a revision is kept', async (t) => {
    for (const length of [0, 1, REVISION.offset, REVISION.offset + REVISION.length - 1]) {
      const short = recordOf(1).subarray(0, length)
      const key = newKey()
      t.equal(await store.create(key, short, later()), true)
      t.equal(await store.create(key, recordOf(2), later()), false)
      t.ok(isRecord(await store.update(key, revision(1), recordOf(2), later()), short))
      t.ok(isRecord(await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), later()), short))
      t.ok(isRecord(await store.destroy(key, revision(1)), short))
      t.ok((await store.read(key))?.equals(short))
    }
  })

  t.test('bytes: modifying arguments or results does not modify the record', async (t) => {
    const key = newKey()
    const given = recordOf(1)
    await store.create(key, given, later())
    given.fill(0)
    ;(await store.read(key))?.fill(0)
    t.ok((await store.read(key))?.equals(recordOf(1)), 'after create() and read()')
    const next = recordOf(2)
    await store.update(key, revision(1), next, later())
    next.fill(0)
    t.ok((await store.read(key))?.equals(recordOf(2)), 'after update()')
    for (const outcome of [
      await store.update(key, revision(9), next, later()),
      await store.touch(key, revision(9), next.subarray(0, TOUCH.length), later()),
      await store.destroy(key, revision(9))
    ]) {
      t.ok(outcome instanceof Uint8Array && outcome.fill(0))
      t.ok((await store.read(key))?.equals(recordOf(2)), 'after a conflict')
    }
    const before = await store.read(key)
    const patch = Buffer.alloc(TOUCH.length, 1)
    await store.touch(key, revision(2), patch, later())
    patch.fill(9)
    t.ok(before?.equals(recordOf(2)), 'a later write does not change the result of an earlier read')
    t.not((await store.read(key))?.[TOUCH.offset], 9)
  })

  t.test('create(): of parallel calls exactly one succeeds', async (t) => {
    const stores = [store, open(), open()]
    const key = newKey()
    const created = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        pick(stores, index).create(key, recordOf(index, `from ${index}`), later())
      )
    )
    const winner = created.indexOf(true)
    t.equal(created.filter((isCreated) => isCreated).length, 1)
    t.ok((await store.read(key))?.equals(recordOf(winner, `from ${winner}`)))
  })

  t.test('update(): of parallel calls exactly one succeeds, and all others return its record', async (t) => {
    const stores = [store, open(), open()]
    const key = await stored(0)
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        pick(stores, index).update(key, revision(0), recordOf(index + 1, `from ${index}`), later())
      )
    )
    const winner = outcomes.indexOf('done')
    const winning = recordOf(winner + 1, `from ${winner}`)
    t.ok(winner >= 0)
    t.equal(outcomes.filter((outcome) => isRecord(outcome, winning)).length, outcomes.length - 1)
    t.ok((await store.read(key))?.equals(winning))
  })

  t.test('all operations: parallel ones on one key take effect one after another', async (t) => {
    const stores = [store, open(), open()]
    await t.resolves(
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(operations, { minLength: 1, maxLength: 4 }), { maxLength: 6 }),
          async (batches) => {
            const key = newKey()
            let possible: State[] = [undefined]
            for (const batch of batches) {
              const answers = await Promise.all(
                batch.map((operation, index) => operation.run(pick(stores, index), key))
              )
              possible = explanations(possible, batch, answers.map(comparable))
              if (possible.length === 0)
                throw new Error(`no order explains ${batch.map(String)} -> ${answers}`)
            }
            const end = comparable(await store.read(key))
            if (!possible.includes(end)) throw new Error(`${end} is none of ${possible}`)
          }
        ),
        { numRuns: 60 }
      )
    )
  })
}

function isRecord(outcome: Outcome, record: Uint8Array): boolean {
  return outcome instanceof Uint8Array && Buffer.compare(outcome, record) === 0
}

function pick<Value>(values: readonly Value[], index: number): Value {
  return values[index % values.length] as Value
}

// ---------------------------------------------------------------- the model

/** The record in hex. `undefined` if there is none. */
type State = string | undefined
type Answer = string | boolean | undefined

interface Transition {
  state: State
  answer: Answer
  /** Another allowed answer, for a write that finds its own record. */
  orElse?: Answer
}

class Operation {
  readonly name: string
  readonly run: (store: Store, key: string) => Promise<Outcome | Buffer | boolean | undefined>
  readonly model: (state: State) => Transition

  constructor(name: string, run: Operation['run'], model: Operation['model']) {
    this.name = name
    this.run = run
    this.model = model
  }

  toString(): string {
    return this.name
  }
}

function conditional(
  expected: Buffer,
  write: (record: Buffer) => State,
  isOwn: (record: Buffer) => boolean = () => false
): Operation['model'] {
  return (state) => {
    if (state === undefined) return { state, answer: 'missing' }
    const record = Buffer.from(state, 'hex')
    const isExpected = record.subarray(REVISION.offset, REVISION.offset + REVISION.length).equals(expected)
    if (!isExpected) return { state, answer: state, orElse: isOwn(record) ? 'done' : undefined }
    return { state: write(record), answer: 'done' }
  }
}

// Few revisions, so that many operations meet the one they expect. A touch changes the revision too.
const revisions = fc.integer({ min: 0, max: 2 })
const payloads = fc.constantFrom('', 'a', 'b')
const operations: fc.Arbitrary<Operation> = fc.oneof(
  fc.constant(
    new Operation(
      'read',
      (store, key) => store.read(key),
      (state) => ({ state, answer: state })
    )
  ),
  fc.tuple(revisions, payloads).map(([number, payload]) => {
    const record = recordOf(number, payload)
    return new Operation(
      `create ${number}${payload}`,
      (store, key) => store.create(key, record, later()),
      (state) => {
        const hex = record.toString('hex')
        if (state === undefined) return { state: hex, answer: true }
        return { state, answer: false, orElse: state === hex ? true : undefined }
      }
    )
  }),
  fc.tuple(revisions, revisions, payloads).map(([expected, number, payload]) => {
    const record = recordOf(number, payload)
    return new Operation(
      `update ${expected} to ${number}${payload}`,
      (store, key) => store.update(key, revision(expected), record, later()),
      conditional(
        revision(expected),
        () => record.toString('hex'),
        (there) => there.equals(record)
      )
    )
  }),
  fc.tuple(revisions, revisions).map(([expected, number]) => {
    const patch = recordOf(number).subarray(TOUCH.offset, HEADER_BYTES)
    return new Operation(
      `touch ${expected} to ${number}`,
      (store, key) => store.touch(key, revision(expected), patch, later()),
      conditional(
        revision(expected),
        (record) => {
          patch.copy(record, TOUCH.offset)
          return record.toString('hex')
        },
        (there) => {
          const patched = revision(expected)
          patch.copy(patched, TOUCH.offset - REVISION.offset)
          return there.subarray(REVISION.offset, HEADER_BYTES).equals(patched)
        }
      )
    )
  }),
  revisions.map(
    (expected) =>
      new Operation(
        `destroy ${expected}`,
        (store, key) => store.destroy(key, revision(expected)),
        conditional(revision(expected), () => undefined)
      )
  )
)

function comparable(answer: Outcome | Buffer | boolean | undefined): Answer & State {
  return (answer instanceof Uint8Array ? Buffer.from(answer).toString('hex') : answer) as Answer & State
}

/** The states that some order of these operations can reach from these states with these answers. */
function explanations(
  states: readonly State[],
  batch: readonly Operation[],
  answers: readonly Answer[]
): State[] {
  if (batch.length === 0) return [...states]
  const ends = batch.flatMap((operation, index) => {
    const next = states
      .map(operation.model)
      .filter(({ answer, orElse }) => {
        return answer === answers[index] || (orElse !== undefined && orElse === answers[index])
      })
      .map(({ state }) => state)
    if (next.length === 0) return []
    return explanations(
      next,
      batch.filter((_, other) => other !== index),
      answers.filter((_, other) => other !== index)
    )
  })
  return [...new Set(ends)]
}
