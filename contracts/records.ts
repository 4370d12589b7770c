// Records, keys and revisions for tests of stores.
import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { FIRST_BYTE, REVISION, type Store, TOMBSTONE } from '../lib/stores/store.js'

export const HEADER_BYTES = 32
export const HOUR = 3_600_000

/** A time after the end of every test. */
export function later(): number {
  return Date.now() + HOUR
}

/** A key that no other test uses. */
export function newKey(): string {
  return `contract:${randomBytes(16).toString('base64url')}`
}

/** A unique revision for each number. */
export function revision(number: number): Buffer {
  const bytes = Buffer.alloc(REVISION.length, 0xa0)
  bytes.writeUInt32BE(number, REVISION.length - 4)
  return bytes
}

/** Revisions that differ from this one in a single byte: each of its bytes counts. */
export function neighboursOf(revision: Uint8Array): Buffer[] {
  return Array.from(revision, (byte, at) => {
    const other = Buffer.from(revision)
    other[at] = byte ^ 1
    return other
  })
}

/** A record with this revision. Bytes outside the revision and the payload are 0x5a. */
export function recordOf(number: number, payload: string | Uint8Array = 'payload'): Buffer {
  const record = Buffer.concat([Buffer.alloc(HEADER_BYTES, 0x5a), Buffer.from(payload)])
  revision(number).copy(record, REVISION.offset)
  return record
}

/** The same, marked as a tombstone. */
export function tombstoneOf(number: number): Buffer {
  const record = recordOf(number)
  record[0] = FIRST_BYTE
  record[TOMBSTONE.offset] = TOMBSTONE.bit
  return record
}

/** How long a record may outlive its expiry on a slow machine, in milliseconds. */
export const OVERTIME = 5_000

/** Waits until the record is gone. */
export async function gone(store: Store, key: string): Promise<void> {
  const end = Date.now() + OVERTIME
  while ((await store.read(key)) !== undefined) {
    if (Date.now() > end) throw new Error('the record should have expired, and read() still returns it')
    await sleep(5)
  }
}
