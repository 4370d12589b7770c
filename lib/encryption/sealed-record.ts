// The bytes of a sealed record. The header stays readable and at its place, so that a store compares and patches it as ever:
//
//   offset  0  32 bytes  the header, with the flag 8
//          32   8        id of the key
//          40  12        nonce, random for every write
//          52            AES-256-GCM of what followed the header: payload and nonces of earlier commits
//              16        tag
//
// Authenticated beside that: the header before the bytes that a touch patches, and the key of the store under which the
// record stands.
import { Buffer } from 'node:buffer'
import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto'
import { HEADER_BYTES, SEALED, TOUCH } from '../records/record.js'
import { ID_BYTES, type Key } from './key.js'

const CIPHER = 'aes-256-gcm'
const NONCE_AT = HEADER_BYTES + ID_BYTES
const NONCE_BYTES = 12
const TEXT_AT = NONCE_AT + NONCE_BYTES
const TAG_BYTES = 16
/** A sealed record is so many bytes longer. */
export const SEAL_BYTES = ID_BYTES + NONCE_BYTES + TAG_BYTES

/** @param place The key of the store under which the record stands. */
export function sealRecord(record: Uint8Array, place: string, key: Key): Buffer {
  const sealed = Buffer.allocUnsafe(record.length + SEAL_BYTES)
  sealed.set(record.subarray(0, HEADER_BYTES))
  sealed[SEALED.offset] = sealed.readUInt8(SEALED.offset) | SEALED.bit
  key.id.copy(sealed, HEADER_BYTES)
  // NIST SP 800-38D, section 8.2.2. The tag has all 128 bits.
  randomFillSync(sealed, NONCE_AT, NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key.records, nonceOf(sealed), { authTagLength: TAG_BYTES })
  cipher.setAAD(contextOf(sealed, place))
  sealed.set(cipher.update(record.subarray(HEADER_BYTES)), TEXT_AT)
  cipher.final()
  sealed.set(cipher.getAuthTag(), sealed.length - TAG_BYTES)
  return sealed
}

/**
 * The record; `undefined` if it was changed, or sealed for another place.
 * @param key The one that `keyIdOf` names.
 */
export function unsealRecord(sealed: Buffer, place: string, key: Key): Buffer | undefined {
  const textEnd = sealed.length - TAG_BYTES
  const decipher = createDecipheriv(CIPHER, key.records, nonceOf(sealed), { authTagLength: TAG_BYTES })
  decipher.setAAD(contextOf(sealed, place))
  decipher.setAuthTag(sealed.subarray(textEnd))
  const text = decipher.update(sealed.subarray(TEXT_AT, textEnd))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  const record = Buffer.concat([sealed.subarray(0, HEADER_BYTES), text])
  record[SEALED.offset] = record.readUInt8(SEALED.offset) & ~SEALED.bit
  return record
}

/** The id of the key that sealed this record; `undefined` if the record is truncated. */
export function keyIdOf(sealed: Buffer): Buffer | undefined {
  if (sealed.length < TEXT_AT + TAG_BYTES) return undefined
  return sealed.subarray(HEADER_BYTES, NONCE_AT)
}

function nonceOf(sealed: Buffer): Buffer {
  return sealed.subarray(NONCE_AT, TEXT_AT)
}

function contextOf(sealed: Buffer, place: string): Buffer {
  return Buffer.concat([sealed.subarray(0, TOUCH.offset), Buffer.from(place)])
}
