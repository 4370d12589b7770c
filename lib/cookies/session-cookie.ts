// The session cookie of one request and its response, with its companions: what the browser holds, and what to send.
import { LRUCache } from 'lru-cache'
import { type Commit, isSame } from '../records/lineage.js'
import {
  type Cookie,
  hostOnlyVariant,
  nameFor,
  PURPOSES,
  type Purpose,
  type ResponseCookie,
  withAttributes
} from './cookie.js'
import type { ReceivedId, RequestCookies, SessionIds } from './session-id.js'

/** The headers of a response, as far as a cookie knows them. */
export interface CookieHeaders {
  /** Whether a Set-Cookie header can still be sent. */
  readonly isOpen: boolean
  readonly memory: CookieMemory
  /** Sets a cookie in place of the one with its name, domain and path that this response was to set. */
  setCookie(cookie: Cookie, value: string, sending: Sending): void
  /** Takes back what was set or cleared in this response. */
  withdrawCookie(cookie: Cookie): void
}

/** How a cookie is sent. */
export interface Sending {
  /** Seconds; 0 clears the cookie; `undefined`: it goes with the browser. */
  maxAge: number | undefined
  /**
   * Called if the response turns out to be one that shared caches store, so that the cookie was not sent. Without it the
   * cookie must be sent, and no cache may store the response.
   */
  withheld?: () => void
}

/** What the transactions of one registration know of each other's cookies. */
export class CookieMemory {
  /** By handle: when the browser's cookie expires, if the session has been extended since without a new cookie. */
  readonly behind = new LRUCache<string, number>({ max: 10_000 })
  /** Responses have had attributes of their own, in which case each sends the cookie again. */
  variesAttributes = false
}

/** What a session cookie needs to know of its registration. */
interface SessionCookieOptions {
  cookie: Cookie
  ids: SessionIds
  graceAfterRegenerate: number
  lifetimes: { touchAfter: number }
}

/** Browsers keep no cookie longer (RFC 6265bis, section 5.5). */
const MAX_COOKIE_AGE = 400 * 86_400
/** For a cookie that the next response sends if this one cannot. */
const NOT_SENT = () => {}

/** The session cookie of one request, and its companions. */
export class SessionCookie {
  readonly #options: SessionCookieOptions
  readonly #headers: CookieHeaders
  #cookie: Cookie
  #received: RequestCookies | undefined
  /** What the browser holds, and the instant at which that expires if it is not when the browser closes. */
  #held: ReceivedId | undefined
  #heldUntil: number | undefined
  #wasPermanent = false
  /** The id came in the companion: the session cookie holds another one, or none. */
  #isFollowed = false
  #isDead = false
  /** The session cookie is sent although the browser holds this id. */
  #mustSend = false

  constructor(options: SessionCookieOptions, headers: CookieHeaders) {
    this.#options = options
    this.#cookie = options.cookie
    this.#headers = headers
  }

  get isOpen(): boolean {
    return this.#headers.isOpen
  }

  /** What the request came with. */
  receive(received: RequestCookies): void {
    this.#received = received
  }

  /** The one of the received ids that leads to the session. */
  hold(received: ReceivedId): void {
    this.#held = received
    this.#isFollowed = this.#received?.ids.every(({ id }) => id !== received.id) ?? false
    this.#mustSend = this.#isFollowed
  }

  /** The cookie that came expires at this instant, `undefined`: with the browser. */
  expires(at: number | undefined): void {
    this.#heldUntil = at
    if (at !== undefined) this.#wasPermanent = true
  }

  /**
   * Gives the cookies attributes for this response, in which the session cookie is then sent.
   * @throws {OptionError} FST_SESSION_OPTION
   */
  setAttributes(attributes: ResponseCookie): void {
    this.#cookie = withAttributes(this.#cookie, attributes)
    this.#mustSend = true
    this.#headers.memory.variesAttributes = true
  }

