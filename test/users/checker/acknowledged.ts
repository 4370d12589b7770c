// What each request has ended: the sessions whose end the store has acknowledged to it.
import { AsyncLocalStorage } from 'node:async_hooks'
import { isTombstone, type Store } from '../../../lib/index.js'

/** The response header with the handles of these sessions. */
export const ENDED = 'x-ended'

/** The keys that the current request has ended. */
export const acknowledged = new AsyncLocalStorage<Set<string>>()

export function noting(store: Store): Store {
  const { destroy, end, update } = store as Required<Store>
  const note = (key: string) => acknowledged.getStore()?.add(key)
  store.end = async (key, mark) => {
    const outcome = await end.call(store, key, mark)
    note(key)
    return outcome
  }
  store.destroy = async (key, revision) => {
    const outcome = await destroy.call(store, key, revision)
    if (!(outcome instanceof Uint8Array) || isTombstone(outcome)) note(key)
    return outcome
  }
  store.update = async (key, revision, record, expiresAt) => {
    const outcome = await update.call(store, key, revision, record, expiresAt)
    if (outcome === 'done' && isTombstone(record)) note(key)
    return outcome
  }
  return store
}
