// The contract of a serializer, for those of this package and those of its users.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import { Codec, PayloadError } from '../../lib/data/codec.js'
import { serializers } from '../../serializers/index.js'
import type { Dictionary, Serializer } from '../../serializers/serializer.js'
import fc, { type Arbitrary, anyCharacter } from '../support/properties.js'
import { foreign, native } from './attacks.js'
import v8 from './v8.js'
import { inCommon, isKept, nest, type Sample, samples, sessions, type ValueName } from './values.js'
import type { Report } from './victim.js'

/** What happens to the values of `values.ts`. All others are kept. */
export interface Promises {
  /** They are decoded as something else, or not at all. */
  lost: readonly ValueName[]
  /** Encoding them is an error. */
  error: readonly ValueName[]
}

const LIMIT = 1_048_576
const CANARY = 'canary-4711'
/** The time limit for one attack, on a slow and busy machine. */
const PATIENCE = 20_000
/** How many MB a process may grow during all attacks. */
const MEMORY = 300

/**
 * @param module The module whose default export is the serializer, unless it is one of this package: the attacks run in a
 * process of their own.
 */
export function testSerializer(t: Test, serializer: Serializer, promises: Promises, module?: URL): void {
  const { name, tag } = serializer
  const codec = new Codec(serializer, Object.values(serializers), LIMIT)
  const encode = (data: Dictionary): Buffer => Buffer.from(codec.encode(data).payload)
  const decode = (bytes: Uint8Array): Dictionary => codec.decode(tag, bytes)
  const keeps = (value: ValueName): boolean =>
    !promises.lost.includes(value) && !promises.error.includes(value)
  const documents = fc.dictionary(keys(keeps), values(keeps), { noNullPrototype: true, maxKeys: 6 })

  t.before(() => codec.load(tag))

  t.test(`${name}: name and tag are unique`, async (t) => {
    const others = Object.entries<Serializer>(serializers).filter(([, other]) => other !== serializer)
    t.ok(Number.isInteger(tag) && tag >= 1 && tag <= 255)
    t.notOk(others.some(([key, other]) => key === name || other.tag === tag))
  })

  t.test(`${name}: each value is kept, lost or refused as promised`, async (t) => {
    for (const sample of samples) {
      const promised = promises.error.includes(sample.name) ? 'error' : keeps(sample.name) ? 'kept' : 'lost'
      t.equal(becomes(sample), promised, sample.name)
    }
  })

  t.test(
    `${name}: documents of promised values survive a round trip and encode to the same bytes`,
    async (t) => {
      t.doesNotThrow(() =>
        fc.assert(
          fc.property(documents, (document) => {
            const bytes = encode(document)
            const back = decode(bytes)
            return isDeepStrictEqual(back, document) && encode(back).equals(bytes)
          }),
          { numRuns: 300 }
        )
      )
    }
  )

  t.test(`${name}: decoded values encode to the same bytes, whether kept or lost`, async (t) => {
    for (const sample of samples) {
      if (promises.error.includes(sample.name)) continue
      const bytes = encode({ value: sample.value })
      const again = encode(decode(bytes))
      t.ok(again.equals(bytes) || promises.lost.includes(sample.name), sample.name)
      t.ok(encode(decode(again)).equals(again), `${sample.name}, a second time`)
    }
  })

  t.test(`${name}: keys keep their order`, async (t) => {
    const document = { z: 1, a: { y: 1, b: 2 }, m: [{ x: 1, c: 2 }] }
    const back = decode(encode(document)) as typeof document
    t.same([back, back.a, back.m[0] ?? {}].map(Object.keys), [
      ['z', 'a', 'm'],
      ['y', 'b'],
      ['x', 'c']
    ])
  })

  t.test(`${name}: hundreds of shapes in one document`, async (t) => {
    const shapes = Array.from({ length: 600 }, (_, n) => ({
      [`key${n % 300}`]: n,
      [`other${n % 7}`]: { [`in${n}`]: n }
    }))
    t.same(decode(encode({ shapes })), { shapes })
    const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`key${n}`, n]))
    t.same(decode(encode({ wide })), { wide })
  })

  t.test(`${name}: encode() does not modify the data`, async (t) => {
    for (const { name, value } of samples) {
      if (promises.error.includes(name)) continue
      t.doesNotThrow(() => encode(deepFreeze({ value })), name)
    }
    fc.assert(
      fc.property(documents, (document) => encode(deepFreeze(document)).length > 0),
      { numRuns: 50 }
    )
  })

  t.test(`${name}: no document or failure affects the next document`, async (t) => {
    const expected = Object.values(sessions).map(encode)
    const check = () => t.ok(Object.values(sessions).every((data, n) => expected[n]?.equals(encode(data))))
    check()
    t.throws(() => encode({ deep: nest(10_000) }))
    check()
    for (const { bytes } of foreign) t.throws(() => decode(bytes))
    check()
    t.same(expected.map(decode), Object.values(sessions))
    t.equal(
      (await suffer(name, module)).find((report) => report.name === 'sample')?.hex,
      expected[2]?.toString('hex')
    )
  })

  t.test(`${name}: bytes that encode() returned do not change`, async (t) => {
    const { payload } = codec.encode(sessions.user)
    const copy = Buffer.from(payload)
    for (let n = 0; n < 200; n++) codec.encode(sessions['cart of 20'])
    t.ok(copy.equals(payload))
  })

  t.test(`${name}: truncated bytes are refused`, async (t) => {
    for (const data of [sessions.user, binary(keeps)]) {
      const bytes = encode(data)
      const accepted = [...bytes.keys()].filter(
        (length) => !isRefused(() => decode(bytes.subarray(0, length)))
      )
      t.same(accepted, [])
    }
  })

  t.test(`${name}: decoded values are no views of the given bytes`, async (t) => {
    const document = binary(keeps)
    const payload = encode(document)
    const network = Buffer.from(new ArrayBuffer(payload.length + 40))
    network.set(payload, 21)
    const back = decode(network.subarray(21, 21 + payload.length))
    t.same(back, document)
    network.fill(0)
    t.same(back, document)
    for (const value of Object.values(back)) {
      if (ArrayBuffer.isView(value)) t.not(value.buffer, network.buffer)
    }
  })

  t.test(`${name}: decoded values share nothing with other sessions or the process`, async (t) => {
    const errors = ['valueOf', 'toString', 'constructor', '__proto__', 'TypeError'].map((name) =>
      Object.assign(new Error('x', { cause: { id: 1 } }), { name })
    )
    for (const { name, value } of [...samples, { name: 'errors named like object members', value: errors }]) {
      if (isEncoded({ value, again: [value] })) {
        const bytes = encode({ value, again: [value] })
        const common = inCommon(decode(bytes), decode(bytes))
        // Node's deserializer takes memory from the pool of all Buffers.
        t.ok(common === undefined || (serializer === v8 && common instanceof ArrayBuffer), name)
      }
    }
  })

  t.test(`${name}: data of other systems is refused`, async (t) => {
    for (const { name, bytes } of [...foreign, ...othersThan(serializer)]) {
      t.ok(
        isRefused(() => decode(bytes)),
        name
      )
    }
  })

  t.test(`${name}: errors contain none of the data`, async (t) => {
    const poisons = {
      symbol: Symbol(CANARY),
      fail: () => CANARY,
      deep: nest(10_000),
      big: CANARY.repeat(LIMIT)
    }
    const secret = { text: CANARY, constructor: { name: CANARY }, list: [CANARY, { name: CANARY }] }
    for (const poison of Object.values(poisons)) {
      t.notMatch(
        textOfError(() => encode({ ...secret, secret, poison: { ...secret, poison } })),
        CANARY
      )
    }
    const bytes = encode({ text: CANARY, list: [CANARY, CANARY], more: { text: CANARY } })
    for (const [n, byte] of bytes.entries()) {
      const damaged = Buffer.from(bytes)
      damaged[n] = byte ^ 0xff
      const said = textOfError(() => decode(damaged))
      if (said.includes('canary')) t.fail(`byte ${n}: ${said}`)
    }
    t.notMatch(
      textOfError(() => decode(bytes.subarray(0, -1))),
      /canary/
    )
  })

  t.test(`${name}: hostile and damaged bytes do no harm, in bounded time and memory`, async (t) => {
    for (const { name: attack, outcome, isClean, megabytes } of await suffer(name, module)) {
      t.ok(isClean && megabytes < MEMORY, `${attack}: ${outcome}, ${Math.round(megabytes)} MB`)
    }
  })

  function isEncoded(data: Dictionary): boolean {
    try {
      return encode(data) !== undefined
    } catch {
      return false
    }
  }

  function becomes(sample: Sample): 'kept' | 'lost' | 'error' {
    let bytes: Uint8Array
    try {
      bytes = codec.encode({ value: sample.value }).payload
    } catch {
      return 'error'
    }
    return isKept(sample, decode(bytes).value) ? 'kept' : 'lost'
  }
}

