// The contract of a serializer, as a list of named functions for any test runner.
import { deepEqual, doesNotThrow, equal, fail, ok, throws } from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { Codec } from '../lib/data/codec.js'
import { PayloadError } from '../lib/data/payload-error.js'
import { serializers } from '../serializers/index.js'
import type { Dictionary, Serializer } from '../serializers/serializer.js'
import { type Attack, foreign, foreignTo } from './attacks.js'
import {
  type Clause,
  type Contract,
  type ContractOptions,
  clauseOf,
  PATIENCE,
  POOL_BYTES
} from './contract.js'
import { binary, deepFreeze, documents } from './documents.js'
import { fastCheck, SEED } from './fast-check.js'
import { besiege, type Siege } from './siege.js'
import { inCommon, isKept, nest, type Sample, samples, sessions, type ValueName } from './values.js'

export interface SerializerContractOptions extends ContractOptions {
  /** The module that exports the serializer. The attacks run in a process of their own, which imports it. */
  module: URL | string
  /**
   * The values that come back as something else, or not at all.
   * @default []
   */
  lost?: readonly ValueName[]
  /**
   * The values that encode() refuses.
   * @default []
   */
  error?: readonly ValueName[]
  /**
   * Whether decoded binary data may lie in Node's pool of small Buffers. Its `buffer` then also holds bytes of others.
   * @default false
   */
  pooled?: boolean
  /**
   * Attacks on its format that only its author knows, such as an object that a decoder would construct.
   * @default []
   */
  attacks?: readonly Attack[]
  /**
   * Options of Node for the process of the attacks, such as a loader for TypeScript: `['--import=tsx']`.
   * @default []
   */
  execArgv?: readonly string[]
}

const LIMIT = 1_048_576
const CANARY = 'canary-4711'
/** Why bytes must not change if the data did not. */
const STORED_AGAIN =
  'encodes unchanged data to other bytes, so a session that was only read would be stored again'

/**
 * The contract of a serializer. Its clauses may run in any order.
 * @example
 * const module = new URL('./my-serializer.js', import.meta.url)
 * for (const { name, run } of serializerContract(mine, { module, lost: ['URL'] })) test(name, run)
 */
