// A store in memory that ends with its test.
import type { Test } from 'tap'
import { MemoryStore } from '../../lib/index.js'

export function memory(t: Test): MemoryStore {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  return store
}
