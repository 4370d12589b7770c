// A store that fails when a test says so: a fake, since no real server loses one chosen answer.
import { UnavailableError, UncertainError } from '../../lib/errors.js'
import type { Store } from '../../lib/index.js'

type Operation = 'read' | 'create' | 'update' | 'touch' | 'destroy'

export class FailingStore {
  /** Each operation to come, in turn: `'refuse'` it, or let it happen and `'lose'` the answer. */
  readonly plan: ('pass' | 'refuse' | 'lose' | 'drop')[] = []
  /** What was asked for since the last look. */
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
