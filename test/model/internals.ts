// All that the model knows of what is inside the package: how a record looks, and where that of a cookie stands.

import { SessionIds } from '../../lib/cookies/session-id.js'
import { isTombstone as isMark, openRecord, revisionOf } from '../../lib/records/record.js'
import { serializers } from '../../serializers/index.js'
import type { Content } from './intent.js'

export { UnavailableError, UncertainError } from '../../lib/errors.js'
export { isMark, revisionOf }

const ids = new SessionIds('__Host-session', [])

/** The key of the session that this cookie, which is not signed, names. One that is only offered begins with 3. */
export function keyOf(cookie: string): string {
  return `session:${ids.handleOf(cookie.replace(/^3/, '2'))}`
}

/** What a record holds, without the prototypes and key order of the one or other serializer. */
export function contentOf(record: Uint8Array): Content {
  const { header, payload } = openRecord(record)
  const serializer = Object.values(serializers).find(({ tag }) => tag === header.tag)
  if (serializer === undefined) throw new Error('a record of an unknown serializer')
  return { data: structuredClone(serializer.decode(payload)), permanent: header.permanent }
}

/** Whether a record holds no data at all. */
export function isBare(record: Uint8Array): boolean {
  // The handle under which the session goes on, which is public, is 32 bytes.
  return [0, 32].includes(openRecord(record).payload.length)
}
