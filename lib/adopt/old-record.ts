// Makes a record of ours from an old one. No I/O.

import type { Dictionary } from '../../serializers/serializer.js'
import type { Codec } from '../data/codec.js'
import { PayloadError } from '../data/payload-error.js'
import { isDictionary } from '../data/weight.js'
import { TooLargeError, TooManyError } from '../errors.js'
import { type Lifetimes, newHeader } from '../records/expiry.js'
import type { SessionRecord, UnsealedRecord } from '../records/record.js'
import type { OldSession } from './adopter.js'
import type { Library } from './library.js'
import type { OldRecord } from './old-redis.js'
import { Refusal, refuseExecutable } from './refusal.js'

/**
 * @returns `undefined` if the session has expired, or holds no data.
 * @throws {Refusal}
 */
export function convert(
  { left, values }: OldRecord,
  library: Library,
  codec: Codec,
  lifetimes: Lifetimes
): SessionRecord | undefined {
  const { data, permanent, expiresAt } = open(values, library)
  if (Object.keys(data).length === 0) return undefined
  const now = Date.now()
  const idle = Math.min(left, (expiresAt ?? Number.POSITIVE_INFINITY) - now)
  if (!(idle > 0)) return undefined
  const duration = { permanent: permanent === true, lifetime: undefined }
  const header = { ...newHeader(duration, lifetimes, now), tag: codec.writer.tag }
  // As if it had last been used so long ago that the idle time that it had left there remains here.
  header.touchedAt -= Math.max(0, Math.floor(header.idleTimeout * 1000 - idle))
  const record = encode(data, codec).seal(header)
  if (codec.versions !== undefined) check(record, codec)
  return record
}

function open(values: OldRecord['values'], { adopter, maxBytes }: Library): OldSession {
  for (const value of values) refuseExecutable(value)
  if (values.reduce((sum, { length }) => sum + length, 0) > maxBytes) throw new Refusal('size')
  let session: OldSession
  try {
    session = adopter.decode(...values)
  } catch {
    throw new Refusal('format')
  }
  if (!isDictionary(session?.data) || Object.hasOwn(session.data, '__proto__')) throw new Refusal('format')
  return session
}

function check(record: SessionRecord, codec: Codec): void {
  try {
    codec.open(record)
  } catch (error) {
    throw error instanceof PayloadError ? new Refusal('schema') : error
  }
}

function encode(data: Dictionary, codec: Codec): UnsealedRecord {
  try {
    return codec.encode(data)
  } catch (error) {
    const isTooMuch = error instanceof TooLargeError || error instanceof TooManyError
    throw new Refusal(isTooMuch ? 'size' : 'format')
  }
}
