// Ends every session that the cookies of a request lead to, or the one that it was about to store.
import type { RequestCookies } from '../cookies/session-id.js'
import { ConflictError } from '../errors.js'
import { reportEnd } from '../events.js'
import { movedError } from './conflict.js'
import type { RequestParts } from './parts.js'
import type { SessionState } from './state.js'

/**
 * Resolves only when no session is left, so that the response to a logout is right.
 * @param pending The handle of a new record that may have replaced the old one.
 * @param reason What later requests with these cookies are told.
 * @throws {ConflictError} FST_SESSION_CONFLICT if a session has moved to a new id, or other requests keep changing it.
 * @throws {DetachedError} FST_SESSION_DETACHED if it is unknown which session the request has.
 */
export async function endAll(
  parts: RequestParts,
  cookies: RequestCookies | undefined,
  pending: string | undefined,
  reason: string | undefined
): Promise<void> {
  const { context, cookie, log, origin, records, state } = parts
  if (state.detached === 'moved') throw movedError(state.handle)
  const isUnknown = state.detached === 'unavailable' && !state.isInterrupted
  if (isUnknown || state.detached === 'disabled') state.refuseIfDetached('destroy')
  // This may call the application, which may read the session.
  cookie.prepare()
  const { detached, stored } = state
  // First, so that no other request continues it.
  await origin?.end(parts)
  const isStored = stored !== undefined || detached === 'undecodable'
  const { ids = [], next } = cookies ?? {}
  const handles = new Set([...ids, ...(next === undefined ? [] : [next])].map(({ handle }) => handle))
  if (isStored) handles.add(state.handle)
  if (pending !== undefined) handles.add(pending)
  for (const handle of handles) {
    const outcome = await records.end(handle, isStored ? stored?.revision : undefined, reason)
    if (outcome === 'busy') throw new ConflictError(handle, 'other requests keep changing it')
    const isMoved = outcome !== 'done' && outcome !== 'missing'
    // Another request moved it. If this request did, and the answer was lost, `pending` ends as well.
    if (isMoved && handle === state.handle && pending === undefined) throw movedError(handle)
  }
  if (!isStored) return
  state.destroyed = true
  reportEnd(log, state.handle, 'by this request')
  await context.observer?.destroyed?.(state.handle, stored, parts)
}

/** Ends a session that the end of all sessions of its user did not know. */
export async function endRevoked({ cookie, log, records, state }: RequestParts): Promise<void> {
  const { handle } = state
  if ((await records.end(handle)) === 'busy')
    throw new ConflictError(handle, 'other requests keep changing it')
  state.detach('destroyed')
  cookie.clear()
  reportEnd(log, handle, 'with all sessions of its user')
  refuseLogin(state, handle)
}

/** Without its new id, an answer of 200 would look like a login. */
export function refuseLogin({ draft: { keep } }: SessionState, handle: string): void {
  if (keep === undefined || keep === true) return
  throw new ConflictError(handle, 'it was ended while this request gave it a new id')
}
