// Bugs that the checker must find, planted into the store of a process.
import type { Store } from '../../../lib/index.js'
import type { SessionIndex } from '../../../lib/stores/session-index.js'

export const BUGS = {
  /** Half of the logins do not enter the index. */
  forgetful: (store: Store) =>
    withIndex(store, (index) => ({
      enter: async (key, entry) => (Math.random() < 0.5 ? 'entered' : index.enter(key, entry))
    })),
  /** What is under way when sessions are ended is stored afterwards. */
  unmarked: (store: Store) => {
    const { end } = store as Required<Store>
    store.end = (key) => end.call(store, key)
    return store
  },
  /** Ends wait for no replica. */
  hasty: (store: Store, openHasty: () => Store) => {
    const hasty = openHasty() as Required<Store>
    return Object.assign(store, { destroy: hasty.destroy.bind(hasty), end: hasty.end.bind(hasty) })
  },
  /** Of the sessions of a user, one is not ended. */
  forgiving: (store: Store) =>
    withIndex(store, (index) => ({
      revoke: async (key, keep, lifetime) => (await index.revoke(key, keep, lifetime)).slice(1)
    })),
  /** Logins do not look how many sessions there are. */
  unlimited: (store: Store) =>
    withIndex(store, (index) => ({ enter: (key, entry) => index.enter(key, { ...entry, limit: 0 }) }))
} as const

export type Bug = keyof typeof BUGS

/** @param openHasty Opens the same store, whose writes wait for no replica. */
export function withBug(store: Store, bug: Bug | undefined, openHasty: () => Store): Store {
  return bug === undefined ? store : BUGS[bug](store, openHasty)
}

function withIndex(store: Store, bug: (index: SessionIndex) => Partial<SessionIndex>): Store {
  const open = (store as Required<Store>).openIndex.bind(store)
  store.openIndex = async () => {
    const index = await open()
    const methods = ['enter', 'list', 'leave', 'revoke'] as const
    const right = Object.fromEntries(methods.map((name) => [name, index[name].bind(index)]))
    return { ...right, ...bug(index) } as SessionIndex
  }
  return store
}
