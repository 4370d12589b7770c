// What a device sends as its proof: a JSON Web Signature (RFC 7515) by its key. "Device Bound Session Credentials", section
// "DBSC Proof JWT Syntax".
import { Buffer } from 'node:buffer'
import { createPublicKey, type KeyObject, verify } from 'node:crypto'

/** Longer than any proof with a key of `MAX_RSA_BITS`. */
const MAX_LENGTH = 4_096
const [MIN_RSA_BITS, MAX_RSA_BITS] = [2_048, 4_096]
const COMPACT = /^"?(([\w-]+)\.([\w-]+))\.([\w-]+)"?$/
const COORDINATE = /^[\w-]{43}$/
const MODULUS = /^[\w-]+$/
/** 65537. With another exponent, a signature could take long to verify. */
const EXPONENT = 'AQAB'
/** The type of key of each algorithm that we offer. */
const ALGORITHMS: Readonly<Record<string, string>> = { ES256: 'ec', RS256: 'rsa' }

export interface Proof {
  readonly algorithm: string
  /** The key of the device, as it sends that when it registers. Not checked. */
  readonly jwk: unknown
  /** The challenge that it answers. */
  readonly challenge: string
  readonly signed: string
  readonly signature: Buffer
}

/** Reads the header `Secure-Session-Response`; `undefined` if it is no proof. Verifies nothing. */
export function openProof(value: unknown): Proof | undefined {
  if (typeof value !== 'string' || value.length > MAX_LENGTH) return undefined
  const [, signed = '', header = '', payload = '', signature = ''] = COMPACT.exec(value) ?? []
  const { alg, jwk, typ } = objectIn(header)
  const { jti } = objectIn(payload)
  if (typ !== 'dbsc+jwt' || typeof jti !== 'string') return undefined
  if (typeof alg !== 'string' || !Object.hasOwn(ALGORITHMS, alg)) return undefined
  return { algorithm: alg, jwk, challenge: jti, signed, signature: Buffer.from(signature, 'base64url') }
}

/** The public key that this proof brings, in DER; `undefined` if we cannot use it. */
export function keyIn({ algorithm, jwk }: Proof): Buffer | undefined {
  if (typeof jwk !== 'object' || jwk === null || 'd' in jwk) return undefined
  const { kty, crv, x, y, n, e } = jwk as Record<string, unknown>
  const isCurve = kty === 'EC' && crv === 'P-256' && [x, y].every((each) => COORDINATE.test(String(each)))
  const isRsa = kty === 'RSA' && MODULUS.test(String(n)) && e === EXPONENT
  if (algorithm === 'ES256' ? !isCurve : !isRsa) return undefined
  try {
    // Only what was checked.
    const known = isCurve ? { kty, crv, x, y } : { kty, n, e }
    const key = createPublicKey({ key: known as Record<string, string>, format: 'jwk' })
    const { modulusLength: bits = MIN_RSA_BITS } = key.asymmetricKeyDetails ?? {}
    if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) return undefined
    return key.export({ type: 'spki', format: 'der' })
  } catch {
    // Such as a point that is not on the curve.
    return undefined
  }
}

/** Whether the key with this DER has signed the proof. */
export function isSignedBy(der: Buffer, { algorithm, signed, signature }: Proof): boolean {
  let key: KeyObject
  try {
    key = createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch {
    // Somebody else has changed the record.
    return false
  }
  // The key decides: a proof must not choose how it is verified.
  if (key.asymmetricKeyType !== ALGORITHMS[algorithm]) return false
  return verify('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }, signature)
}

function objectIn(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
