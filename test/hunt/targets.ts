// The targets that a hunt feeds with inputs, and what must hold for every input.
import { Buffer } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { inCommon, sessions } from '../../contracts/values.js'
import { SessionIds } from '../../lib/cookies/session-id.js'
import { Codec } from '../../lib/data/codec.js'
import { MergeConflict, type MergeRules, mergeLive } from '../../lib/data/merge.js'
import { append, larger, sum, union } from '../../lib/data/merge-rules.js'
import { PayloadError } from '../../lib/data/payload-error.js'
import { NotARecordError, newNonce, openRecord, UnsealedRecord } from '../../lib/records/record.js'
import { serializers } from '../../serializers/index.js'
import type { Dictionary } from '../../serializers/serializer.js'
import { colliding, damaged, dataOf, LIMIT, payloadOf } from './inputs.js'
import { Random } from './random.js'

/** Runs one piece of work, whose time and memory may be measured. */
export type Step = <T>(name: string, work: () => T) => T
/** Processes one input, and returns what is wrong with the result. */
export type Target = (random: Random, step: Step) => string | undefined

const all = Object.values(serializers)
const tags = all.map(({ tag }) => tag)

export async function createTargets(): Promise<Record<string, Target>> {
  const codec = new Codec(serializers.msgpack, all, LIMIT)
  for (const tag of tags) await codec.load(tag)
  return {
    ...Object.fromEntries(
      all.map(
        ({ name, tag }) => [`decode ${name}`, (random, step) => decode(random, step, codec, tag)] as const
      )
    ),
    encode: (random, step) => encode(random, step, codec),
    record: (random, step) => record(random, step, codec),
    merge: (random, step) => merge(random, step, codec),
    cookie,
    lists: (random, step) => lists(random, step, codec)
  }
}

/** Whether the package handles this error itself or gives it to the application with a code. */
function isCoded(error: unknown): boolean {
  if (error instanceof PayloadError || error instanceof NotARecordError || error instanceof MergeConflict)
    return true
  return String((error as { code?: unknown }).code).startsWith('FST_SESSION_')
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (!isCoded(error)) throw error
    return undefined
  }
}

// Decodes twice, since many requests read a record, and stores the data again with every serializer.
function decode(random: Random, step: Step, codec: Codec, tag: number): string | undefined {
  const bytes = payloadOf(random, codec, tag)
  const data = step('decode', () => attempt(() => codec.decode(tag, bytes)))
  if (data === undefined) return undefined
  if (inCommon(data, codec.decode(tag, bytes)) !== undefined) return 'two sessions share an object'
  for (const other of all) step(`encode ${other.name}`, () => attempt(() => codec.encode(data, other.tag)))
  const written = step('encode like', () => attempt(() => codec.encodeLike(data, tag)))
  if (written !== undefined) codec.decode(written.tag, written.record.payload)
  return undefined
}

function encode(random: Random, step: Step, codec: Codec): string | undefined {
  const data = dataOf(random)
  const { name, tag } = random.pick(all)
  const stored = step(`encode ${name}`, () => attempt(() => codec.encode(data, tag)))
  // Decoding throws if it fails.
  const back = stored && step('decode', () => codec.decode(tag, stored.payload))
  const again = back && attempt(() => codec.encode(back, tag))
  if (back !== undefined && again === undefined) return 'decoded data cannot be encoded again'
  return undefined
}

const SEED = {
  tag: 3,
  permanent: false,
  lifetime: undefined,
  moved: false,
  schemaVersion: 0,
  createdAt: 0,
  counter: 1,
  earlier: [1, 2],
  touchedAt: 0
}

function record(random: Random, step: Step, codec: Codec): string | undefined {
  const payload = payloadOf(random, codec, random.pick(tags))
  const header = { ...SEED, tag: random.below(5), nonce: newNonce(), idleTimeout: 60 }
  const sealed = new UnsealedRecord(payload).seal(header)
  const bytes = damaged(random, sealed.bytes)
  const opened = step('open', () => attempt(() => openRecord(bytes)))
  if (opened !== undefined) attempt(() => codec.decode(opened.header.tag, opened.payload))
  return undefined
}

// The rule of `async` rejects: that must not end the process.
const RULES: MergeRules = {
  ...{ a: append, b: union, list: append, set: union, n: sum, '0': larger, '1': 'conflict' },
  async: (async () => Promise.reject(new Error('an asynchronous rule'))) as never
}

