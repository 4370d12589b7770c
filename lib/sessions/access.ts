// The way to the records outside a request.
import { isHandle, type ReceivedId } from '../cookies/session-id.js'
import { HandleError } from '../errors.js'
import { Records } from '../records/records.js'
import type { Context } from '../request/parts.js'
import { GuardedStore } from '../stores/guarded.js'

/** The records and their store, for one call: its operations together have the timeout of a request. */
export function openRecords(context: Context): { records: Records; store: GuardedStore } {
  const store = new GuardedStore(context.store, context.timeout, context.health)
  return { records: new Records(store, context), store }
}

/**
 * The name of a session whose id nobody knows.
 * @param method The method of `app.sessions` that was called.
 * @throws {HandleError} FST_SESSION_HANDLE
 */
export function receivedAs(handle: string, method: string): ReceivedId {
  if (!isHandle(handle)) throw new HandleError(method)
  return named(handle)
}

export function named(handle: string): ReceivedId {
  return { id: '', handle, outdated: false, seen: undefined }
}
