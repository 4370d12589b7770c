// Reports the changes that no commit stores, so that none is lost silently.
import { type Log, report } from '../events.js'
import type { SessionState } from './state.js'

export function reportUnsaved(log: Log, { handle }: SessionState, reason: string): void {
  report(log, 'warn', { type: 'unsaved', handle, reason }, `changes of session ${handle} are lost: ${reason}`)
}

/** Whether the draft holds something that no commit has stored. */
export function isChanged({ draft, stored }: SessionState): boolean {
  const isPermanent = stored !== undefined && stored.header.permanent !== draft.permanent
  return draft.written || draft.keep !== undefined || isPermanent
}
