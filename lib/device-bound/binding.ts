// What binds a session to a device, as its record keeps it: when that was (epoch milliseconds in 6 bytes), and the public
// key in DER.
import { Buffer } from 'node:buffer'
import {
  followed,
  NotARecordError,
  type SessionRecord,
  tryRecord,
  UnsealedRecord
} from '../records/record.js'
import type { Records } from '../records/records.js'
import { Writes } from '../request/writes.js'

const INSTANT_BYTES = 6

export function newBinding(key: Buffer, boundAt: number): Buffer {
  const instant = Buffer.alloc(INSTANT_BYTES)
  instant.writeUIntBE(boundAt, 0, INSTANT_BYTES)
  return Buffer.concat([instant, key])
}

export function boundAtIn(binding: Buffer): number {
  return Buffer.concat([binding], INSTANT_BYTES).readUIntBE(0, INSTANT_BYTES)
}

export function keyOf(binding: Buffer): Buffer {
  return binding.subarray(INSTANT_BYTES)
}

/**
 * Stores the binding beside the data of the session, which may change meanwhile.
 * @param stored The record that was read.
 * @returns Whether the session has this binding now. It does not if it has another one, or has ended or moved.
 * @throws the errors of the store, also if others keep changing the session until the request may wait no longer
 */
export async function bind(
  records: Records,
  handle: string,
  stored: SessionRecord,
  binding: Buffer
): Promise<boolean> {
  const writes = new Writes()
  let current: SessionRecord | NotARecordError = stored
  for (;;) {
    if (current instanceof NotARecordError || current.header.moved) return false
    // Also if the answer to an earlier try was lost.
    if (current.header.binding !== undefined) return current.header.binding.equals(binding)
    const { header, payload, revision } = current
    const record = new UnsealedRecord(payload).seal({ ...followed(header), binding })
    const outcome = await writes.sendUntracked(() => records.update(handle, revision, record))
    if (outcome === 'done' || outcome === 'missing') return outcome === 'done'
    current = tryRecord(outcome)
  }
}
