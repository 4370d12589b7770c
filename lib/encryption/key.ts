// One key, and what is derived from it: a key for each purpose, so that none of them says anything about another.
import { Buffer } from 'node:buffer'
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { OptionError } from '../errors.js'

/** 32 random bytes, or their base64 or base64url. */
export type EncryptionKey = string | Uint8Array

export interface Key {
  /** Names the key in every record that it seals. It is no secret. */
  readonly id: Buffer
  /** Encrypts records. */
  readonly records: KeyObject
}

const KEY_BYTES = 32
/** So many that no two keys have the same id. */
export const ID_BYTES = 8
const ADVICE = 'use 32 random bytes, or their base64'

/**
 * @param option Its name in messages, which never show the key.
 * @throws {OptionError} FST_SESSION_OPTION
 */
export function keyOf(given: EncryptionKey, option: string): Key {
  const bytes = bytesOf(given, option)
  if (bytes.length !== KEY_BYTES) throw new OptionError(option, `has ${bytes.length} bytes: ${ADVICE}`)
  return {
    id: derive(bytes, 'key id', ID_BYTES),
    records: createSecretKey(derive(bytes, 'records', KEY_BYTES))
  }
}

function bytesOf(given: EncryptionKey, option: string): Uint8Array {
  if (given instanceof Uint8Array) return given
  if (given === undefined) {
    throw new OptionError(option, `is undefined: its environment variable is probably not set; ${ADVICE}`)
  }
  if (typeof given !== 'string' || !/^[\w+/-]*={0,2}$/.test(given)) {
    throw new OptionError(option, `is neither bytes nor base64: ${ADVICE}`)
  }
  return Buffer.from(given, 'base64')
}

// RFC 5869. The given key is random already, so it needs no salt.
function derive(key: Uint8Array, purpose: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', `fastify-ioredis-session ${purpose}`, length))
}
