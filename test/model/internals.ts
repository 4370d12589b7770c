// The internals of the package that the model needs: the format of a record, and the key for a cookie.

import { SessionIds } from '../../lib/cookies/session-id.js'
import { isTombstone, openRecord, revisionOf } from '../../lib/records/record.js'
import { serializers } from '../../serializers/index.js'
import type { Content } from './intent.js'

export { UnavailableError, UncertainError } from '../../lib/errors.js'
export { isTombstone, revisionOf }

const ids = new SessionIds('__Host-session', [])

/** The key of the session for this unsigned cookie. An offered id begins with 3 instead of 2. */
export function keyOf(cookie: string): string {
  return `session:${ids.handleOf(cookie.replace(/^3/, '2'))}`
}

/** The content of a record, independent of the serializer's prototypes and key order. */
export function contentOf(record: Uint8Array): Content {
  const { header, payload } = openRecord(record)
  const serializer = Object.values(serializers).find(({ tag }) => tag === header.tag)
  if (serializer === undefined) throw new Error('a record of an unknown serializer')
  return { data: structuredClone(serializer.decode(payload)), permanent: header.permanent }
}

/** Whether a record holds no session data. */
export function isBare(record: Uint8Array): boolean {
  // A tombstone may hold the public handle of the new id, which is 32 bytes long.
  return [0, 32].includes(openRecord(record).payload.length)
}
