// The contract of a store, as a list of named functions for any test runner.
import { deepEqual, equal, fail, notEqual, ok } from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { FIRST_BYTE, type Outcome, REVISION, type Store, TOMBSTONE, TOUCH } from '../lib/stores/store.js'
import {
  type Clause,
  type Contract,
  type ContractOptions,
  clauseOf,
  PATIENCE,
  POOL_BYTES
} from './contract.js'
import { fastCheck, SEED } from './fast-check.js'
import { explanations, operationsOf, type State, stateOf } from './interleavings.js'
import {
  gone,
  HEADER_BYTES,
  HOUR,
  later,
  neighboursOf,
  newKey,
  OVERTIME,
  recordOf,
  revision,
  tombstoneOf
} from './records.js'
import { compete } from './rivals.js'

const IS_ATOMIC = 'compare and write in one step, and let open() open the same storage each time'

export interface StoreContractOptions extends ContractOptions {
  /**
   * A module that exports the same function as `open`. Two processes import it, and write at the same time.
   * @default Only one process writes, in which a store without any transaction may keep the contract.
   */
  module?: URL | string
  /**
   * Options of Node for these processes, such as a loader for TypeScript: `['--import=tsx']`.
   * @default []
   */
  execArgv?: readonly string[]
}

/**
 * The contract of a store. Its clauses may run in any order, also at the same time.
 * @param open Opens the same storage each time, through another connection if it has connections. It is called at once,
 * and again by the clauses about parallel writes. What it opens is yours to close.
 * @example
 * const store = new MyStore()
 * for (const { name, run } of storeContract(() => store)) test(name, run)
 */
