// A model of a store: which answers parallel operations on one key may get.
import { Buffer } from 'node:buffer'
import type { Arbitrary } from 'fast-check'
import { isTombstone } from '../lib/records/record.js'
import { type Outcome, REVISION, type Store, TOUCH } from '../lib/stores/store.js'
import type { FastCheck } from './fast-check.js'
import { HEADER_BYTES, later, recordOf, revision, tombstoneOf } from './records.js'

/** The record in hex. `undefined` if there is none. */
export type State = string | undefined
type Answer = string | boolean | undefined

interface Transition {
  state: State
  answer: Answer
  /** Another allowed answer, for a write that finds its own record. */
  orElse?: Answer
}

export class Operation {
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

/** @param canEnd Whether the store has `end`. */
export function operationsOf(fc: FastCheck, canEnd: boolean): Arbitrary<Operation> {
  // Few revisions, so that many operations meet the one they expect. A touch changes the revision too.
  const revisions = fc.integer({ min: 0, max: 2 })
  const payloads = fc.constantFrom('', 'a', 'b')
  return fc.oneof(
    ...(canEnd ? ends(fc) : []),
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
}

// A session moves while it is ended, with and without marks.
function ends(fc: FastCheck): Arbitrary<Operation>[] {
  const tombstone = tombstoneOf(3)
  const move = new Operation(
    'update 0 to a tombstone',
    (store, key) => store.update(key, revision(0), tombstone, later()),
    conditional(
      revision(0),
      () => tombstone.toString('hex'),
      (there) => there.equals(tombstone)
    )
  )
  const marks = [undefined, false, true].map((always) => {
    const record = tombstoneOf(4)
    const mark = always === undefined ? undefined : { record, expiresAt: later(), always }
    const marked = mark && record.toString('hex')
    return new Operation(
      `end${mark ? ` with ${always ? 'an unconditional mark' : 'a mark'}` : ''}`,
      (store, key) => (store as Required<Store>).end(key, mark),
      (state) => {
        if (state === undefined) return { state: always ? marked : undefined, answer: 'missing' }
        if (isTombstone(Buffer.from(state, 'hex'))) return { state, answer: state }
        return { state: marked, answer: 'done' }
      }
    )
  })
  return [move, ...marks].map((operation) => fc.constant(operation))
}

/** A record in hex; any other answer as it is. */
export function stateOf(answer: Outcome | Buffer | boolean | undefined): Answer & State {
  return (answer instanceof Uint8Array ? Buffer.from(answer).toString('hex') : answer) as Answer & State
}

/** The states that some order of these operations can reach from these states with these answers. */
export function explanations(
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
