// What the two routes answer at which browsers register a key, and prove that they have it.
import { attributesOn, type Cookie } from '../cookies/cookie.js'
import { lookUp } from '../request/lookup.js'
import type { RequestParts } from '../request/parts.js'
import { named } from '../sessions/access.js'
import { bind, keyOf, newBinding } from './binding.js'
import type { RequestDevice } from './devices.js'
import { isSignedBy, keyIn, openProof } from './proof.js'

export interface Answer {
  readonly status: 200 | 401 | 403
  /** Undefined for an empty body. */
  readonly body?: object
}

/** There is no such session: a browser forgets its key. */
const NO_SESSION: Answer = { status: 401 }
const REFUSED: Answer = { status: 403 }

type Parts = Pick<RequestParts, 'context' | 'records' | 'state'>

/** Binds the session to the key that the browser has just made. Only the answer to a login has the challenge for it. */
export async function register(device: RequestDevice, { records, state }: Parts): Promise<Answer> {
  const { stored, handle } = state
  if (!isOwnRequest(device)) return REFUSED
  if (stored === undefined) return NO_SESSION
  const proof = openProof(device.headers['secure-session-response'])
  const key = proof && keyIn(proof)
  if (proof === undefined || key === undefined) return REFUSED
  const now = Date.now()
  const { refreshUrl, settings, tokens } = device.devices
  if (tokens.expiryOf(proof.challenge, 'bound-register', handle) <= now) return REFUSED
  if (!isSignedBy(key, proof)) return REFUSED
  const binding = newBinding(key, now)
  // Not if it is bound already.
  if (!(await bind(records, handle, stored, binding))) return REFUSED
  device.prove(handle, binding)
  return {
    status: 200,
    body: {
      session_identifier: tokens.idOf(handle),
      refresh_url: refreshUrl,
      scope: { include_site: false },
      credentials: [
        { type: 'cookie', name: settings.cookie.name, attributes: attributesOf(settings.cookie) }
      ],
      // Otherwise a link on another site would lead here without a proof.
      allowed_refresh_initiators: ['*']
    }
  }
}

/** Renews the proof of a browser that has the key. Stores nothing. */
export async function refresh(device: RequestDevice, parts: Parts): Promise<Answer> {
  const { devices, headers } = device
  const { tokens } = devices
  if (!isOwnRequest(device)) return REFUSED
  const handle = tokens.handleOf(String(headers['sec-secure-session-id']))
  const binding = handle && (await bindingOf(handle, parts))
  if (handle === undefined || !binding) return NO_SESSION
  const proof = openProof(headers['secure-session-response'])
  const isCurrent =
    proof !== undefined && tokens.expiryOf(proof.challenge, 'bound-refresh', handle, binding) > Date.now()
  if (!isCurrent || !isSignedBy(keyOf(binding), proof)) {
    device.challenge(handle, binding)
    return REFUSED
  }
  device.prove(handle, binding)
  return { status: 200 }
}

// If a link on another site leads here, the browser first asks for a proof without the session cookie, as SameSite demands.
async function bindingOf(handle: string, { context, records, state }: Parts): Promise<Buffer | undefined> {
  if (state.stored !== undefined) return state.handle === handle ? state.stored.header.binding : undefined
  const found = await lookUp(named(handle), records, context)
  return found.state === 'living' ? found.record.header.binding : undefined
}

// Pages of other sites can neither set these headers nor leave them out.
function isOwnRequest({ headers }: RequestDevice): boolean {
  return headers['sec-fetch-site'] === 'same-origin'
}

// A browser compares them with the cookie. If they differ, it asks for a new one before every request.
function attributesOf(cookie: Cookie): string {
  const { sameSite } = attributesOn(true, cookie)
  return `Path=/; Secure; HttpOnly; SameSite=${sameSite[0]?.toUpperCase()}${sameSite.slice(1)}`
}
