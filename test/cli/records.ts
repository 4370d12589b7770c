// Records that tests put into Redis themselves.
import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import { newHeader } from '../../lib/records/expiry.js'
import {
  DEFAULT_DURATION,
  type Header,
  type SessionRecord,
  UnsealedRecord
} from '../../lib/records/record.js'
import { serializers } from '../../serializers/index.js'
import type { Dictionary } from '../../serializers/serializer.js'

const DAY = 86_400
const LIFETIMES = {
  idleTimeout: DAY,
  permanentLifetime: 31 * DAY,
  absoluteTimeout: undefined,
  touchAfter: 60,
  rolling: true
}

export function newHandle(): string {
  return randomBytes(32).toString('base64url')
}

export function recordOf(payload: Uint8Array | string, header: Partial<Header> = {}): SessionRecord {
  return new UnsealedRecord(payload).seal({
    ...newHeader(DEFAULT_DURATION, LIFETIMES, Date.now()),
    tag: serializers.json.tag,
    ...header
  })
}

/** Stores a session, and returns its handle. */
export async function put(
  redis: Redis,
  data: Dictionary | Uint8Array,
  header: Partial<Header> & { left?: number; prefix?: string } = {}
): Promise<string> {
  const { left = 86_400_000, prefix = 'session:', ...rest } = header
  const handle = newHandle()
  const payload = data instanceof Uint8Array ? data : JSON.stringify(data)
  await redis.set(prefix + handle, recordOf(payload, rest).bytes, 'PX', left)
  return handle
}
