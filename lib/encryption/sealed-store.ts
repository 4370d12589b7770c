// A store around a store: sealed records below, records in the clear above. It offers what the inner store offers, except
// `copyOf`, whose copies would be sealed.
import type { Outcome, Store } from '../stores/store.js'
import type { Sealer } from './sealer.js'

export type Sealed<Inner extends Store> = Omit<Inner, 'copyOf'>

export function sealedStore<Inner extends Store>(inner: Inner, sealer: Sealer): Sealed<Inner> {
  const { end, keys, openIndex, ready, watch } = inner
  const opened = async (key: string, outcome: Outcome): Promise<Outcome> =>
    outcome instanceof Uint8Array ? sealer.open(key, outcome) : outcome
  const store: Store = {
    async read(key) {
      const bytes = await inner.read(key)
      return bytes && sealer.open(key, bytes)
    },
    async create(key, record, expiresAt) {
      return inner.create(key, await sealer.seal(key, record), expiresAt)
    },
    async update(key, revision, record, expiresAt) {
      return opened(key, await inner.update(key, revision, await sealer.seal(key, record), expiresAt))
    },
    async touch(key, revision, patch, expiresAt) {
      return opened(key, await inner.touch(key, revision, patch, expiresAt))
    },
    async destroy(key, revision) {
      return opened(key, await inner.destroy(key, revision))
    },
    ...(end && {
      async end(key, mark) {
        const sealed = mark && { ...mark, record: await sealer.seal(key, mark.record) }
        return opened(key, await end.call(inner, key, sealed))
      }
    }),
    ...(keys && { keys: (prefix) => keys.call(inner, prefix) }),
    ...(openIndex && { openIndex: () => openIndex.call(inner) }),
    ...(ready && { ready: (operation) => ready.call(inner, operation) }),
    ...(watch && { watch: (...args) => watch.apply(inner, args) })
  }
  return store as Sealed<Inner>
}