/** The outcome of all attacks in a separate process. Rejects if one takes too long or ends the process. */
const sufferings = new Map<string, Promise<(Report & { hex?: string })[]>>()
function suffer(name: string, module?: URL): Promise<(Report & { hex?: string })[]> {
  const running = sufferings.get(name) ?? attack(name, module)
  sufferings.set(name, running)
  return running
}

async function attack(name: string, module?: URL): Promise<Report[]> {
  const victim = fileURLToPath(new URL('victim.js', import.meta.url))
  const child = spawn(
    process.execPath,
    [...process.execArgv, '--max-old-space-size=512', victim, name, String(module ?? '')],
    {
      // The options of a test runner are not meant for this process.
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'inherit']
    }
  )
  const exit = once(child, 'exit')
  const reports: Report[] = []
  let isLate = false
  const watchdog = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
  }, PATIENCE)
  for await (const line of createInterface(child.stdout)) {
    watchdog.refresh()
    reports.push(JSON.parse(line))
  }
  clearTimeout(watchdog)
  const [code] = await exit
  const last = reports.at(-1)?.name
  if (isLate) throw new Error(`the attack after "${last}" takes more than ${PATIENCE} ms`)
  if (code !== 0) throw new Error(`the attack after "${last}" ended the process`)
  return reports
}

