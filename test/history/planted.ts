// Bugs that the tests of the checker plant into its service, to show that the checker finds them.
import { UnavailableError } from '../../lib/errors.js'
import { type Outcome, REVISION, type Store } from '../../lib/index.js'

export const BUGS = [
  'unconditional update',
  'no tombstone',
  'uncertain called unavailable',
  'sent twice'
] as const
export type Bug = (typeof BUGS)[number]

/**
 * Wraps the store. Every operation shows the bug that is planted when it starts.
 * @param planted The bug; the routes implement `'sent twice'`.
 */
export function withBugs(store: Store, planted: () => Bug | undefined): Store {
  return new Proxy(store, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name)
      if (typeof found !== 'function') return found
      const method = (...args: unknown[]) => found.apply(target, args)
      return (...args: unknown[]) => {
        const bug = planted()
        if (bug === 'unconditional update' && name === 'update') {
          return overwrite(store, ...(args as Parameters<Store['update']>))
        }
        if (bug === 'no tombstone' && name === 'update' && isTombstone(args[2] as Uint8Array)) {
          return Promise.resolve<Outcome>('done')
        }
        const answer = method(...args)
        const isHidden = bug === 'uncertain called unavailable' && answer instanceof Promise
        return isHidden ? answer.catch(callItUnavailable) : answer
      }
    }
  })
}

async function overwrite(store: Store, ...args: Parameters<Store['update']>): Promise<Outcome> {
  const [key, , record, expiresAt] = args
  for (;;) {
    const there = await store.read(key)
    if (there === undefined) return 'missing'
    const revision = there.subarray(REVISION.offset, REVISION.offset + REVISION.length)
    const outcome = await store.update(key, revision, record, expiresAt)
    if (outcome === 'done' || outcome === 'missing') return outcome
  }
}

// Tests the flag of a record without data whose session continues under a new id.
function isTombstone(record: Uint8Array): boolean {
  return record[0] === 0xf5 && ((record[3] ?? 0) & 2) !== 0
}

function callItUnavailable(error: Error & { code?: string }): never {
  throw error.code === 'FST_SESSION_UNCERTAIN' ? new UnavailableError('a write', 'a planted bug') : error
}
