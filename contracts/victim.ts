// A separate process that decodes hostile bytes with the serializer under test. For each attack it prints two lines: the
// name before, and a report after it. Arguments: the module of the serializer, its name, its tag. Standard input: attacks on
// its format, each with a name and its bytes in base64.
import { Buffer } from 'node:buffer'
import process from 'node:process'
import { json } from 'node:stream/consumers'
import { Codec } from '../lib/data/codec.js'
import { serializers } from '../serializers/index.js'
import type { Dictionary, Serializer } from '../serializers/serializer.js'
import { type Attack, foreign, foreignTo, hostile } from './attacks.js'
import { damaged, derived } from './derived-attacks.js'
import { inCommon, sessions } from './values.js'

/** The outcome of one attack. */
export interface Report {
  name: string
  outcome: 'refused' | 'decoded'
  /** What it did to the process or to other sessions. */
  harm?: string | undefined
  /** Milliseconds of CPU. */
  cpu: number
  /** By how many MB the process has grown since its start. */
  megabytes: number
  /** The bytes in hex, if they are few. */
  hex?: string | undefined
}

const LIMIT = 1_048_576
const SHOWN = 64
const DAMAGED = 5_000

const [module = '', name = '', tag = ''] = process.argv.slice(2)
const serializer = serializerIn(await import(module))
const codec = new Codec(serializer, Object.values(serializers), LIMIT)
for (const { tag } of [...Object.values(serializers), serializer]) await codec.load(tag)

const encode = (data: Dictionary): Buffer => Buffer.from(codec.encode(data).payload)
const originals = Object.values(sessions).map(encode)
const sample = encode(sessions['cart of 20'])
const megabytes = (): number => process.resourceUsage().maxRSS / 1024
const before = megabytes()

/** The serializer under test among the exports of its module, and no other one. */
function serializerIn(exports: Record<string, unknown>): Serializer {
  const all = [...Object.values(exports), ...Object.values((exports.default ?? {}) as object)]
  const found = (all as Partial<Serializer>[]).find((each) => each?.name === name && each.tag === Number(tag))
  if (found === undefined) throw new Error(`${module} exports no serializer ${name} with tag ${tag}`)
  return found as Serializer
}

function suffer({ name, bytes }: Attack): Report {
  const started = process.cpuUsage()
  let outcome: Report['outcome'] = 'refused'
  let isShared = false
  try {
    const data = codec.decode(serializer.tag, bytes)
    outcome = 'decoded'
    // Decoded data is then encoded, also with other serializers, as after a deployment.
    isShared = inCommon(data, codec.decode(serializer.tag, bytes)) !== undefined
    for (const tag of [1, 3, serializer.tag]) codec.encode({ ...data }, tag)
  } catch {}
  const { user, system } = process.cpuUsage(started)
  return {
    name,
    outcome,
    harm: isShared ? 'two sessions share an object' : harmDone(),
    cpu: Math.round((user + system) / 1000),
    megabytes: Math.round(megabytes() - before),
    hex: bytes.length > SHOWN ? undefined : Buffer.from(bytes).toString('hex')
  }
}

function harmDone(): string | undefined {
  const { polluted } = globalThis as { polluted?: unknown }
  const inherited = ({} as Dictionary).polluted ?? ([] as unknown as Dictionary).polluted ?? polluted
  if (inherited !== undefined) return 'all objects of the process have changed'
  const isSame = sample.equals(encode(codec.decode(serializer.tag, sample)))
  return isSame ? undefined : 'the next session is encoded differently'
}

function undergo(attack: Attack): void {
  console.log(JSON.stringify(attack.name))
  console.log(JSON.stringify(suffer(attack)))
}

console.log(JSON.stringify({ sample: sample.toString('hex') }))
const own = ((await json(process.stdin)) as [string, string][]).map(([name, base64]) => ({
  name,
  bytes: Buffer.from(base64, 'base64')
}))
for (const attack of [...own, ...foreign, ...foreignTo(serializer), ...hostile]) undergo(attack)
for (const attack of derived(encode)) undergo(attack)
const small = hostile.map(({ bytes }) => Buffer.from(bytes)).filter(({ length }) => length < 500)
for (const attack of damaged([...originals, ...small], DAMAGED)) undergo(attack)
