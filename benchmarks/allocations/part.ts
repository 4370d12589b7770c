// The part `allocations`: what the plugin allocates per request in the V8 heap, with the memory store.
import { runChild } from '../child.js'
import type { Part } from '../part.js'
import type { Column, Row } from '../results.js'
import type { Allocated } from './process.js'

const COLUMNS: readonly Column[] = [
  { key: 'scenario', title: 'scenario', role: 'name' },
  { key: 'serializer', title: 'serializer', role: 'name' },
  { key: 'bytes', title: 'bytes', role: 'cost', digits: 0 },
  { key: 'objects', title: 'objects', role: 'cost', digits: 1 }
]

export const countAllocations: Part = async ({ options, progress }) => {
  const serializers = options.quick ? ['json'] : ['json', 'superjson', 'msgpack']
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
