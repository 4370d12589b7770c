// The seam for the part that binds sessions to the devices of their users.
import type { Buffer } from 'node:buffer'
import type { IncomingHttpHeaders } from 'node:http'
import type { Cookie } from '../cookies/cookie.js'
import type { Sending } from '../cookies/session-cookie.js'
import type { Log } from '../events.js'
import type { DeviceBound } from '../session/session.js'

/** The devices of one registration. */
export interface Devices {
  /** What a request gets that does not come from the device of its session. */
  readonly onMissing: 'error' | 'anonymous'
  receive(headers: IncomingHttpHeaders, response: DeviceResponse): DeviceBinding
  /** Whether a device proves itself at this URL. */
  isOwnRoute(url: string | undefined): boolean
}

/** The response, as far as it concerns devices. */
export interface DeviceResponse {
  readonly log: Log
  /** Whether the request came over https. */
  readonly isSecure: boolean
  /** Whether headers can still be sent. */
  readonly isOpen: boolean
  setCookie(cookie: Cookie, value: string, sending: Sending): void
  setHeader(name: string, value: string): void
}

/** The device of one request. */
export interface DeviceBinding {
  readonly status: DeviceBound | undefined
  /** Whether the request may use this session. */
  admit(handle: string, binding: Buffer | undefined): boolean
  /** The session has this new handle, which no device is bound to. */
  renewed(handle: string): void
  /** The session has ended. */
  clear(sending: Sending): void
}
