// What a list shows of a session.
import type { Dictionary } from '../../serializers/serializer.js'
import { PayloadError } from '../data/payload-error.js'
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
function decode(handle: string, record: SessionRecord, { context, log }: SessionsParts): Dictionary {
  try {
    return context.codec.open(record)
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error
    const event = { type: 'undecodable', handle, reason: error.message } as const
    report(log, 'error', event, error.refusal(handle).message)
    return {}
  }
}
