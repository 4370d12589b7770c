// The internals of the package that the model needs: the format of a record, and the key for a cookie.

import { SessionIds } from '../../lib/cookies/session-id.js'
import { isTombstone, openRecord, revisionOf, TOUCH } from '../../lib/records/record.js'
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
  const { permanent, lifetime } = header
  return { data: structuredClone(serializer.decode(payload)), permanent, lifetime }
}

/** When a record was last used, in epoch milliseconds, and for how many seconds it may then stay unused. */
export interface Use {
  touchedAt: number
  idleTimeout: number
}

/** Its nonce differs from commit to commit. */
export function useOf(record: Uint8Array): Use & Omit<Content, 'data'> & { nonce: number } {
  return openRecord(record).header
}

/** What a touch writes. */
export function useIn(patch: Uint8Array): Use {
  const bytes = Buffer.from(patch)
  const length = TOUCH.length - 4
  return { touchedAt: bytes.readUIntBE(0, length), idleTimeout: bytes.readUInt32BE(length) }
}

/** Whether a record holds no session data. */
export function isBare(record: Uint8Array): boolean {
  // A tombstone may hold the public handle of the new id, which is 32 bytes long.
  return [0, 32].includes(openRecord(record).payload.length)
}