export function serializerContract(serializer: Serializer, options: SerializerContractOptions): Contract {
  const { module, lost = [], error = [], pooled = false, attacks = [], execArgv = [] } = options
  const { patience = PATIENCE } = options
  const { name, tag } = serializer
  const codec = new Codec(serializer, Object.values(serializers), LIMIT)
  const encode = (data: Dictionary): Buffer => Buffer.from(codec.encode(data).payload)
  const decode = (bytes: Uint8Array): Dictionary => codec.decode(tag, bytes)
  const keeps = (value: ValueName): boolean => !lost.includes(value) && !error.includes(value)
  let siege: Promise<Siege> | undefined
  const besieged = (signal: AbortSignal): Promise<Siege> => {
    siege ??= besiege({ serializer, module, attacks, execArgv, signal })
    return siege
  }
  const clauses: Clause[] = []
  const clause = (name: string, check: (signal: AbortSignal) => void | Promise<void>): void => {
    const loaded = async (signal: AbortSignal) => {
      await codec.load(tag)
      await check(signal)
    }
    clauses.push(clauseOf(name, patience, loaded))
  }

  clause('name and tag are unique', () => {
    const others = Object.entries<Serializer>(serializers).filter(([, other]) => other !== serializer)
    ok(Number.isInteger(tag) && tag >= 1 && tag <= 255, `tag ${tag} is not an integer from 1 to 255`)
    for (const [key, other] of others) {
      ok(key !== name, `${name} is the name of a serializer of this package`)
      ok(other.tag !== tag, `${tag} is the tag of ${key}: take one from 32 to 255`)
    }
    const isOurs = others.length < Object.keys(serializers).length
    ok(isOurs || tag >= 32, `tag ${tag} is reserved: take one from 32 to 255`)
  })

  clause('each value is kept, lost or refused as promised', () => {
    const wrong = samples.flatMap((sample) => {
      const promised = error.includes(sample.name) ? 'error' : keeps(sample.name) ? 'kept' : 'lost'
      const actual = becomes(sample)
      return actual === promised ? [] : [`${sample.name}: ${actual}, but promised is ${promised}`]
    })
    deepEqual(wrong, [], 'name these values in the options lost or error, or keep them')
  })

  clause('documents of promised values survive a round trip and encode to the same bytes', async () => {
    const fc = await fastCheck()
    const property = fc.property(documents(fc, keeps), (document) => {
      const bytes = encode(document)
      const back = decode(bytes)
      if (!isDeepStrictEqual(back, document)) throw new Error('a document comes back as another one')
      if (!encode(back).equals(bytes)) throw new Error(`${name} ${STORED_AGAIN}`)
    })
    fc.assert(property, { numRuns: 300, seed: SEED, includeErrorInReport: true })
  })

  clause('decoded values encode to the same bytes, whether kept or lost', () => {
    for (const sample of samples) {
      if (error.includes(sample.name)) continue
      const bytes = encode({ value: sample.value })
      const again = encode(decode(bytes))
      ok(again.equals(bytes) || lost.includes(sample.name), `${sample.name}: ${name} ${STORED_AGAIN}`)
      ok(encode(decode(again)).equals(again), `${sample.name}, decoded twice: ${name} ${STORED_AGAIN}`)
    }
  })

  clause('keys keep their order', () => {
    const document = { z: 1, a: { y: 1, b: 2 }, m: [{ x: 1, c: 2 }] }
    const back = decode(encode(document)) as typeof document
    deepEqual([back, back.a, back.m[0] ?? {}].map(Object.keys), [
      ['z', 'a', 'm'],
      ['y', 'b'],
      ['x', 'c']
    ])
  })

  clause('hundreds of shapes in one document', () => {
    const shapes = Array.from({ length: 600 }, (_, n) => ({
      [`key${n % 300}`]: n,
      [`other${n % 7}`]: { [`in${n}`]: n }
    }))
    deepEqual(decode(encode({ shapes })), { shapes })
    const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`key${n}`, n]))
    deepEqual(decode(encode({ wide })), { wide })
  })

  clause('encode() does not modify the data', async () => {
    for (const { name, value } of samples) {
      if (error.includes(name)) continue
      doesNotThrow(() => encode(deepFreeze({ value })), `encode() modifies ${name}`)
    }
    const fc = await fastCheck()
    const property = fc.property(documents(fc, keeps), (document) => encode(deepFreeze(document)).length > 0)
    fc.assert(property, { numRuns: 50, seed: SEED, includeErrorInReport: true })
  })

  clause('no document or failure affects the next document', async (signal) => {
    const all: Dictionary[] = Object.values(sessions)
    const expected = all.map(encode)
    const check = (after: string) =>
      ok(
        all.every((data, n) => expected[n]?.equals(encode(data))),
        `${after}, the next session is encoded differently`
      )
    check('after a session')
    throws(() => encode({ deep: nest(10_000) }))
    check('after data that cannot be encoded')
    for (const { name, bytes } of foreign) throws(() => decode(bytes), PayloadError, name)
    check('after bytes that cannot be decoded')
    deepEqual(expected.map(decode), all)
    const { sample } = await besieged(signal)
    equal(sample, expected[2]?.toString('hex'), 'another process encodes the same session differently')
  })

  clause('bytes that encode() returned do not change', () => {
    const { payload } = codec.encode(sessions.user)
    const copy = Buffer.from(payload)
    for (let n = 0; n < 200; n++) codec.encode(sessions['cart of 20'])
    ok(copy.equals(payload))
  })

  clause('truncated bytes are refused', () => {
    for (const data of [sessions.user, binary(keeps)]) {
      const bytes = encode(data)
      const accepted = [...bytes.keys()].filter(
        (length) => !isRefused(() => decode(bytes.subarray(0, length)))
      )
      deepEqual(accepted, [], `decode() accepts a record of ${bytes.length} bytes that was cut off`)
    }
  })

  clause('bytes after the end are refused', () => {
    for (const data of [sessions.user, binary(keeps)]) {
      const bytes = encode(data)
      const ends = [...Array.from({ length: 256 }, (_, byte) => Buffer.of(byte)), bytes.subarray(-20), bytes]
      const accepted = ends.filter((end) => !isRefused(() => decode(Buffer.concat([bytes, end]))))
      const [first] = accepted.map((end) => end.subarray(0, 20).toString('hex'))
      equal(
        accepted.length,
        0,
        `decode() accepts ${accepted.length} of ${ends.length} endings after a record of ${bytes.length} bytes, such as ` +
          `${first}: such a record is damaged, or made of two. Throw unless the whole input was read`
      )
    }
  })

  clause('decoded values are no views of the given bytes', () => {
    const document = binary(keeps)
    const payload = encode(document)
    const network = Buffer.from(new ArrayBuffer(payload.length + 40))
    network.set(payload, 21)
    // The plugin hands out a copy, which would hide a view.
    const back = serializer.decode(network.subarray(21, 21 + payload.length))
    deepEqual(back, document)
    network.fill(0)
    ok(isDeepStrictEqual(back, document), 'decode() returns views of its input: copy the bytes first')
    ok(
      inCommon(back, network) === undefined,
      'decode() returns views of its input, whose `buffer` holds the whole record: copy the bytes first'
    )
  })

  clause('decoded values share nothing with other sessions or the process', () => {
    const errors = ['valueOf', 'toString', 'constructor', '__proto__', 'TypeError'].map((name) =>
      Object.assign(new Error('x', { cause: { id: 1 } }), { name })
    )
    for (const { name, value } of [...samples, { name: 'errors named like object members', value: errors }]) {
      if (!isEncoded({ value, again: [value] })) continue
      const bytes = encode({ value, again: [value] })
      ok(!isRefused(() => decode(bytes)), `${name}: decode() refuses what encode() returned`)
      const common = inCommon(decode(bytes), decode(bytes))
      const isPool = common instanceof ArrayBuffer && common.byteLength === POOL_BYTES
      ok(
        common === undefined || (pooled && isPool),
        isPool
          ? `${name} lies in Node's pool of small Buffers: copy it by new Uint8Array(view), or set pooled: true`
          : `${name}: two decoded sessions share an object`
      )
    }
  })

  clause('data of other systems is refused', () => {
    for (const { name, bytes } of [...foreign, ...foreignTo(serializer)]) {
      ok(
        isRefused(() => decode(bytes)),
        `decode() accepts ${name}`
      )
    }
  })

  clause('errors contain none of the data', () => {
    const poisons = {
      symbol: Symbol(CANARY),
      fail: () => CANARY,
      deep: nest(10_000),
      big: CANARY.repeat(LIMIT)
    }
    const secret = { text: CANARY, constructor: { name: CANARY }, list: [CANARY, { name: CANARY }] }
    for (const poison of Object.values(poisons)) {
      const said = textOfError(() => encode({ ...secret, secret, poison: { ...secret, poison } }))
      ok(!said.includes(CANARY), 'an error quotes data')
    }
    const bytes = encode({ text: CANARY, list: [CANARY, CANARY], more: { text: CANARY } })
    for (const [n, byte] of bytes.entries()) {
      const damaged = Buffer.from(bytes)
      damaged[n] = byte ^ 0xff
      const said = textOfError(() => decode(damaged))
      ok(!said.includes('canary'), `an error quotes data if byte ${n} is damaged`)
    }
    ok(!textOfError(() => decode(bytes.subarray(0, -1))).includes('canary'), 'an error quotes data')
  })

  clause('hostile and damaged bytes do no harm, in bounded time and memory', async (signal) => {
    const { attacks, harms } = await besieged(signal)
    ok(attacks > 0)
    if (harms.length > 0) fail(`${harms.length} of ${attacks} attacks did harm. ${harms.join('\n')}`)
  })

  function isEncoded(data: Dictionary): boolean {
    try {
      return encode(data) !== undefined
    } catch {
      return false
    }
  }

  function becomes(sample: Sample): 'kept' | 'lost' | 'error' | 'refused by decode()' {
    let bytes: Uint8Array
    try {
      bytes = codec.encode({ value: sample.value }).payload
    } catch {
      return 'error'
    }
    if (isRefused(() => decode(bytes))) return 'refused by decode()'
    return isKept(sample, decode(bytes).value) ? 'kept' : 'lost'
  }

  return clauses
}

function isRefused(decode: () => unknown): boolean {
  try {
    decode()
    return false
  } catch (error) {
    return error instanceof PayloadError
  }
}

function textOfError(work: () => unknown): string {
  try {
    work()
    return ''
  } catch (error) {
    const { message, stack, cause } = error as Error
    return `${message} ${stack} ${String(cause)} ${JSON.stringify(error)}`
  }
}
