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

export function withBug<Kind extends Store>(store: Kind, bug: Bug | undefined): Store {
  return bug === undefined ? store : BUGS[bug](store)
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
