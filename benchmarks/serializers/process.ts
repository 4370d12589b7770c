// Measures all serializers with one session in a separate process, because code compiled for other shapes of data would
// change the result. The arguments say what to measure; the process sends its slices to its parent.
import { isDeepStrictEqual } from 'node:util'
import { measure } from 'mitata'
import { serializers } from '../../serializers/index.js'
import type { Serializer } from '../../serializers/serializer.js'
import type { SessionContent } from '../sessions.js'
import { measuredSessions } from './sessions.js'

/** Nanoseconds per call, slice by slice. Slices with the same index were measured one after another. */
export interface Slices {
  bytes: number
  encode: number[]
  decode: number[]
}

export type Message = 'round' | { slices: Record<string, Slices> }

/** Number of users whose sessions take turns, so that no serializer profits from the same data again. */
const USERS = 16
/** Duration of a batch of calls that are timed together. */
const BATCH_NS = 0.2e6
/** Time for V8 to optimise a function. */
const WARM_UP_MS = 70

const [, , name = '', rounds = '', sliceMs = ''] = process.argv
const session = measuredSessions[name]
if (session === undefined) throw new Error(`there is no session ${name}`)
const contents = Array.from({ length: USERS }, (_, index) => session.of(index + 1))
const subjects = await Promise.all(Object.values(serializers).map((serializer) => prepare(serializer)))
const able = subjects.filter((subject) => subject !== undefined)
const slices = Object.fromEntries(able.map(({ serializer, bytes }) => [serializer.name, emptySlices(bytes)]))

for (const subject of able) {
  warmUp(subject.encode)
  warmUp(subject.decode)
}
for (let round = 0; round < Number(rounds); round++) {
  const order = round % 2 === 0 ? able : [...able].reverse()
  for (const operation of ['encode', 'decode'] as const) {
    for (const subject of order) {
      const nanoseconds = await timeOf(subject[operation])
      slices[subject.serializer.name]?.[operation].push(nanoseconds)
    }
  }
  send('round')
}
send({ slices })

interface Subject {
  serializer: Serializer
  /** The mean of all users. */
  bytes: number
  encode(): unknown
  decode(): unknown
}

/** The calls to measure; `undefined` if the serializer does not keep this session. */
async function prepare(serializer: Serializer): Promise<Subject | undefined> {
  await serializer.load?.()
  if (!contents.every((content) => isKept(serializer, content))) return undefined
  // Copies the result, text or bytes, because the plugin copies it into a record.
  const encode = (content: SessionContent) => Buffer.from(serializer.encode(content))
  const records = contents.map(encode)
  // As in a request, the encoded data were decoded before.
  const decoded = records.map((bytes) => serializer.decode(bytes))
  let turn = 0
  return {
    serializer,
    bytes: records.reduce((sum, { length }) => sum + length, 0) / USERS,
    encode: () => encode(decoded[turn++ % USERS] as SessionContent),
    decode: () => serializer.decode(records[turn++ % USERS] as Uint8Array)
  }
}

function isKept(serializer: Serializer, content: SessionContent): boolean {
  try {
    return isDeepStrictEqual(serializer.decode(Buffer.from(serializer.encode(content))), content)
  } catch {
    return false
  }
}

function warmUp(call: () => unknown): void {
  const startedAt = performance.now()
  while (performance.now() - startedAt < WARM_UP_MS) call()
}

// The median of many short batches. Other processes, the compiler and the garbage collector lengthen only a few of
// them, so they do not change the median.
async function timeOf(call: () => unknown): Promise<number> {
  const startedAt = performance.now()
  for (let calls = 0; calls < USERS; calls++) call()
  const estimate = ((performance.now() - startedAt) * 1e6) / USERS
  const { p50 } = await measure(call, {
    // A full collection also discards compiled code.
    gc: false,
    min_cpu_time: Number(sliceMs) * 1e6,
    warmup_threshold: Number.POSITIVE_INFINITY,
    batch_threshold: Number.POSITIVE_INFINITY,
    batch_samples: Math.max(4, Math.min(4_096, Math.round(BATCH_NS / estimate / 4) * 4))
  })
  return p50
}

function emptySlices(bytes: number): Slices {
  return { bytes, encode: [], decode: [] }
}

function send(message: Message): void {
  process.send?.(message)
}
