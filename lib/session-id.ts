// The session id: the secret in the cookie. What the database and the log see of it is the handle, derived one-way.
import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto'

// 32 bytes (OWASP asks for at least 8 of entropy) in base64url; the last character carries 4 bits only.
const ID = /^[\w-]{42}[AEIMQUYcgkosw048]$/
const ID_LENGTH = 43

/** A secret that signs session ids. */
export type Secret = string | Uint8Array

/** The id found in a cookie. */
export interface ReceivedId {
  id: string
  /** It was signed with an older secret: the cookie is to be sent again. */
  outdated: boolean
}

export function newSessionId(): string {
  return randomBytes(32).toString('base64url')
}

/** The public name of the session that has this id: base64url(SHA-256(id)), 43 characters. */
export function handleOf(id: string): string {
  return hash('sha256', id, 'base64url')
}

/** The value of the cookie for this id: the id, and its signature by the newest secret if there are secrets. */
export function signId(id: string, secrets: readonly Secret[]): string {
  const [newest] = secrets
  return newest === undefined ? id : `${id}.${signatureOf(id, newest)}`
}

/** The id in the value of a cookie; `undefined` where the value is malformed or signed by none of these secrets. */
export function verifyId(value: string, secrets: readonly Secret[]): ReceivedId | undefined {
  const id = value.slice(0, ID_LENGTH)
  if (!ID.test(id)) return undefined
  if (secrets.length === 0) return value.length === ID_LENGTH ? { id, outdated: false } : undefined
  if (value[ID_LENGTH] !== '.') return undefined
  const signature = Buffer.from(value.slice(ID_LENGTH + 1))
  const index = secrets.findIndex((secret) => {
    const expected = Buffer.from(signatureOf(id, secret))
    return signature.length === expected.length && timingSafeEqual(signature, expected)
  })
  return index < 0 ? undefined : { id, outdated: index > 0 }
}

function signatureOf(id: string, secret: Secret): string {
  return createHmac('sha256', secret).update(id).digest('base64url')
}
