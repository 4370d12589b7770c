// A cache that drops the least recently used entry beyond a number of entries.
import { LRUCache } from 'lru-cache'

/** Grows with its entries. The option `max` would allocate and fill arrays of that length at once. */
export function lruCache<Value extends object | number | true>(entries: number): LRUCache<string, Value> {
  return new LRUCache({ maxSize: entries, sizeCalculation: () => 1 })
}
