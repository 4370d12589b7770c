// The session id, which is the secret in the cookie. The store and the log only see the handle, a hash of the id.
import { Buffer } from 'node:buffer'
import { createHmac, createSecretKey, hash, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'
import { lruCache } from '../data/lru-cache.js'
import { announce } from '../events.js'
import type { Commit } from '../records/lineage.js'
import { type CookieValues, findCookies, type Purpose } from './cookie.js'

// 32 bytes in base64url; OWASP asks for at least 8 bytes of entropy. The last character carries only 4 bits.
const RANDOM = '[\\w-]{42}[AEIMQUYcgkosw048]'
// The leading digit tells how handle and signature are derived. Ids of version 0.1.0 have none.
const NEW = '2'
const HANDLE = new RegExp(`^${RANDOM}$`)
const BARE = new RegExp(`^${NEW}?${RANDOM}$`)
const SIGNED = new RegExp(`^(${NEW}${RANDOM})\\.([\\w-]{43})$`)
// Version 0.1.0: the id, optionally counter and nonce of a commit in base 36, and a signature over all of it.
const SIGNED_OLD = new RegExp(`^((${RANDOM})(?:\\.([\\da-z]{1,7})\\.([\\da-z]{1,7}))?)\\.([\\w-]{43})$`)
// The cookie `next`: an id that has replaced another one, or (`OFFERED`) may have done so.
const OFFERED = '3'
const NEXT = new RegExp(`^([${NEW}${OFFERED}]${RANDOM})(?:\\.([\\w-]{43}))?$`)
// The cookie `seen`: a handle, counter and nonce of a commit, and the signature.
const SEEN = /^(([\w-]{43})\.([\da-z]{1,7})\.([\da-z]{1,7}))\.([\w-]{43})$/

/** A secret that signs session ids: a string of 32 characters or more, or as many bytes. */
export type Secret = string | Uint8Array

/** An id from a request. */
export interface ReceivedId {
  readonly id: string
  readonly handle: string
  /** An older secret signed it, or the cookie came in several versions. The response sends it again. */
  readonly outdated: boolean
  /** It may never have replaced the browser's id, so it is used only if a tombstone leads to it. */
  readonly isOffered?: boolean
  /** The last commit of this session that the browser has seen, if a cookie tells. */
  readonly seen: Commit | undefined
}

/** The session's cookies in a request. */
export interface RequestCookies {
  /** The distinct ids, in header order. There are several if other hosts or paths have set cookies of this name. */
  readonly ids: readonly ReceivedId[]
  /** The id that has just replaced them. */
  readonly next: ReceivedId | undefined
  /** Whether the request had a session cookie, valid or not. */
  readonly came: boolean
  /** The same for the other cookies. */
  readonly nextCame: boolean
  readonly seenCame: boolean
}

const NEW_LENGTH = 44
/** Half of the bytes of an id. */
const HALF = 16
/** For signatures of version 0.1.0. */
const NO_DOMAIN = Buffer.alloc(0)

/** Maximum verified cookies to remember. */
const REMEMBERED = 10_000
const ALARMS = 1_000
/** Maximum ids of one request to look up. */
const MAX_IDS = 4

/** The content of a cookie `seen`. */
interface SeenOf {
  handle: string
  seen: Commit
}

/** Creates and signs the ids of one registration, and finds them in cookies. */
export class SessionIds {
  readonly #name: string
  readonly #keys: readonly KeyObject[]
  readonly #domains: Readonly<Record<Purpose, Buffer>>
  // Browsers repeat the same cookie. Verifying it each time would cost more than the rest of a read.
  readonly #verified = lruCache<RequestCookies>(REMEMBERED)
  readonly #alarms = lruCache<true>(ALARMS)

  /**
   * @param name The name of the session cookie. Registrations with other names do not accept its ids.
   * @param secrets Newest first. Copied, so later changes to the list or a Buffer have no effect.
   */
  constructor(name: string, secrets: readonly Secret[]) {
    this.#name = name
    this.#keys = secrets.map((secret) =>
      createSecretKey(typeof secret === 'string' ? Buffer.from(secret) : secret)
    )
    this.#domains = { id: domainOf('id', name), next: domainOf('next', name), seen: domainOf('seen', name) }
  }

  /** Whether there are older secrets, in which case any response may sign its cookie again. */
  get isRotating(): boolean {
    return this.#keys.length > 1
  }

  create(): string {
    return NEW + randomBytes(32).toString('base64url')
  }

  /**
   * The id here of a session that has another one elsewhere. It follows from that under the oldest secret, which
   * processes share while they rotate secrets. Its second half shows that it was derived.
   */
  derive(origin: string): string {
    return this.#proven(this.#half('derived', origin))
  }

  /** Whether `derive` made this id. */
  isDerived(id: string): boolean {
    return id === this.#proven(Buffer.from(id.slice(1), 'base64url').subarray(0, HALF))
  }

  /** The public name of the session with this id: 43 characters of base64url. */
  handleOf(id: string): string {
    return hash('sha256', isNew(id) ? `${this.#name}\n${id}` : id, 'base64url')
  }

  /** The value of the session cookie for this id, signed with the newest secret if there is one. */
  sign(id: string): string {
    return this.#sign('id', id)
  }

  /** The value of the cookie `next` for the id that has replaced another one. */
  signNext(id: string): string {
    return this.#sign('next', id)
  }

  /** The same for an id that may not have replaced the other one. It is used only if a tombstone leads to it. */
  signOffer(id: string): string {
    return this.#sign('next', OFFERED + id.slice(1))
  }

  /** The value of the cookie `seen` for the last commit of the session with this handle. */
  signSeen(handle: string, { counter, nonce }: Commit): string {
    return this.#sign('seen', `${handle}.${counter.toString(36)}.${nonce.toString(36)}`)
  }

  /** Reads a Cookie header; `undefined` if it has no cookies of this registration. */
  receive(header: string | undefined): RequestCookies | undefined {
    const values = findCookies(header, this.#name)
    return values && this.read(values)
  }

  /** Verifies these values. */
  read({ id, next: offers, seen }: CookieValues): RequestCookies {
    const [value] = id
    // Nearly every request, so it takes no lists and Sets.
    if (value !== undefined && id.length + offers.length + seen.length === 1) return this.#verify(value)
    const commits = seen.map((value) => this.#verifySeen(value)).filter((each) => each !== undefined)
    const next = this.#distinct(offers, (value) => this.#verifyNext(value), commits)
    return {
      ids: this.#distinct(id, (value) => this.#verify(value).ids[0], commits),
      // If two are valid, it is unclear which one the browser should follow.
      next: next.length === 1 ? next[0] : undefined,
      came: id.length > 0,
      nextCame: offers.length > 0,
      seenCame: seen.length > 0
    }
  }

  /** Whether the loss of this commit has not been reported yet. A replayed cookie may claim it again and again. */
  isFirstAlarm(handle: string, seen: Commit): boolean {
    const key = `${handle}.${seen.counter}.${seen.nonce}`
    if (this.#alarms.has(key)) return false
    this.#alarms.set(key, true)
    return true
  }

  #distinct(
    values: readonly string[],
    verify: (value: string) => ReceivedId | undefined,
    commits: readonly SeenOf[]
  ): ReceivedId[] {
    const ids: ReceivedId[] = []
    for (const value of new Set(values)) {
      const received = verify(value)
      if (received === undefined) continue
      const known = ids.findIndex(({ id }) => id === received.id)
      const own = commits.filter(({ handle }) => handle === received.handle)
      const last = latest([ids[known]?.seen, received.seen, ...own.map(({ seen }) => seen)])
      if (known >= 0) ids[known] = { ...received, outdated: true, seen: last }
      else if (ids.length < MAX_IDS) ids.push(last === received.seen ? received : { ...received, seen: last })
    }
    return ids
  }

  /** The cookies of a request that has only this session cookie. */
  #verify(value: string): RequestCookies {
    const known = this.#verified.get(value)
    if (known !== undefined) return known
    const received = this.#keys.length === 0 ? this.#received(BARE.exec(value)?.[0]) : this.#openSigned(value)
    if (received === undefined) {
      const isShaped = SIGNED.test(value) || SIGNED_OLD.test(value) || BARE.test(value)
      announce({ type: 'refused', reason: isShaped ? 'signature' : 'malformed' })
      return only([])
    }
    const cookies = only([received])
    this.#verified.set(copyOf(value), cookies)
    return cookies
  }

  #openSigned(value: string): ReceivedId | undefined {
    const [, id = '', signature = ''] = SIGNED.exec(value) ?? []
    if (id !== '') return this.#received(id, this.#signer(this.#domains.id, id, signature))
    const [, signed = '', oldId, counter, nonce, oldSignature = ''] = SIGNED_OLD.exec(value) ?? []
    if (oldId === undefined) return undefined
    const seen = counter === undefined || nonce === undefined ? undefined : seenOf(counter, nonce)
    return this.#received(oldId, this.#signer(NO_DOMAIN, signed, oldSignature), seen)
  }

  #verifyNext(value: string): ReceivedId | undefined {
    const [, text = '', signature = ''] = NEXT.exec(value) ?? []
    if (text === '' || (this.#keys.length === 0) !== (signature === '')) return undefined
    const signer = this.#keys.length === 0 ? 0 : this.#signer(this.#domains.next, text, signature)
    const received = this.#received(NEW + text.slice(1), signer)
    return received && text.startsWith(OFFERED) ? { ...received, isOffered: true } : received
  }

  #verifySeen(value: string): SeenOf | undefined {
    const [, signed = '', handle = '', counter = '', nonce = '', signature = ''] = SEEN.exec(value) ?? []
    if (signed === '' || this.#signer(this.#domains.seen, signed, signature) < 0) return undefined
    return { handle, seen: seenOf(counter, nonce) }
  }

  /** @param signer The index of the secret that signed the id; less than 0 if none did. */
  #received(
    id: string | undefined,
    signer = 0,
    seen: Commit | undefined = undefined
  ): ReceivedId | undefined {
    if (id === undefined || signer < 0) return undefined
    // A copy, because a substring keeps the whole Cookie header in memory.
    return { id: copyOf(id), handle: this.handleOf(id), outdated: signer > 0, seen }
  }

  #proven(half: Buffer): string {
    return NEW + Buffer.concat([half, this.#half('proof', half)]).toString('base64url')
  }

  // 128 bits, which nobody guesses.
  #half(purpose: 'derived' | 'proof', text: string | Buffer): Buffer {
    const oldest = this.#keys.at(-1) as KeyObject
    const domain = domainOf(purpose, this.#name)
    return createHmac('sha256', oldest).update(domain).update(text).digest().subarray(0, HALF)
  }

  #sign(purpose: Purpose, text: string): string {
    const [newest] = this.#keys
    if (newest === undefined) return text
    const domain = purpose === 'id' && !isNew(text) ? NO_DOMAIN : this.#domains[purpose]
    return `${text}.${signatureOf(domain, text, newest)}`
  }

  #signer(domain: Buffer, text: string, signature: string): number {
    const given = Buffer.from(signature)
    return this.#keys.findIndex((key) => {
      const expected = Buffer.from(signatureOf(domain, text, key))
      return given.length === expected.length && timingSafeEqual(given, expected)
    })
  }
}

