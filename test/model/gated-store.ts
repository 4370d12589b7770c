// A store whose operations wait for the scheduler twice: before they run, and before their answers arrive.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Buffer } from 'node:buffer'
import type { Outcome, Store } from '../../lib/index.js'

/** One operation, as the ledger records it. */
export type Operation =
  | { name: 'read'; key: string }
  | { name: 'create' | 'update'; key: string; record: Uint8Array; expiresAt: number }
  | { name: 'touch'; key: string; revision: Uint8Array; patch: Uint8Array; expiresAt: number }
  | { name: 'destroy'; key: string }

/** The request that calls the store. */
export interface Caller {
  perform<T>(operation: Operation, act: (store: Store) => Promise<T>): Promise<T>
}

export const caller = new AsyncLocalStorage<Caller>()

/** Passes each operation to the request that calls it. */
export class GatedStore implements Store {
  read(key: string): Promise<Buffer | undefined> {
    return perform({ name: 'read', key }, (store) => store.read(key))
  }

  create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean> {
    return perform({ name: 'create', key, record, expiresAt }, (store) =>
      store.create(key, record, expiresAt)
    )
  }

  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome> {
    return perform({ name: 'update', key, record, expiresAt }, (store) =>
      store.update(key, revision, record, expiresAt)
    )
  }

  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    return perform({ name: 'touch', key, revision, patch, expiresAt }, (store) =>
      store.touch(key, revision, patch, expiresAt)
    )
  }

  destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return perform({ name: 'destroy', key }, (store) => store.destroy(key, revision))
  }
}

function perform<T>(operation: Operation, act: (store: Store) => Promise<T>): Promise<T> {
  const current = caller.getStore()
  if (current === undefined) throw new Error('the store was called outside of a request')
  return current.perform(operation, act)
}