function othersThan({ name }: Serializer) {
  // A JSON reader finds an object in any JSON.
  const alike = name === 'json' ? ['json', 'superjson'] : [name]
  return Object.entries(native).flatMap(([other, attacks]) => (alike.includes(other) ? [] : attacks))
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

/** Text, and binary data if the serializer keeps it. */
function binary(keeps: (value: ValueName) => boolean): Dictionary {
  const text = 'long enough to be no short string: '.repeat(4)
  return {
    text,
    ...(keeps('Buffer') && { buffer: Buffer.from('bytes of mine') }),
    ...(keeps('Uint8Array') && { array: new TextEncoder().encode('bytes of mine') }),
    ...(keeps('other typed arrays') && {
      floats: new Float64Array([1, 2, 3]),
      words: new Uint16Array([1, 2, 3])
    })
  }
}

function keys(keeps: (value: ValueName) => boolean): Arbitrary<string> {
  const refused = ['__proto__', ...(keeps('a key `constructor`') ? [] : ['constructor', 'prototype'])]
  return fc
    .oneof(
      fc.string(),
      fc.string({ unit: anyCharacter }),
      fc.constantFrom('a.b', '\\', 'length', 'json', 'toString')
    )
    .filter((key) => !refused.includes(key))
}

/** Values of all types that the serializer promises to keep. */
function values(keeps: (value: ValueName) => boolean): Arbitrary<unknown> {
  const when = <T>(value: ValueName, ...arbitraries: Arbitrary<T>[]) => (keeps(value) ? arbitraries : [])
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.string({ unit: anyCharacter }),
      fc.integer(),
      fc.maxSafeInteger(),
      fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .map((number) => (number === 0 && !keeps('-0') ? 0 : number)),
      fc.boolean(),
      fc.constant(null),
      ...when(
        'half a surrogate pair',
        fc.string({ unit: fc.integer({ min: 0xd000, max: 0xe000 }).map((code) => String.fromCharCode(code)) })
      ),
      ...when('NaN, Infinity', fc.constantFrom(Number.NaN, Infinity, -Infinity)),
      ...when('bigint', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
      ...when('bigint of more than 64 bits', fc.bigInt()),
      ...when('undefined in a list', fc.constant(undefined)),
      ...when('Date', fc.date({ noInvalidDate: true })),
      ...when('RegExp', fc.constantFrom(/./, /\//g, /[/]\\/u)),
      ...when('Uint8Array', fc.uint8Array()),
      ...when(
        'Buffer',
        fc.uint8Array().map((bytes) => Buffer.from(bytes))
      ),
      ...when('other typed arrays', fc.float64Array({ noNaN: true })),
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(keys(keeps), tie('value'), { noNullPrototype: true, maxKeys: 5 }),
      ...when(
        'Set',
        fc.array(tie('value'), { maxLength: 4 }).map((list) => new Set(list))
      ),
      ...when(
        'Map with objects as keys',
        fc.array(fc.tuple(tie('value'), tie('value')), { maxLength: 4 }).map((list) => new Map(list))
      ),
      ...when(
        'the same object twice',
        fc.array(tie('value'), { maxLength: 3 }).map((list) => [list, new Set([list]), list])
      )
    )
  }))
  return value
}

function deepFreeze<T>(value: T, seen = new Set<unknown>()): T {
  if (typeof value !== 'object' || value === null || seen.has(value) || ArrayBuffer.isView(value))
    return value
  seen.add(value)
  const inner = value instanceof Map ? [...value].flat() : value instanceof Set ? value : Object.values(value)
  for (const each of inner) deepFreeze(each, seen)
  return Object.freeze(value)
}
