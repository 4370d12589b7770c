// A store that fails when a test says so. It is a fake, since no real server loses one chosen reply.
import { UnavailableError, UncertainError } from '../../lib/errors.js'
import type { Store } from '../../lib/index.js'

type Operation = 'read' | 'create' | 'update' | 'touch' | 'destroy'

export class FailingStore {
  /**
   * The fates of the next operations, in order: `'refuse'` fails it, `'lose'` executes it and then fails, `'drop'` fails
   * as if the reply were lost, but does not execute it.
   */
  readonly plan: ('pass' | 'refuse' | 'lose' | 'drop')[] = []
  /** The operations so far. Tests empty the list. */
  readonly operations: Operation[] = []
  readonly store: Store

  constructor(inner: Store) {
    const around =
      <Args extends unknown[], Result>(operation: Operation, call: (...args: Args) => Promise<Result>) =>
      async (...args: Args): Promise<Result> => {
        this.operations.push(operation)
        const fate = this.plan.shift() ?? 'pass'
        if (fate === 'refuse') throw new UnavailableError(operation, 'a refusal')
        if (fate === 'drop') throw new UncertainError(operation, 'a lost command')
        const result = await call.apply(inner, args)
        if (fate === 'lose') throw new UncertainError(operation, 'a lost answer')
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
}
