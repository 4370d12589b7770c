// The devices of one registration, and the device of one request: whether that may use its session.
import type { Buffer } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import { type Cookie, findCookies } from '../cookies/cookie.js'
import type { Sending } from '../cookies/session-cookie.js'
import { announce } from '../events.js'
import type { DeviceBinding, DeviceResponse, Devices } from '../request/devices.js'
import type { DeviceBound } from '../session/session.js'
import { boundAtIn } from './binding.js'
import type { Tokens } from './tokens.js'

/** Milliseconds for requests on their way and clocks that differ. */
const LEEWAY = 5_000
/** Reasons for which a browser has not renewed its proof: the header `Secure-Session-Skipped`. */
const SKIPPED = /^\s*(?:unreachable|server_error|quota_exceeded)\s*;/

/** The option `deviceBound`, complete and checked. */
export interface DeviceSettings {
  readonly path: { readonly register: string; readonly refresh: string }
  readonly routePrefix: string
  /** In seconds. */
  readonly lifetime: number
  readonly registrationTimeout: number
  readonly skipTimeout: number
  readonly onMissing: 'error' | 'anonymous'
  /** Holds the proof until that expires. Browsers renew it. */
  readonly cookie: Cookie
  /** The same proof, for browsers that cannot renew it now. */
  readonly lastCookie: Cookie
}

export class BoundDevices implements Devices {
  readonly tokens: Tokens
  readonly settings: DeviceSettings
  readonly registerUrl: string
  readonly refreshUrl: string
  #hasWarned = false

  constructor(tokens: Tokens, settings: DeviceSettings) {
    this.tokens = tokens
    this.settings = settings
    this.registerUrl = settings.routePrefix + settings.path.register
    this.refreshUrl = settings.routePrefix + settings.path.refresh
  }

  get onMissing(): 'error' | 'anonymous' {
    return this.settings.onMissing
  }

  receive(headers: IncomingHttpHeaders, response: DeviceResponse): RequestDevice {
    return new RequestDevice(this, headers, response)
  }

  isOwnRoute(url: string | undefined): boolean {
    return url === this.registerUrl || url === this.refreshUrl
  }

  warnOfPlainHttp({ log }: DeviceResponse): void {
    if (this.#hasWarned) return
    this.#hasWarned = true
    log.warn(
      {},
      'a session is not bound to a device, because its login came over plain http: set trustProxy in Fastify if a proxy ' +
        'ends TLS'
    )
  }
}

export class RequestDevice implements DeviceBinding {
  readonly devices: BoundDevices
  readonly headers: IncomingHttpHeaders
  readonly #response: DeviceResponse
  #status: DeviceBound | undefined

  constructor(devices: BoundDevices, headers: IncomingHttpHeaders, response: DeviceResponse) {
    this.devices = devices
    this.headers = headers
    this.#response = response
  }

  get status(): DeviceBound | undefined {
    return this.#status
  }

  admit(handle: string, binding: Buffer | undefined): boolean {
    this.#status = binding === undefined ? undefined : this.#statusOf(handle, binding)
    if (this.#status !== 'refused') return true
    announce({ type: 'unproven', handle })
    return false
  }

  #statusOf(handle: string, binding: Buffer): DeviceBound {
    const { cookie, lastCookie, registrationTimeout, skipTimeout } = this.devices.settings
    const now = Date.now()
    if (this.#provenUntil(cookie, handle, binding) > now) return 'bound'
    // Requests that left before the answer to the registration has arrived.
    if (Math.abs(now - boundAtIn(binding)) < registrationTimeout * 1000) return 'pending'
    if (!this.#hasSkipped(handle)) return 'refused'
    // Anybody can send that header, so it only counts for a while.
    const lastUntil = this.#provenUntil(lastCookie, handle, binding)
    return lastUntil + skipTimeout * 1000 > now ? 'pending' : 'refused'
  }

  renewed(handle: string): void {
    if (!this.#response.isOpen) return
    this.clear({ maxAge: 0 })
    if (this.#response.isSecure) this.#offer(handle)
    else this.devices.warnOfPlainHttp(this.#response)
  }

  #offer(handle: string): void {
    const { registerUrl, settings, tokens } = this.devices
    const expiresAt = Date.now() + settings.registrationTimeout * 1000
    const challenge = tokens.issue('bound-register', handle, expiresAt)
    this.#response.setHeader(
      'secure-session-registration',
      `(ES256 RS256);path="${registerUrl}";challenge="${challenge}"`
    )
  }

  clear(sending: Sending): void {
    this.#status = undefined
    const { cookie, lastCookie } = this.devices.settings
    for (const each of [cookie, lastCookie]) {
      if (this.#valuesOf(each).length > 0) this.#response.setCookie(each, '', sending)
    }
  }

  /** The device has proved itself. */
  prove(handle: string, binding: Buffer): void {
    const { settings, tokens } = this.devices
    const { cookie, lastCookie, lifetime, skipTimeout } = settings
    const value = tokens.issue('bound-cookie', handle, Date.now() + lifetime * 1000 + LEEWAY, binding)
    this.#response.setCookie(cookie, value, { maxAge: lifetime })
    if (skipTimeout > 0) this.#response.setCookie(lastCookie, value, { maxAge: lifetime + skipTimeout })
    this.challenge(handle, binding)
  }

  /** Sends what the next proof must answer. Without it, the browser would send the same proof again. */
  challenge(handle: string, binding: Buffer): void {
    const { settings, tokens } = this.devices
    const expiresAt = Date.now() + settings.lifetime * 1000 + LEEWAY
    const challenge = tokens.issue('bound-refresh', handle, expiresAt, binding)
    this.#response.setHeader('secure-session-challenge', `"${challenge}";id="${tokens.idOf(handle)}"`)
  }

  #valuesOf({ name }: Cookie): readonly string[] {
    return findCookies(this.headers.cookie, name)?.id ?? []
  }

  #provenUntil(cookie: Cookie, handle: string, binding: Buffer): number {
    const { tokens } = this.devices
    const expiries = this.#valuesOf(cookie).map((value) =>
      tokens.expiryOf(value, 'bound-cookie', handle, binding)
    )
    return Math.max(0, ...expiries)
  }

  #hasSkipped(handle: string): boolean {
    const skipped = [this.headers['secure-session-skipped'] ?? []].flat().join()
    return skipped.split(',').some((each) => SKIPPED.test(each) && each.includes(handle))
  }
}