function merge(random: Random, step: Step, codec: Codec): string | undefined {
  const tag = random.pick(tags)
  const read = (): Dictionary => {
    const data = dataOf(random)
    const stored = attempt(() => codec.encode(data, tag)) ?? codec.encode(sessions.user, tag)
    return codec.decode(tag, stored.payload)
  }
  const base = read()
  const changed = (data: Dictionary): Dictionary => ({ ...data, ...(random.once(4) ? {} : read()) })
  const budget = codec.newBudget()
  const [mine, theirs] = [changed(base), changed(base)]
  step('merge', () => attempt(() => mergeLive(base, mine, theirs, RULES, (data) => ({ ...data }), budget)))
  return undefined
}

// Merges long lists and Sets in three different orders.
function lists(random: Random, step: Step, codec: Codec): string | undefined {
  const kind = random.below(ITEMS.length)
  const length = random.once(20) ? random.below(12_000) : random.below(100)
  const isSet = random.once(2)
  const side = (): Dictionary | undefined => {
    const all = Array.from({ length }, (_, n) => ITEMS[kind]?.(n))
    if (random.once(2)) all.reverse()
    if (random.once(2)) all.splice(random.below(length + 1), 1, ITEMS[kind]?.(length + random.below(2)))
    const key = random.pick(['a', 'b', 'c', '1'])
    return attempt(() =>
      codec.decode(3, codec.encode({ a: 1, b: 1, [key]: isSet ? new Set(all) : all }, 3).payload)
    )
  }
  const [base, mine, theirs] = [side(), side(), side()]
  if (base === undefined || mine === undefined || theirs === undefined) return undefined
  step('merge', () =>
    attempt(() => mergeLive(base, mine, theirs, RULES, (data) => ({ ...data }), codec.newBudget()))
  )
  return undefined
}

const ITEMS: readonly ((n: number) => unknown)[] = [
  (n) => n,
  (n) => `text ${n}`,
  (n) => ({ sku: n, name: `article ${n}`, price: n / 100 }),
  (n) => [[[[n]]]],
  (n) => new Date(n),
  (n) => new Set([n]),
  (n) => new Map([[{ n }, n]]),
  (n) => Buffer.from([n >> 8, n]),
  (n) => n % 10,
  (n) => colliding[n] ?? n
]

const NAME = '__Host-session'
const ids = new SessionIds(NAME, ['a secret of the hunt, which is long enough'])
const ID = `2${'A'.repeat(43)}`
const HANDLE = ids.handleOf(ID)

function cookie(random: Random, step: Step): string | undefined {
  const signed = ids.sign(ID)
  const seen = ids.signSeen(HANDLE, { counter: random.below(100), nonce: random.below(100) })
  const parts = [
    '; ',
    ';',
    '=',
    ' ',
    '"',
    ',',
    '\t',
    NAME,
    `${NAME}=`,
    `${NAME}-next=`,
    `${NAME}-seen=`,
    signed,
    ids.signNext(ID),
    ids.signOffer(ID),
    seen,
    ID,
    'a=b',
    'x'.repeat(random.once(1_000) ? 16_000 : 3)
  ]
  const text = Array.from({ length: random.below(10) }, () => random.pick(parts)).join('')
  const header = random.once(2)
    ? text
    : damaged(random, Buffer.from(`a=b; ${NAME}=${signed}; ${text}`)).toString('latin1')
  const received = step('receive', () => ids.receive(header))
  for (const [each, sign] of [
    [received?.ids[0], signed],
    [received?.ids[1], signed],
    [received?.next, received?.next?.isOffered === true ? ids.signOffer(ID) : ids.signNext(ID)]
  ] as const) {
    if (each !== undefined && (each.id !== ID || !header.includes(sign))) return 'a forged cookie is accepted'
  }
  return undefined
}

const BUILT_IN = [Object, Array, Map, Set, Error, Date, RegExp, Promise, Function, Buffer, Uint8Array, URL]

/** The state that all sessions of a process share. Two results differ if an input changed that state. */
export async function surroundings(): Promise<unknown> {
  const codec = new Codec(serializers.json, all, LIMIT)
  for (const tag of tags) await codec.load(tag)
  return {
    names: BUILT_IN.flatMap((type) => [type, type.prototype]).map(Reflect.ownKeys),
    bytes: tags.map((tag) => codec.encode(sessions['cart of 20'], tag).payload.toString('hex')),
    back: tags.map((tag) => codec.decode(tag, codec.encode(sessions.user, tag).payload))
  }
}

export const areSame = isDeepStrictEqual

/** The random choices of one input. */
export function randomOf(seed: number, target: number, input: number): Random {
  return new Random(
    Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(target + 1, 0x85ebca6b) ^ Math.imul(input + 1, 0xc2b2ae35)
  )
}
