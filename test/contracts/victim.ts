// A separate process that decodes hostile bytes. It prints one line for each attack.

import { Codec } from '../../lib/data/codec.js'
import { type SerializerName, serializers } from '../../serializers/index.js'
import type { Dictionary, Serializer } from '../../serializers/serializer.js'
import { type Attack, foreign, hostile, native } from './attacks.js'
import v8 from './v8.js'
import { inCommon, sessions } from './values.js'

/** The outcome of one attack. `megabytes` is how much the process has grown since its start. */
export interface Report {
  name: string
  outcome: 'refused' | 'decoded'
  error: string | undefined
  isClean: boolean
  megabytes: number
}

type Effect = Omit<Report, 'megabytes'>

const [name = '', module = ''] = process.argv.slice(2)
const serializer: Serializer =
  module === '' ? serializers[name as SerializerName] : (await import(module)).default
const codec = new Codec(serializer, Object.values(serializers), 1_048_576)
for (const { tag } of [...Object.values(serializers), serializer]) await codec.load(tag)

for (const data of Object.values(sessions)) codec.encode(data)
const sample = Buffer.from(codec.encode(sessions['cart of 20']).payload)
const megabytes = (): number => process.resourceUsage().maxRSS / 1024
const before = megabytes()

function suffer({ name, bytes }: Attack): Effect {
  let outcome: Effect['outcome'] = 'refused'
  let error: string | undefined
  let isShared = false
  try {
    const data = codec.decode(serializer.tag, bytes)
    outcome = 'decoded'
    // Decoded data is then encoded, also with other serializers, as after a deployment.
    isShared = inCommon(data, codec.decode(serializer.tag, bytes)) !== undefined
    for (const tag of [1, 3, serializer.tag]) codec.encode({ ...data }, tag)
  } catch (cause) {
    error = `${(cause as Error).constructor.name} ${(cause as Error).message}`
  }
  return { name, outcome, error, isClean: isClean() && !isShared }
}

// Checks that neither shared objects nor the serializer have changed.
function isClean(): boolean {
  const { polluted } = globalThis as { polluted?: unknown }
  const inherited = ({} as Dictionary).polluted ?? ([] as unknown as Dictionary).polluted ?? polluted
  return inherited === undefined && sample.equals(codec.encode(codec.decode(serializer.tag, sample)).payload)
}

// A fixed seed, so the damage is always the same.
function* damaged(count: number): Generator<Attack> {
  let state = 1
  const next = (below: number): number => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    return ((state ^ (state >>> 13)) >>> 0) % below
  }
  const originals = Object.values(sessions).map((data) => Buffer.from(codec.encode(data).payload))
  const seeds = [
    ...originals,
    ...hostile.map(({ bytes }) => Buffer.from(bytes)).filter(({ length }) => length < 500)
  ]
  for (let n = 0; n < count; n++) {
    const bytes = Buffer.from(seeds[next(seeds.length)] ?? sample)
    for (let change = next(4); change >= 0; change--) bytes[next(bytes.length)] = next(256)
    yield { name: `damage ${n}`, bytes }
  }
}

// The size is a maximum, so it is enough to ask for it before a line is printed.
function print(effect: Effect, more: { hex?: string } = {}): void {
  const report: Report = { ...effect, megabytes: megabytes() - before }
  console.log(JSON.stringify({ ...report, ...more }))
}

print(suffer({ name: 'sample', bytes: sample }), { hex: sample.toString('hex') })
const others = Object.entries(native).flatMap(([name, attacks]) => (name === serializer.name ? [] : attacks))
const harmful = serializer === v8 ? [] : hostile
for (const attack of [...foreign, ...others, ...harmful]) print(suffer(attack))
let number = 0
for (const attack of damaged(serializer === v8 ? 200 : 5_000)) {
  const effect = suffer(attack)
  // Shows that the process is alive.
  if (++number % 200 === 0 || !effect.isClean) print(effect)
  if (!effect.isClean) break
}