  /**
   * Sends the cookies for a session with this id and end, and the commit that the browser is to remember, as far as it
   * does not hold them already.
   */
  send(id: string, until: number | undefined, seen: Commit | undefined): void {
    if (!this.isOpen) return
    const { ids } = this.#options
    const held = this.#held?.id === id ? this.#held : undefined
    const handle = held?.handle ?? ids.handleOf(id)
    const mustSend = this.#mustSend || (until === undefined) !== (this.#heldUntil === undefined)
    if (held === undefined) this.#replace(id, until)
    else if (mustSend) this.#put('id', ids.sign(id), maxAgeOf(until))
    else this.#renew(held, until)
    // A cookie of its own: a late answer with an old number must not put an old id back.
    const knows = held?.seen !== undefined && seen !== undefined && isSame(held.seen, seen)
    if (seen !== undefined && (this.#mustSend || !knows)) {
      this.#put('seen', ids.signSeen(handle, seen), maxAgeOf(until), NOT_SENT)
    }
    this.#held = { id, handle, outdated: false, seen }
    this.#heldUntil = until
    this.#mustSend = false
  }

  /** Offers an id beside the one that the browser holds, when nobody knows whether that one has been replaced by it. */
  offer(id: string): void {
    const { ids, graceAfterRegenerate } = this.#options
    if (this.isOpen) this.#put('next', ids.signOffer(id), graceAfterRegenerate)
  }

  /** The store has said that no received id leads to a session. The cookie goes, unless a session is sent after all. */
  ended(): void {
    this.#isDead = true
    this.#forget()
    if (this.isOpen) for (const purpose of this.#purposesThatCame()) this.#put(purpose, '', 0, NOT_SENT)
  }

  /** Takes from the browser what it holds of the session. */
  clear(): void {
    this.#forget()
    if (!this.isOpen) return
    this.withdraw()
    for (const purpose of this.#purposesThatCame()) {
      const variant = purpose === 'id' ? hostOnlyVariant(this.#cookie) : undefined
      if (variant !== undefined) this.#headers.setCookie(variant, '', { maxAge: 0 })
      this.#put(purpose, '', 0)
    }
  }

  /** The session is gone: what an earlier save sent would now overwrite the cookie of its new id. */
  withdraw(): void {
    if (!this.isOpen) return
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

  // Whether an answer to a request with the old id may still set or clear the cookie.
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

  // LogThrottle: each repetition could arrive late and overwrite the cookie of a new id.
  #renew({ id, handle, outdated }: ReceivedId, until: number | undefined): void {
    const { behind } = this.#headers.memory
    const { ids, lifetimes } = this.#options
    const heldUntil = this.#heldUntil
    // Only a permanent session has an end that the browser knows.
    const since = heldUntil === undefined ? undefined : Math.min(behind.get(handle) ?? heldUntil, heldUntil)
    const extension = until === undefined || since === undefined ? 0 : until - since
    const fallBehind = () => {
      if (since !== undefined && extension > 0) behind.set(handle, since)
    }
    if (outdated || (extension > 0 && extension >= lifetimes.touchAfter * 1000)) {
      behind.delete(handle)
      this.#put('id', ids.sign(id), maxAgeOf(until), fallBehind)
    } else fallBehind()
  }

  #purposesThatCame(): Purpose[] {
    const { came, nextCame, seenCame } = this.#received ?? {}
    const hasCome = { id: came, next: nextCame, seen: seenCame }
    return PURPOSES.filter((purpose) => hasCome[purpose])
  }

  #cookieFor(purpose: Purpose): Cookie {
    return { ...this.#cookie, name: nameFor(purpose, this.#cookie.name) }
  }

  #put(purpose: Purpose, value: string, maxAge: number | undefined, withheld?: () => void): void {
    const sending = withheld === undefined ? { maxAge } : { maxAge, withheld }
    this.#headers.setCookie(this.#cookieFor(purpose), value, sending)
  }
}

// Rounded up: a cookie may outlive its session by a moment, but Max-Age=0 would delete the cookie that it is sent with.
function maxAgeOf(until: number | undefined): number | undefined {
  if (until === undefined) return undefined
  return Math.min(Math.max(1, Math.ceil((until - Date.now()) / 1000)), MAX_COOKIE_AGE)
}
