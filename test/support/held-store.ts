// A store that a test can pause: the next operation of a kind waits, before it runs or before its result.
import type { Store } from '../../lib/index.js'

type Operation = 'read' | 'create' | 'update' | 'touch' | 'destroy'

/** Resumes a paused operation. */
export type Release = () => void

interface Trap {
  operation: Operation
  where: 'before' | 'after'
  spring(release: Release): void
}

export class HeldStore {
  /** The operations so far. Tests empty the list. */
  readonly operations: Operation[] = []
  readonly store: Store
  readonly #traps: Trap[] = []

  constructor(inner: Store) {
    const around =
      <Args extends unknown[], Result>(operation: Operation, call: (...args: Args) => Promise<Result>) =>
      async (...args: Args): Promise<Result> => {
        this.operations.push(operation)
        await this.#stop(operation, 'before')
        const result = await call.apply(inner, args)
        await this.#stop(operation, 'after')
        return result
      }
    this.store = {
      read: around('read', inner.read),
      create: around('create', inner.create),
      update: around('update', inner.update),
      touch: around('touch', inner.touch),
      destroy: around('destroy', inner.destroy)
    }
  }

  /** Pauses the next operation of this kind. Resolves when it has come. */
  hold(operation: Operation, where: 'before' | 'after' = 'before'): Promise<Release> {
    return new Promise((spring) => {
      this.#traps.push({ operation, where, spring })
    })
  }

  async #stop(operation: Operation, where: 'before' | 'after'): Promise<void> {
    const index = this.#traps.findIndex((trap) => trap.operation === operation && trap.where === where)
    const [trap] = index < 0 ? [] : this.#traps.splice(index, 1)
    if (trap !== undefined) await new Promise<void>((resolve) => trap.spring(resolve))
  }
}
