// The session id: the secret in the cookie. What the database and the log see of it is the handle, derived one-way.
import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'

// 32 bytes (OWASP asks for at least 8 of entropy) in base64url; the last character carries 4 bits only.
const ID = /^[\w-]{42}[AEIMQUYcgkosw048]$/
const ID_LENGTH = 43
// The id, perhaps counter and nonce of a commit in base 36, and the signature of it all.
const SIGNED = /^(.{43}(?:\.([\da-z]{1,7})\.([\da-z]{1,7}))?)\.([\w-]{43})$/

/** A secret that signs session ids. */
export type Secret = string | Uint8Array

/** The id in a cookie. */
export interface HeldId {
  id: string
  /** It was signed with an older secret: the cookie is to be sent again. */
  outdated: boolean
  /** The last commit that the browser has seen, if its cookie tells. */
  seen: Seen | undefined
}

/** The id that a request came with. */
export interface ReceivedId extends HeldId {
  handle: string
}

/** A commit, as `Commit` of the record. */
export interface Seen {
  readonly counter: number
  readonly nonce: number
}

export function isSame(a: Seen | undefined, b: Seen | undefined): boolean {
  return a?.counter === b?.counter && a?.nonce === b?.nonce
}

export interface Received {
  ids: readonly ReceivedId[]
  next: ReceivedId | undefined
  came: boolean
}

export function newSessionId(): string {
  return randomBytes(32).toString('base64url')
}

/** The public name of the session that has this id: base64url(SHA-256(id)), 43 characters. */
export function handleOf(id: string): string {
  return hash('sha256', id, 'base64url')
}

/**
 * The value of the cookie for this id: the id, and its signature by the newest secret if there are secrets.
 * @param seen The commit that the browser is to remember, under the same signature.
 */
export function signId(id: string, secrets: readonly Secret[], seen?: Seen): string {
  const [newest] = secrets
  if (newest === undefined) return id
  const signed = seen === undefined ? id : `${id}.${seen.counter.toString(36)}.${seen.nonce.toString(36)}`
  return `${signed}.${signatureOf(signed, newest)}`
}

/** The id in the value of a cookie; `undefined` where the value is malformed or signed by none of these secrets. */
export function verifyId(value: string, secrets: readonly Secret[]): HeldId | undefined {
  const id = value.slice(0, ID_LENGTH)
  if (!ID.test(id)) return undefined
  if (secrets.length === 0) {
    return value.length === ID_LENGTH ? { id, outdated: false, seen: undefined } : undefined
  }
  const [, signed = '', counter, nonce, text = ''] = SIGNED.exec(value) ?? []
  const signature = Buffer.from(text)
  const index = secrets.findIndex((secret) => {
    const expected = Buffer.from(signatureOf(signed, secret))
    return signature.length === expected.length && timingSafeEqual(signature, expected)
  })
  if (index < 0) return undefined
  const seen =
    counter === undefined || nonce === undefined
      ? undefined
      : { counter: Number.parseInt(counter, 36), nonce: Number.parseInt(nonce, 36) }
  return { id, outdated: index > 0, seen }
}

/** How many verified cookies are remembered. */
const REMEMBERED = 10_000

/** The ids of one registration, signed with its secrets. */
export class SessionIds {
  readonly #secrets: readonly Secret[]
  // A browser sends the same cookie again and again; signature and digest would cost more than all else of a read.
  readonly #verified = new LRUCache<string, ReceivedId>({ max: REMEMBERED })

  constructor(secrets: readonly Secret[]) {
    this.#secrets = secrets
  }

  create(): string {
    return newSessionId()
  }

  handleOf(id: string): string {
    return handleOf(id)
  }

  sign(id: string, seen: Seen | undefined): string {
    return signId(id, this.#secrets, seen)
  }

  verify(value: string): ReceivedId | undefined {
    return this.#verified.get(value) ?? this.#verifyAnew(value)
  }

  #verifyAnew(value: string): ReceivedId | undefined {
    const held = verifyId(value, this.#secrets)
    if (held === undefined) return undefined
    // Of their own: a part of a text keeps all of it in memory, here the Cookie header.
    const received = { ...held, id: copyOf(held.id), handle: handleOf(held.id) }
    this.#verified.set(copyOf(value), received)
    return received
  }
}

function copyOf(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1')
}

function signatureOf(id: string, secret: Secret): string {
  return createHmac('sha256', secret).update(id).digest('base64url')
}
