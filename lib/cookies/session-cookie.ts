// The session's cookies in one request and its response: what the browser holds, and what to send. The same for headers in
// their place.
import { lruCache } from '../data/lru-cache.js'
import { MAX_COOKIE_AGE } from '../records/expiry.js'
import { type Commit, isSame } from '../records/lineage.js'
import {
  type Cookie,
  type DomainBy,
  hostOnlyVariant,
  nameFor,
  PURPOSES,
  type Purpose,
  type ResponseCookie,
  withAttributes,
  withDomain
} from './cookie.js'
import type { ReceivedId, RequestCookies, SessionIds } from './session-id.js'

/** The headers of the response, as far as they concern cookies. */
export interface CookieHeaders {
  /** Whether a Set-Cookie header can still be sent. */
  readonly isOpen: boolean
  readonly memory: CookieMemory
  /** The response header in the place of the cookies, if the client uses that. */
  readonly header?: Cookie | undefined
  /** Calls the option `cookie.domain` with the request. */
  domainBy(option: DomainBy): unknown
  /** Sets a cookie. Replaces an earlier one of this response with the same name, domain and path. */
  setCookie(cookie: Cookie, value: string, sending: Sending): void
  /** Undoes setCookie(). */
  withdrawCookie(cookie: Cookie): void
}

/** How a cookie is sent. */
export interface Sending {
  /** In seconds; 0 clears the cookie, `undefined` keeps it until the browser closes. */
  maxAge: number | undefined
  /**
   * Called if shared caches may store the response, in which case it does not send the cookie. Without this callback,
   * the response sends the cookie and tells caches not to store it.
   */
  withheld?: () => void
}

/** What all requests of one registration share about cookies. */
export class CookieMemory {
  /** When the browser's cookie expires, by handle, if the session has since been extended without a new cookie. */
  readonly behind = lruCache<number>(10_000)
  /** Some response has overridden attributes, which sends the cookie again. */
  variesAttributes = false
}

interface SessionCookieOptions {
  cookie: Cookie
  ids: SessionIds
  graceAfterRegenerate: number
}

/** Lets a later response send the cookie if shared caches may store this one. */
const NOT_SENT = () => {}

export class SessionCookie {
  readonly #options: SessionCookieOptions
  readonly #headers: CookieHeaders
  #cookie: Cookie
  #received: RequestCookies | undefined
  /** The id that the browser holds, and when its cookie expires; `undefined` if that is when the browser closes. */
  #held: ReceivedId | undefined
  #heldUntil: number | undefined
  #wasPermanent = false
  /** The id came in the cookie `next`; the session cookie holds another id or none. */
  #isFollowed = false
  #isDead = false
  /** The response must send the session cookie even if the browser already holds this id. */
  #mustSend = false

  constructor(options: SessionCookieOptions, headers: CookieHeaders) {
    this.#options = options
    this.#cookie = headers.header ?? options.cookie
    this.#headers = headers
  }