/** Whether this can be a handle: a SHA-256 in base64url. A session id of 0.2.0 cannot. */
export function isHandle(text: unknown): text is string {
  return typeof text === 'string' && HANDLE.test(text)
}

function only(ids: readonly ReceivedId[]): RequestCookies {
  return { ids, next: undefined, came: true, nextCame: false, seenCame: false }
}

function isNew(id: string): boolean {
  return id.length === NEW_LENGTH
}

function seenOf(counter: string, nonce: string): Commit {
  return { counter: Number.parseInt(counter, 36), nonce: Number.parseInt(nonce, 36) }
}

// One browser may send cookies of different ages. The newest tells what it has seen.
function latest(seen: readonly (Commit | undefined)[]): Commit | undefined {
  return seen.reduce((last, each) => ((each?.counter ?? -1) > (last?.counter ?? -1) ? each : last), undefined)
}

/**
 * Signed together with the text, so that a signature for one purpose is not valid for another. It starts with a byte
 * that does not occur in UTF-8, because @fastify/cookie signs any text, perhaps with the same secret.
 */
function domainOf(purpose: Purpose | 'derived' | 'proof', name: string): Buffer {
  return Buffer.concat([Buffer.from([0xff]), Buffer.from(`fastify-ioredis-session\n${purpose}\n${name}\n`)])
}

function signatureOf(domain: Buffer, text: string, key: KeyObject): string {
  return createHmac('sha256', key).update(domain).update(text).digest('base64url')
}

function copyOf(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1')
}
