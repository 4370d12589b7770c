// The part `allocations`: what the plugin allocates per request in the V8 heap, with the memory store.
import { runChild } from '../child.js'
import type { Context, Options, Part } from '../part.js'
import type { Column, Row, Table } from '../results.js'
import type { Allocated } from './process.js'

const COLUMNS: readonly Column[] = [
  { key: 'scenario', title: 'scenario', role: 'name' },
  { key: 'serializer', title: 'serializer', role: 'name' },
  { key: 'bytes', title: 'bytes', role: 'cost', digits: 0 },
  { key: 'objects', title: 'objects', role: 'cost', digits: 1 }
]

/** Counting takes as long as this many starts of a process. */
const STARTS_OF_A_COUNT = 14

export const countAllocations: Part = {
  work: (options) => ({
    seconds: 0,
    starts: serializersOf(options).length * STARTS_OF_A_COUNT,
    signIns: 0,
    requests: 0,
    orders: 0
  }),
  run: count
}

function serializersOf({ quick }: Options): string[] {
  return quick ? ['json'] : ['json', 'superjson', 'msgpack']
}

async function count({ options, progress }: Context): Promise<Table[]> {
  const serializers = serializersOf(options)
  const rows: Row[] = []
  progress.begin('Allocations', serializers.length)
  for (const serializer of serializers) {
    await runChild<Allocated>('allocations/process.ts', [serializer], (allocated) =>
      rows.push({ serializer, ...allocated })
    )
    progress.step(serializer)
  }
  progress.end()
  const title = 'Allocations of a request, less those of the same request without the plugin'
  return [{ name: 'allocations', title, columns: COLUMNS, rows }]
}
