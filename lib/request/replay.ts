// The seam for the part that watches ids which lead to no session.
import type { Missing } from './lookup.js'
import type { RequestParts } from './parts.js'

export interface ReplayWatch {
  /** The ids of a request lead to no session. An error fails the request. */
  notice(parts: RequestParts, found: Missing): Promise<void>
}
