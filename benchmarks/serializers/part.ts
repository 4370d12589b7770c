// The part `serializers`: the cost of encoding and decoding and the size of records, without a server.
import { runChild } from '../child.js'
import type { Context, Part } from '../part.js'
import type { Column, Row, Table } from '../results.js'
import { median, ratioOf, scatter } from '../statistics.js'
import type { Message, Slices } from './process.js'
import { measuredSessions } from './sessions.js'

const COLUMNS: readonly Column[] = [
  { key: 'session', title: 'session', role: 'name' },
  { key: 'serializer', title: 'serializer', role: 'name' },
  { key: 'bytes', title: 'bytes', role: 'cost', digits: 0 },
  { key: 'bytesRatio', title: 'bytes, ratio', role: 'note', digits: 2 },
  { key: 'encodeNs', title: 'encode, ns', role: 'note', digits: 0 },
  { key: 'encode', title: 'encode, ratio', role: 'cost', digits: 2 },
  { key: 'decodeNs', title: 'decode, ns', role: 'note', digits: 0 },
  { key: 'decode', title: 'decode, ratio', role: 'cost', digits: 2 },
  { key: 'base', title: 'ratio to', role: 'note' },
  { key: 'remark', title: '', role: 'note' }
]
// Measures each session in several processes, because compiled code differs more between processes than within one.
const QUICK = { processes: 1, rounds: 4, sliceMs: 4 }
const THOROUGH = { processes: 6, rounds: 8, sliceMs: 20 }
/** If the slices of the base scatter more than this, something else used the machine. */
const CALM = 0.15

/** A process takes as long as this many starts, and a round of slices of this many milliseconds as long as one. */
const STARTS_OF_A_PROCESS = 2.5
const MS_OF_A_ROUND = 40

export const measureSerializers: Part = {
  work({ quick }) {
    const { processes, rounds, sliceMs } = quick ? QUICK : THOROUGH
    const all = processes * Object.keys(measuredSessions).length
    const starts = STARTS_OF_A_PROCESS + (rounds * sliceMs) / MS_OF_A_ROUND
    return { seconds: 0, starts: all * starts, signIns: 0, requests: 0, orders: 0 }
  },
  run: measure
}

async function measure({ options, progress }: Context): Promise<Table[]> {
  const { processes, rounds, sliceMs } = options.quick ? QUICK : THOROUGH
  const names = Object.keys(measuredSessions)
  const rows: Row[] = []
  progress.begin('Serializers', names.length * processes * rounds)
  for (const name of names) {
    const measured: Record<string, Slices>[] = []
    for (let index = 0; index < processes; index++) {
      measured.push(await measureOnce(name, rounds, sliceMs, () => progress.step(name)))
    }
    rows.push(...rowsOf(name, together(measured)))
  }
  progress.end()
  return [{ name: 'serializers', title: 'Serializers alone: one call', columns: COLUMNS, rows }]
}

async function measureOnce(
  name: string,
  rounds: number,
  sliceMs: number,
  step: () => void
): Promise<Record<string, Slices>> {
  let slices: Record<string, Slices> | undefined
  const args = [name, String(rounds), String(sliceMs)]
  await runChild<Message>('serializers/process.ts', args, (message) => {
    if (message === 'round') step()
    else slices = message.slices
  })
  if (slices === undefined) throw new Error(`the session ${name} was not measured`)
  return slices
}

function together(measured: readonly Record<string, Slices>[]): Record<string, Slices> {
  const [first = {}] = measured
  return Object.fromEntries(
    Object.entries(first).map(([serializer, { bytes }]) => {
      const all = (operation: 'encode' | 'decode') =>
        measured.flatMap((slices) => slices[serializer]?.[operation] ?? [])
      return [serializer, { bytes, encode: all('encode'), decode: all('decode') }]
    })
  )
}

function rowsOf(session: string, slices: Record<string, Slices>): Row[] {
  const { base } = measuredSessions[session] as { base: string }
  const reference = slices[base]
  if (reference === undefined) throw new Error(`${base} does not keep the session ${session}`)
  const isDisturbed = scatter(reference.encode) > CALM || scatter(reference.decode) > CALM
  const rows = Object.entries(slices).map(([serializer, { bytes, encode, decode }]) => ({
    session,
    serializer,
    bytes,
    bytesRatio: bytes / reference.bytes,
    encodeNs: median(encode),
    ...ratios('encode', encode, reference.encode),
    decodeNs: median(decode),
    ...ratios('decode', decode, reference.decode),
    base,
    remark: isDisturbed ? 'disturbed' : ''
  }))
  if (base === 'json') return rows
  return [{ session, serializer: 'json', remark: 'does not keep these types' }, ...rows]
}

function ratios(key: string, slices: readonly number[], reference: readonly number[]): Row {
  if (slices === reference) return { [key]: 1 }
  const { ratio, low, high } = ratioOf(slices.map((slice, index) => slice / (reference[index] as number)))
  return { [key]: ratio, [`${key}Low`]: low, [`${key}High`]: high }
}
