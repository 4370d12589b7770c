// Ends a session wherever the cookies of a request lead.
import type { RequestCookies } from '../cookies/session-id.js'
import { ConflictError } from '../errors.js'
import type { Records } from '../records/records.js'
import { movedError } from './commit.js'
import type { SessionState } from './state.js'

/**
 * Until it is known that nothing is left, a response that says so would be wrong.
 * @param pending The handle of a new record that may have taken the place of the old one.
 * @returns Whether a session was stored.
 * @throws {ConflictError} FST_SESSION_CONFLICT
 */
export async function endAll(
  records: Records,
  state: SessionState,
  cookies: RequestCookies | undefined,
  pending: string | undefined
): Promise<boolean> {
  const { detached, stored } = state
  const isStored = stored !== undefined || detached === 'undecodable'
  const { ids = [], next } = cookies ?? {}
  const handles = new Set([...ids, ...(next === undefined ? [] : [next])].map(({ handle }) => handle))
  if (isStored) handles.add(state.handle)
  if (pending !== undefined) handles.add(pending)
  for (const handle of handles) {
    const outcome = await records.end(handle, isStored ? stored?.revision : undefined)
    if (outcome === 'busy') throw new ConflictError(handle, 'other requests change it all the time')
    // By another request. A move of this one, whose answer was lost, is ended with it.
    if (outcome === 'moved' && handle === state.handle && pending === undefined) throw movedError(handle)
  }
  return isStored
}
