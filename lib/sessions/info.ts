// What a list shows of a session.
import type { Dictionary } from '../../serializers/serializer.js'
import { PayloadError } from '../data/codec.js'
import { UndecodableError } from '../errors.js'
import { report } from '../events.js'
import { expiresAt } from '../records/expiry.js'
import type { SessionRecord } from '../records/record.js'
import type { SessionInfo, SessionsParts } from './sessions.js'

/** @param record A living record, whose serializer is loaded. */
export function infoOf(handle: string, record: SessionRecord, parts: SessionsParts): SessionInfo {
  const { header } = record
  return {
    id: handle,
    createdAt: header.createdAt,
    lastUsedAt: header.touchedAt,
    expiresAt: expiresAt(header, parts.context.lifetimes),
    permanent: header.permanent,
    data: decode(handle, record, parts)
  }
}

// One broken record does not break the list.
function decode(
  handle: string,
  { header, payload }: SessionRecord,
  { context, log }: SessionsParts
): Dictionary {
  try {
    return context.codec.decode(header.tag, payload)
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error
    const reason = error.message
    report(
      log,
      'error',
      { type: 'undecodable', handle, reason },
      new UndecodableError(handle, reason).message
    )
    return {}
  }
}
