// The contract of stores in tap.
import type { Test } from 'tap'
import { storeContract as contractOf, type StoreContractOptions } from '../../contracts/store.js'
import type { Store } from '../../lib/stores/store.js'
import { PATIENCE } from './serializer.js'

export { later, newKey, recordOf, revision } from '../../contracts/records.js'

/** Runs the contract as subtests of this test. */
export function storeContract(t: Test, open: () => Store, options?: StoreContractOptions): void {
  for (const { name, run } of contractOf(open, { patience: PATIENCE, ...options })) t.test(name, run)
}
