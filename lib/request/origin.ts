// The seam for sessions that come from elsewhere, such as the records of another session library.
import type { ReceivedId } from '../cookies/session-id.js'
import type { Ambiguous, Found } from './lookup.js'
import type { RequestParts } from './parts.js'

/** The other places of one registration. */
export interface Origins {
  /** What the Cookie header leads to elsewhere; `undefined` if nothing in it verifies. No I/O. */
  receive(header: string | undefined): Origin | undefined
}

/** What the cookies of one request lead to elsewhere. */
export interface Origin {
  /** The ids that these sessions have here. */
  readonly ids: readonly [ReceivedId, ...ReceivedId[]]
  /**
   * Finds the session that the request continues, and creates its record if need be.
   * @param own What our own cookies lead to.
   * @returns `undefined` if it is that.
   */
  find(parts: RequestParts, own: Found | Ambiguous): Promise<Found | undefined>
  /** Ends these sessions elsewhere, and clears their cookies. Later calls do nothing. */
  end(parts: RequestParts): Promise<void>
}