export function storeContract(open: () => Store, options: StoreContractOptions = {}): Contract {
  const { module, execArgv = [], patience = PATIENCE } = options
  const store = open()
  const clauses: Clause[] = []
  const clause = (name: string, check: (signal: AbortSignal) => Promise<void>, seconds = patience) =>
    void clauses.push(clauseOf(name, seconds, check))

  async function holds(key: string, record: Uint8Array, why = 'the stored record'): Promise<void> {
    const found: unknown = await store.read(key)
    ok(Buffer.isBuffer(found), `read() must return a Buffer, not ${kindOf(found)}`)
    is(found, record, why)
  }

  async function isMissing(key: string, why = ''): Promise<void> {
    const found: unknown = await store.read(key)
    if (found !== undefined) fail(`read() must return undefined if there is no record, not ${found}${why}`)
  }

  async function stored(number: number, payload?: string | Uint8Array): Promise<string> {
    const key = newKey()
    await store.create(key, recordOf(number, payload), later())
    return key
  }

  clause('all operations: a key that was never stored is missing', async () => {
    const key = newKey()
    await isMissing(key)
    equal(await store.update(key, revision(1), recordOf(2), later()), 'missing')
    equal(await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), later()), 'missing')
    equal(await store.destroy(key, revision(1)), 'missing')
    await isMissing(key, ': an operation has stored one')
  })

  clause('all operations: an expired key is missing', async () => {
    const key = newKey()
    ok(await store.create(key, recordOf(1), Date.now() + 30))
    await gone(store, key)
    equal(await store.update(key, revision(1), recordOf(2), later()), 'missing')
    equal(await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), later()), 'missing')
    equal(await store.destroy(key, revision(1)), 'missing')
    ok(await store.create(key, recordOf(3), later()), 'the key is free again')
    await holds(key, recordOf(3))
  })

  clause('expiresAt: a time in the past ends the record', async () => {
    for (const instant of [Date.now() - HOUR, 0, -1]) {
      const created = newKey()
      ok(await store.create(created, recordOf(1), instant))
      await gone(store, created)
      const updated = await stored(1)
      equal(await store.update(updated, revision(1), recordOf(2), instant), 'done')
      await gone(store, updated)
      const touched = await stored(1)
      equal(
        await store.touch(touched, revision(1), recordOf(1).subarray(TOUCH.offset, HEADER_BYTES), instant),
        'done'
      )
      await gone(store, touched)
    }
  })

  // Without a clock: of records that end within one second, some are gone while others are still there.
  clause('expiresAt: is not rounded to seconds', async () => {
    for (let tries = 1; ; tries++) {
      const now = Date.now()
      const keys = [250, 500, 750, 1_000].map((after) => [newKey(), now + after] as const)
      await Promise.all(keys.map(([key, expiresAt]) => store.create(key, recordOf(1), expiresAt)))
      const counts = new Set<number>()
      for (let left = keys.length; left > 0 && Date.now() < now + OVERTIME; await sleep(5)) {
        const found = await Promise.all(keys.map(([key]) => store.read(key)))
        const before = left
        left = found.filter((record) => record !== undefined).length
        // Not what only reads at the moment of an end have seen.
        if (left === before) counts.add(left)
      }
      // Rounded ends are at most two instants. A machine that stalls can hide others.
      if (counts.size > 2) return
      if (tries === 5) fail('records that end at different milliseconds end together: keep expiresAt exactly')
    }
  })

  clause('expiresAt: a fraction of a millisecond is accepted', async () => {
    const key = newKey()
    ok(await store.create(key, recordOf(1), later() + 0.25))
    await holds(key, recordOf(1))
  })

  clause('all writes: a repeated write finds its work done, or its own record', async () => {
    const key = newKey()
    await store.create(key, recordOf(1), later())
    equal(typeof (await store.create(key, recordOf(1), later())), 'boolean')
    await store.update(key, revision(1), recordOf(2), later())
    const updated = await store.update(key, revision(1), recordOf(2), later())
    ok(updated === 'done' || isRecord(updated, recordOf(2)))
    const patch = Buffer.alloc(TOUCH.length, 1)
    await store.touch(key, revision(2), patch, later())
    const touched = recordOf(2)
    patch.copy(touched, TOUCH.offset)
    const again = await store.touch(key, revision(2), patch, later())
    ok(again === 'done' || isRecord(again, touched))
    await holds(key, touched)
  })

  clause('create(): of two, the first record stays, with its expiry', async () => {
    const key = newKey()
    equal(await store.create(key, recordOf(1, 'first'), later()), true)
    equal(await store.create(key, recordOf(2, 'second'), Date.now() - 1), false)
    const brief = newKey()
    equal(await store.create(brief, recordOf(1), Date.now() + 100), true)
    if (!(await store.create(brief, recordOf(2), later()))) await gone(store, brief)
    await holds(key, recordOf(1, 'first'))
  })

  clause('update(): replaces the record of the expected revision, and its expiry', async () => {
    const key = await stored(1, 'a longer payload than the next')
    equal(await store.update(key, revision(1), recordOf(2, 'short'), later()), 'done')
    await holds(key, recordOf(2, 'short'))
    equal(await store.update(key, revision(2), recordOf(3), Date.now() + 30), 'done')
    await gone(store, key)
    const brief = newKey()
    const end = Date.now() + 200
    await store.create(brief, recordOf(1), end)
    if ((await store.update(brief, revision(1), recordOf(2), later())) === 'done') {
      while (Date.now() <= end + 5) await sleep(5)
      await holds(brief, recordOf(2), 'the record with a later end')
    }
  })

  clause('update(), touch(): with another revision they write nothing and return the record', async () => {
    const key = await stored(2, 'theirs')
    const others = [revision(1), Buffer.alloc(REVISION.length), Buffer.alloc(REVISION.length, 0xff)]
    for (const other of [...others, ...neighboursOf(revision(2))]) {
      is(await store.update(key, other, recordOf(3), Date.now() - 1), recordOf(2, 'theirs'))
      is(await store.touch(key, other, Buffer.alloc(TOUCH.length), Date.now() - 1), recordOf(2, 'theirs'))
    }
    await holds(key, recordOf(2, 'theirs'))
  })

  clause('touch(): changes only its own bytes', async () => {
    const patch = Buffer.from(Array.from({ length: TOUCH.length }, (_, index) => index + 1))
    for (const payload of ['', 'payload', randomBytes(5_000)]) {
      const key = await stored(1, payload)
      equal(await store.touch(key, revision(1), patch, later()), 'done')
      const expected = recordOf(1, payload)
      patch.copy(expected, TOUCH.offset)
      await holds(key, expected)
      const patched = expected.subarray(REVISION.offset, REVISION.offset + REVISION.length)
      const other = Buffer.alloc(TOUCH.length, 9)
      ok(isRecord(await store.touch(key, revision(1), other, later()), expected), 'its revision has changed')
      equal(await store.update(key, patched, recordOf(2), later()), 'done')
    }
  })

  clause('touch(): changes the expiry', async () => {
    const key = newKey()
    const patch = recordOf(1).subarray(TOUCH.offset, HEADER_BYTES)
    await store.create(key, recordOf(1), later())
    equal(await store.touch(key, revision(1), patch, Date.now() + 30), 'done')
    await gone(store, key)
    const brief = newKey()
    const end = Date.now() + 200
    await store.create(brief, recordOf(1), end)
    if ((await store.touch(brief, revision(1), patch, later())) === 'done') {
      while (Date.now() <= end + 5) await sleep(5)
      await holds(brief, recordOf(1))
    }
  })

  clause(
    'touch(): with another revision it changes neither record nor expiry, and returns the record',
    async () => {
      const key = await stored(2)
      const outcome = await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), Date.now() - 1)
      is(outcome, recordOf(2))
      await sleep(5)
      await holds(key, recordOf(2))
    }
  )

  clause('destroy(): deletes the record; a second call is no error', async () => {
    const key = await stored(1)
    equal(await store.destroy(key, revision(1)), 'done')
    await isMissing(key)
    equal(await store.destroy(key, revision(1)), 'missing')
    equal(await store.update(key, revision(1), recordOf(2), later()), 'missing', 'nothing restores it')
    equal(await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), later()), 'missing')
    await isMissing(key)
  })

  clause('destroy(): with another revision it deletes nothing', async () => {
    const key = await stored(2)
    for (const other of [revision(1), ...neighboursOf(revision(2))]) {
      is(await store.destroy(key, other), recordOf(2))
    }
    await holds(key, recordOf(2))
  })

  if (store.end !== undefined) {
    const end = (key: string) => (store as Required<Store>).end(key)
    clause('end(): deletes a session of any revision, but no tombstone', async () => {
      for (const record of [recordOf(1), recordOf(2, 'more'), Buffer.alloc(0), Buffer.from([FIRST_BYTE])]) {
        const key = newKey()
        await store.create(key, record, later())
        equal(await end(key), 'done')
        await isMissing(key)
        equal(await end(key), 'missing')
        await isMissing(key)
      }
      const tombstone = recordOf(1)
      tombstone[0] = FIRST_BYTE
      tombstone[TOMBSTONE.offset] = TOMBSTONE.bit | 1
      const key = newKey()
      await store.create(key, tombstone, later())
      is(await end(key), tombstone)
      await holds(key, tombstone)
      for (const [at, byte] of [
        [0, 0x7b],
        [TOMBSTONE.offset, 0xff & ~TOMBSTONE.bit]
      ] as const) {
        const other = Buffer.from(tombstone)
        other[at] = byte
        const otherKey = newKey()
        await store.create(otherKey, other, later())
        equal(await end(otherKey), 'done')
      }
    })

    const mark = (key: string, expiresAt = later(), always = false) =>
      (store as Required<Store>).end(key, { record: tombstoneOf(9), expiresAt, always })
    clause('end(): a mark takes the place of a session, but not of a tombstone or of nothing', async () => {
      const missing = newKey()
      equal(await mark(missing), 'missing')
      await isMissing(missing, ': the mark is for sessions only')
      for (const record of [recordOf(1), Buffer.alloc(0)]) {
        const key = newKey()
        await store.create(key, record, later())
        equal(await mark(key), 'done', 'end() with a mark')
        is(await mark(key), tombstoneOf(9))
        await holds(key, tombstoneOf(9), 'the mark')
        equal(await store.create(key, recordOf(2), later()), false)
        is(await store.update(key, revision(1), recordOf(2), later()), tombstoneOf(9))
      }
      const moved = newKey()
      await store.create(moved, tombstoneOf(1), later())
      is(await mark(moved), tombstoneOf(1))
      const short = await stored(1)
      equal(await mark(short, Date.now() + 30), 'done')
      await gone(store, short)
    })

    clause('end(): an expired key is missing', async () => {
      for (const ended of [end, mark]) {
        const key = newKey()
        await store.create(key, recordOf(1), Date.now() + 30)
        await gone(store, key)
        equal(await ended(key), 'missing')
        await isMissing(key, ': the mark is for sessions only')
      }
    })

    clause('end(): after a mark that is always left, nothing is stored before it expires', async () => {
      for (const [key, answer] of [
        [await stored(1), 'done'],
        [newKey(), 'missing']
      ] as const) {
        equal(await mark(key, later(), true), answer)
        await holds(key, tombstoneOf(9), 'the mark')
        equal(await store.create(key, recordOf(2), later()), false)
        is(await store.update(key, revision(1), recordOf(2), later()), tombstoneOf(9))
        is(await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), later()), tombstoneOf(9))
        is(await mark(key, Date.now() + 1, true), tombstoneOf(9))
        await holds(key, tombstoneOf(9), 'the first mark')
      }
      const short = newKey()
      equal(await mark(short, Date.now() + 30, true), 'missing')
      await gone(store, short)
    })
  }

  if (store.keys !== undefined) {
    const keys = async (prefix: string) => {
      const found: string[] = []
      for await (const page of (store as Required<Store>).keys(prefix)) found.push(...page)
      return [...new Set(found)].sort()
    }
    clause('keys(): those that begin with the prefix, whatever characters are in it', async () => {
      const base = newKey()
      for (const prefix of [base, `${base}*?[a-z]^\\`, `${base}_%A`]) {
        // More than one page.
        const own = Array.from({ length: 300 }, (_, index) => `${prefix}:${index}`).sort()
        await Promise.all(own.map((key) => store.create(key, recordOf(1), later())))
        for (const other of [`a${prefix}`, `${base}xxA`, `${base}_%a`]) {
          await store.create(`${other}:`, recordOf(1), later())
        }
        await store.create(`${prefix}:expired`, recordOf(1), Date.now() + 30)
        await gone(store, `${prefix}:expired`)
        deepEqual(await keys(`${prefix}:`), own)
        await store.destroy(own[0] ?? '', revision(1))
        deepEqual(await keys(`${prefix}:`), own.slice(1))
      }
      deepEqual(await keys(newKey()), [])
    })
  }

  clause('keys: records under different keys are independent', async () => {
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
      // Some databases compare without case, trailing blanks or the form of a letter.
      ...['A', 'a', ' ', 'é'.normalize('NFC'), 'é'.normalize('NFD')].map((end) => base + end),
      base + 'x'.repeat(10_000)
    ]
    for (const [index, key] of keys.entries()) {
      equal(await store.create(key, recordOf(index, key), later()), true)
    }
    for (const [index, key] of keys.entries()) {
      await holds(key, recordOf(index, key))
      equal(await store.update(key, revision(index), recordOf(index + 1, key), later()), 'done')
      equal(await store.destroy(key, revision(index + 1)), 'done')
    }
  })

  clause('bytes: every byte is kept', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
    const key = newKey()
    await store.create(key, recordOf(1, bytes), later())
    await holds(key, recordOf(1, bytes))
    await store.update(key, revision(1), recordOf(2, bytes.toReversed()), later())
    await holds(key, recordOf(2, bytes.toReversed()))
    is(await store.destroy(key, revision(1)), recordOf(2, bytes.toReversed()))
    for (const value of [0x00, 0x0d, 0x80, 0xff]) {
      const odd = recordOf(1)
      odd.fill(value, REVISION.offset, REVISION.offset + REVISION.length)
      const oddKey = newKey()
      await store.create(oddKey, odd, later())
      const same = Buffer.alloc(REVISION.length, value)
      equal(
        await store.touch(oddKey, same, odd.subarray(TOUCH.offset, HEADER_BYTES), later()),
        'done',
        'in a revision too'
      )
      equal(await store.destroy(oddKey, same), 'done')
    }
  })

  clause('bytes: plain Uint8Arrays and views of larger buffers are accepted', async () => {
    const memory = Buffer.concat([randomBytes(100), recordOf(1), revision(1), randomBytes(100)])
    const part = (start: number, length: number) =>
      new Uint8Array(memory.buffer, memory.byteOffset + start, length)
    const record = part(100, recordOf(1).length)
    const key = newKey()
    await store.create(key, record, later())
    await holds(key, recordOf(1))
    equal(await store.update(key, part(100 + record.length, REVISION.length), record, later()), 'done')
    await holds(key, recordOf(1))
  })

  clause('bytes: a record of 1 MB is kept', async () => {
    const payload = randomBytes(1_048_576)
    const key = newKey()
    await store.create(key, recordOf(1, payload), later())
    await holds(key, recordOf(1, payload))
    is(await store.update(key, revision(9), recordOf(2), later()), recordOf(1, payload))
    equal(await store.update(key, revision(1), recordOf(2, payload), later()), 'done')
    await holds(key, recordOf(2, payload))
  })

  clause('bytes: a record that is too short for a revision is kept', async () => {
    for (const length of [0, 1, REVISION.offset, REVISION.offset + REVISION.length - 1]) {
      const short = recordOf(1).subarray(0, length)
      const key = newKey()
      equal(await store.create(key, short, later()), true)
      equal(await store.create(key, recordOf(2), later()), false)
      is(await store.update(key, revision(1), recordOf(2), later()), short)
      is(await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), later()), short)
      is(await store.destroy(key, revision(1)), short)
      await holds(key, short)
    }
  })

  clause('bytes: modifying arguments or results does not modify the record', async () => {
    const key = newKey()
    const given = recordOf(1)
    await store.create(key, given, later())
    given.fill(0)
    ;(await store.read(key))?.fill(0)
    await holds(key, recordOf(1), 'the record after its arguments and results were changed')
    const next = recordOf(2)
    await store.update(key, revision(1), next, later())
    next.fill(0)
    await holds(key, recordOf(2), 'the record after the arguments of update() were changed')
    for (const outcome of [
      await store.update(key, revision(9), next, later()),
      await store.touch(key, revision(9), next.subarray(0, TOUCH.length), later()),
      await store.destroy(key, revision(9))
    ]) {
      ok(outcome instanceof Uint8Array && outcome.fill(0))
      await holds(key, recordOf(2), 'the record after the answer to a conflict was changed')
    }
    const before = await store.read(key)
    const patch = Buffer.alloc(TOUCH.length, 1)
    await store.touch(key, revision(2), patch, later())
    patch.fill(9)
    ok(before?.equals(recordOf(2)), 'a later write does not change the result of an earlier read')
    notEqual((await store.read(key))?.[TOUCH.offset], 9)
  })

  clause('create(): of parallel calls exactly one succeeds', async () => {
    const stores = [store, open(), open()]
    const key = newKey()
    const created = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        pick(stores, index).create(key, recordOf(index, `from ${index}`), later())
      )
    )
    const winner = created.indexOf(true)
    const winners = created.filter((isCreated) => isCreated).length
    equal(winners, 1, `${winners} parallel calls of create() succeeded: ${IS_ATOMIC}`)
    await holds(key, recordOf(winner, `from ${winner}`))
  })

  clause('update(): of parallel calls exactly one succeeds, and all others return its record', async () => {
    const stores = [store, open(), open()]
    const key = await stored(0)
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        pick(stores, index).update(key, revision(0), recordOf(index + 1, `from ${index}`), later())
      )
    )
    const winner = outcomes.indexOf('done')
    const winning = recordOf(winner + 1, `from ${winner}`)
    const winners = outcomes.filter((outcome) => outcome === 'done').length
    equal(winners, 1, `${winners} parallel calls of update() succeeded: ${IS_ATOMIC}`)
    equal(outcomes.filter((outcome) => isRecord(outcome, winning)).length, outcomes.length - 1)
    await holds(key, winning)
  })

  clause('all operations: parallel ones on one key take effect one after another', async () => {
    const stores = [store, open(), open()]
    const fc = await fastCheck()
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(operationsOf(fc, store.end !== undefined), { minLength: 1, maxLength: 4 }), {
          maxLength: 6
        }),
        async (batches) => {
          const key = newKey()
          let possible: State[] = [undefined]
          for (const batch of batches) {
            const answers = await Promise.all(
              batch.map((operation, index) => operation.run(pick(stores, index), key))
            )
            possible = explanations(possible, batch, answers.map(stateOf))
            if (possible.length === 0) throw new Error(`no order explains ${batch.map(String)} -> ${answers}`)
          }
          const end = stateOf(await store.read(key))
          if (!possible.includes(end))
            throw new Error(`no order explains that the key then holds ${end ?? 'nothing'}`)
        }
      ),
      { numRuns: 60, seed: SEED, includeErrorInReport: true }
    )
  })

  if (module !== undefined) {
    const race = async (signal: AbortSignal) => {
      const key = await stored(0)
      // The processes go on from the records that they are given.
      is(await store.update(key, revision(9), recordOf(1), later()), recordOf(0))
      const { made, kept } = await compete(store, key, module, execArgv, signal)
      ok(made > 0 && kept === made, `update() kept ${kept} of ${made} changes: ${IS_ATOMIC}`)
    }
    clause('update(): of parallel processes none loses a change', race, patience / 2)
  }
  return clauses
}

/** Checks that a store answers with this record, byte for byte. */
function is(answer: Outcome | undefined, record: Uint8Array, why = 'the answer'): void {
  if (!(answer instanceof Uint8Array)) fail(`${why} must be the record, not ${String(answer)}`)
  if (isRecord(answer, record)) return
  const at = record.findIndex((byte, index) => answer[index] !== byte)
  const isPool = answer.length === POOL_BYTES
  fail(
    `${why} has ${answer.length} bytes instead of ${record.length}, and differs from byte ${at < 0 ? record.length : at}` +
      (isPool
        ? ": it is Node's pool of small Buffers. Keep and return a copy of the bytes, not their `buffer`"
        : '')
  )
}

function kindOf(value: unknown): string {
  return value instanceof Uint8Array ? 'another Uint8Array: Buffer.from(bytes) makes one' : String(value)
}

function isRecord(answer: Outcome, record: Uint8Array): boolean {
  return answer instanceof Uint8Array && Buffer.compare(answer, record) === 0
}

function pick<Value>(values: readonly Value[], index: number): Value {
  return values[index % values.length] as Value
}
