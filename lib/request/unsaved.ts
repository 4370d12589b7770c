// Finds and reports changes that no commit stores: none is lost silently.
import { type Log, report } from '../events.js'
import { isModified, type PlanContext } from './plan.js'
import type { SessionState } from './state.js'

/** Whether a commit would store something. Unlike a commit it never throws: events of the response call it too. */
export function isUncommitted(state: SessionState, context: PlanContext): boolean {
  try {
    return isModified(state, context)
  } catch {
    return true
  }
}

/** Whether the draft has changed since the last commit. */
export function isChanged({ draft, stored }: SessionState): boolean {
  const isPermanent = stored !== undefined && stored.header.permanent !== draft.permanent
  return draft.written || draft.keep !== undefined || isPermanent
}

export function reportUnsaved(log: Log, { handle }: SessionState, reason: string, cure: string): void {
  report(
    log,
    'warn',
    { type: 'unsaved', handle, reason },
    `changes of session ${handle} are lost: ${reason}; ${cure}`
  )
}
