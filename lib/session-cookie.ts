// The session cookie of one request and its response: what the browser holds, and when that must be sent anew.
import { type Cookie, type ResponseCookie, withAttributes } from './cookie.js'
import { type HeldId, isSame, type Received, type Seen } from './session-id.js'

/** The headers of a response, as far as a cookie knows them. */
export interface CookieHeaders {
  /** Whether a Set-Cookie header can still be sent. */
  readonly isOpen: boolean
  /**
   * @param maxAge Seconds; `undefined` for a cookie that goes with the browser.
   * @param seen The commit that the browser is to remember, if it is to.
   */
  setCookie(cookie: Cookie, id: string, maxAge: number | undefined, seen: Seen | undefined): void
  clearCookie(cookie: Cookie): void
  /** Takes back what was set or cleared in this response. */
  withdrawCookie(cookie: Cookie): void
}

export class SessionCookie {
  readonly #headers: CookieHeaders
  #cookie: Cookie
  /** What the browser holds, and the instant at which that expires if it is not when the browser closes. */
  #held: HeldId | undefined
  #heldUntil: number | undefined

  constructor({ cookie }: { cookie: Cookie }, headers: CookieHeaders) {
    this.#cookie = cookie
    this.#headers = headers
  }

  get isOpen(): boolean {
    return this.#headers.isOpen
  }

  receive({ ids }: Received): void {
    this.#held = ids[0]
  }

  offer(_id: string, _until: number | undefined): void {}

  ended(): void {}

  hold(held: HeldId): void {
    this.#held = held
  }

  /** The cookie that came expires at this instant, `undefined`: with the browser. */
  expires(at: number | undefined): void {
    this.#heldUntil = at
  }

  /**
   * Gives the cookie attributes of its own in this response, in which it is then sent.
   * @throws {OptionError} FST_SESSION_OPTION
   */
  setAttributes(attributes: ResponseCookie): void {
    this.#cookie = withAttributes(this.#cookie, attributes)
    if (this.#held !== undefined) this.#held = { ...this.#held, outdated: true }
  }

  /** Sends the cookie for a session with this id, end and last commit, if it is not what the browser holds already. */
  send(id: string, until: number | undefined, seen: Seen | undefined): void {
    if (!this.#headers.isOpen) return
    const held = this.#held
    const isKnown = held?.id === id && !held.outdated && isSame(held.seen, seen)
    if (isKnown && this.#heldUntil === until) return
    const maxAge = until === undefined ? undefined : Math.floor((until - Date.now()) / 1000)
    this.#headers.setCookie(this.#cookie, id, maxAge, seen)
    this.#held = { id, outdated: false, seen }
    this.#heldUntil = until
  }

  /** Takes the cookie from the browser, if it holds one. */
  clear(): void {
    if (this.#held === undefined || !this.#headers.isOpen) return
    this.#headers.clearCookie(this.#cookie)
    this.#held = undefined
  }

  /** The session is gone: what an earlier save sent would now overwrite the cookie of its new id. */
  withdraw(): void {
    if (this.#headers.isOpen) this.#headers.withdrawCookie(this.#cookie)
  }
}