  /** With the domain of this request. */
  get #attributes(): Cookie {
    const { domainBy } = this.#cookie
    if (domainBy !== undefined) this.#cookie = withDomain(this.#cookie, this.#headers.domainBy(domainBy))
    return this.#cookie
  }

  /**
   * Call it before a write that the response must tell of: then nothing is stored if no cookie can be sent.
   * @throws {OptionError} FST_SESSION_OPTION if `cookie.domain` returns something that is no domain
   */
  prepare(): void {
    if (this.isOpen) void this.#attributes
  }

  get isOpen(): boolean {
    return this.#headers.isOpen
  }

  /** Takes the cookies of the request. */
  receive(received: RequestCookies): void {
    this.#received = received
  }

  /** Selects the received id that leads to the session. */
  hold(received: ReceivedId): void {
    this.#held = received
    this.#isFollowed = this.#received?.ids.every(({ id }) => id !== received.id) ?? false
    this.#mustSend = this.#isFollowed
  }

  /** Sets when the received cookie expires; `undefined` if that is when the browser closes. */
  expires(at: number | undefined): void {
    if (this.#cookie.isHeader) return
    this.#heldUntil = at
    if (at !== undefined) this.#wasPermanent = true
  }

  /**
   * Overrides attributes for this response, which then sends the session cookie.
   * @throws {OptionError} FST_SESSION_OPTION
   */
  setAttributes(attributes: ResponseCookie): void {
    this.#cookie = withAttributes(this.#attributes, attributes)
    this.#mustSend = true
    this.#headers.memory.variesAttributes = true
  }

  /**
   * Sends the cookies that the browser does not hold yet.
   * @param expiry When the cookie expires; `undefined` if that is when the browser closes. A header does not expire.
   * @param seen The last commit, for the browser to remember.
   * @param renewAfter Seconds: a renewal extends the cookie by at least as much.
   */
  send(id: string, expiry: number | undefined, seen: Commit | undefined, renewAfter: number): void {
    if (!this.isOpen) return
    const until = this.#cookie.isHeader ? undefined : expiry
    const { ids } = this.#options
    const held = this.#held?.id === id ? this.#held : undefined
    const handle = held?.handle ?? ids.handleOf(id)
    const mustSend = this.#mustSend || (until === undefined) !== (this.#heldUntil === undefined)
    if (held === undefined) this.#replace(id, until)
    else if (mustSend) this.#put('id', ids.sign(id), maxAgeOf(until))
    else if (held.outdated || until !== undefined) this.#renew(held, until, renewAfter * 1000)
    // A separate cookie: a late response with an old commit must not restore an old id.
    const knows = held?.seen !== undefined && seen !== undefined && isSame(held.seen, seen)
    if (seen !== undefined && (this.#mustSend || !knows)) {
      this.#put('seen', ids.signSeen(handle, seen), maxAgeOf(until), NOT_SENT)
    }
    this.#held = { id, handle, outdated: false, seen }
    this.#heldUntil = until
    this.#mustSend = false
  }

  /** Offers a new id when it is uncertain whether it has replaced the one that the browser holds. */
  offer(id: string): void {
    const { ids, graceAfterRegenerate } = this.#options
    if (this.isOpen) this.#put('next', ids.signOffer(id), graceAfterRegenerate)
  }

  /** No received id leads to a session. The response clears the cookies unless it sends new ones. */
  ended(): void {
    this.#isDead = true
    this.#forget()
    if (this.isOpen) for (const purpose of this.#purposesThatCame()) this.#put(purpose, '', 0, NOT_SENT)
  }

  /** Clears the browser's cookies of the session. */
  clear(): void {
    this.#forget()
    if (!this.isOpen) return
    this.withdraw()
    for (const purpose of this.#purposesThatCame()) {
      const variant = purpose === 'id' ? hostOnlyVariant(this.#attributes) : undefined
      if (variant !== undefined) this.#headers.setCookie(variant, '', { maxAge: 0 })
      this.#put(purpose, '', 0)
    }
  }

  /** Clears a cookie of another library. */
  clearOther(name: string, domain: string | undefined, path: string): void {
    if (!this.isOpen) return
    const { domain: _, ...rest } = this.#options.cookie
    const cookie = { ...rest, ...(domain !== undefined && { domain }), name, path, partitioned: false }
    this.#headers.setCookie(cookie, '', { maxAge: 0 })
  }

  /** Drops the cookies of an earlier save(). The session is gone, and they would overwrite the cookie of its new id. */
  withdraw(): void {
    // Without its domain, no cookie was sent yet.
    if (!this.isOpen || this.#cookie.domainBy !== undefined) return
    for (const purpose of PURPOSES) this.#headers.withdrawCookie(this.#cookieFor(purpose))
  }

  #forget(): void {
    this.#held = undefined
    this.#heldUntil = undefined
  }

  #replace(id: string, until: number | undefined): void {
    const { ids, graceAfterRegenerate } = this.#options
    this.#put('id', ids.sign(id), maxAgeOf(until))
    if (this.#received === undefined) return
    const { ids: old, next, nextCame } = this.#received
    if ((old.length > 0 || next !== undefined) && this.#mayComeLate(until)) {
      this.#put('next', ids.signNext(id), graceAfterRegenerate)
    } else if (nextCame) this.#put('next', '', 0)
  }

  // Whether a late response to a request with the old id may still set or clear the session cookie.
  #mayComeLate(until: number | undefined): boolean {
    return (
      until !== undefined ||
      this.#wasPermanent ||
      this.#isDead ||
      this.#isFollowed ||
      this.#options.ids.isRotating ||
      this.#headers.memory.variesAttributes
    )
  }

  // Rarely, because each renewal could arrive late and overwrite the cookie of a new id.
  #renew({ id, handle, outdated }: ReceivedId, until: number | undefined, step: number): void {
    const { behind } = this.#headers.memory
    const heldUntil = this.#heldUntil
    // Only the cookie of a permanent session has an expiry.
    const since = heldUntil === undefined ? undefined : Math.min(behind.get(handle) ?? heldUntil, heldUntil)
    const extension = until === undefined || since === undefined ? 0 : until - since
    const fallBehind = () => {
      if (since !== undefined && extension > 0) behind.set(handle, since)
    }
    // A lifetime that became shorter needs it too.
    if (outdated || (extension !== 0 && Math.abs(extension) >= step)) {
      behind.delete(handle)
      this.#put('id', this.#options.ids.sign(id), maxAgeOf(until), fallBehind)
    } else fallBehind()
  }

  #purposesThatCame(): Purpose[] {
    const { came, nextCame, seenCame } = this.#received ?? {}
    const hasCome = { id: came, next: nextCame, seen: seenCame }
    return PURPOSES.filter((purpose) => hasCome[purpose])
  }

  #cookieFor(purpose: Purpose): Cookie {
    const cookie = this.#attributes
    return { ...cookie, name: nameFor(purpose, cookie.name) }
  }

  #put(purpose: Purpose, value: string, maxAge: number | undefined, withheld?: () => void): void {
    const sending = withheld === undefined ? { maxAge } : { maxAge, withheld }
    this.#headers.setCookie(this.#cookieFor(purpose), value, sending)
  }
}

// Rounds up: a cookie may outlive its session by a moment, but Max-Age=0 would delete it.
function maxAgeOf(until: number | undefined): number | undefined {
  if (until === undefined) return undefined
  return Math.min(Math.max(1, Math.ceil((until - Date.now()) / 1000)), MAX_COOKIE_AGE)
}
