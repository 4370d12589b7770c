// A store that a test can pause or fail at every operation, also those of its index: a fake around a real one, since no
// server stops at a chosen step.
import type { Store } from '../../lib/index.js'
import type { Operation } from '../../lib/stores/store.js'

type Where = 'before' | 'after'
type Release = (error?: Error) => void

const RECORDS = ['read', 'create', 'update', 'touch', 'destroy', 'end'] as const
const INDEX = ['enter', 'list', 'leave', 'revoke'] as const

export class PausedStore {
  readonly store: Store
  /** The operations so far. Tests empty the list. */
  readonly operations: Operation[] = []
  readonly #traps: { operation: Operation; where: Where; spring(release: Release): void }[] = []

  constructor(inner: Store) {
    const store = this.#wrap(inner, RECORDS)
    const opening = (inner as Required<Store>).openIndex()
    store.openIndex = async () => this.#wrap(await opening, INDEX)
    this.store = store
  }

  /** Pauses the next operation of this kind. Resolves, when it has come, with what lets it go on or fail. */
  hold(operation: Operation, where: Where): Promise<Release> {
    return new Promise((spring) => {
      this.#traps.push({ operation, where, spring })
    })
  }

  #wrap<Inner extends object>(inner: Inner, names: readonly Operation[]): Inner {
    return new Proxy(inner, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        const operation = names.find((each) => each === name)
        if (operation === undefined) return method.bind(target)
        return async (...given: unknown[]) => {
          this.operations.push(operation)
          await this.#stop(operation, 'before')
          const result = await method.apply(target, given)
          await this.#stop(operation, 'after')
          return result
        }
      },
      set: (target, name, value) => Reflect.set(target, name, value)
    })
  }

  async #stop(operation: Operation, where: Where): Promise<void> {
    const index = this.#traps.findIndex((trap) => trap.operation === operation && trap.where === where)
    const [trap] = index < 0 ? [] : this.#traps.splice(index, 1)
    if (trap === undefined) return
    const error = await new Promise<Error | undefined>((resolve) => trap.spring(resolve))
    if (error !== undefined) throw error
  }
}
