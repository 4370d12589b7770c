// When a session expires. The idle and the absolute deadline meet only here: the earlier one wins.
import { type Duration, type Header, newNonce } from './record.js'

/** Seconds. Browsers keep no cookie longer (RFC 6265bis, section 5.5). */
export const MAX_COOKIE_AGE = 400 * 86_400

/** How long sessions live; all in seconds. */
export interface Lifetimes {
  /** Idle timeout: how long a session may stay untouched. */
  idleTimeout: number
  /** Idle timeout of a permanent session, and the Max-Age of its cookie. */
  permanentLifetime: number
  /** Maximum lifetime, counted from creation. */
  absoluteTimeout: number | undefined
  /** Minimum time between two extensions. */
  touchAfter: number
  /** Whether use extends a permanent session. */
  rolling: boolean
}

/** When the session expires, by the clock of the process that touched it last. */
export function expiresAt(header: Header, lifetimes: Lifetimes): number {
  const idle = header.touchedAt + header.idleTimeout * 1000
  if (lifetimes.absoluteTimeout === undefined) return idle
  return Math.min(idle, header.createdAt + lifetimes.absoluteTimeout * 1000)
}

/** When the cookie of this session expires; `undefined` if it lasts until the browser closes. */
export function cookieExpiry(header: Header, lifetimes: Lifetimes): number | undefined {
  return header.permanent ? expiresAt(header, lifetimes) : undefined
}

/**
 * Milliseconds for which a store must keep this record from now on. If the idle time is negative or already over, the
 * clock of the last process differs from this one. The idle timeout then starts now.
 */
export function remaining(header: Header, lifetimes: Lifetimes, now: number): number {
  const idleTimeout = header.idleTimeout * 1000
  const idleFor = now - header.touchedAt
  const idle = idleFor >= 0 && idleFor < idleTimeout ? idleTimeout - idleFor : idleTimeout
  if (lifetimes.absoluteTimeout === undefined) return idle
  return Math.min(idle, lifetimes.absoluteTimeout * 1000 - Math.max(0, now - header.createdAt))
}

/** Whether an existing record has passed the absolute timeout. The store enforces the idle timeout by its own clock. */
export function isTooOld(header: Header, { absoluteTimeout }: Lifetimes, now: number): boolean {
  return absoluteTimeout !== undefined && now - header.createdAt >= absoluteTimeout * 1000
}

/** Seconds between two extensions. A short lifetime of the session itself needs them more often than the option says. */
export function touchAfterOf({ lifetime }: Duration, { touchAfter }: Lifetimes): number {
  return lifetime === undefined ? touchAfter : Math.min(touchAfter, lifetime / 10)
}

/** Whether use extends this session. It does, except for a permanent session without `rolling`. */
export function isExtendable({ permanent }: Duration, lifetimes: Lifetimes): boolean {
  return !permanent || lifetimes.rolling
}

/** A touch in the future comes from a clock that is ahead, so it does not show how long the session was idle. */
export function isTouchDue(header: Header, lifetimes: Lifetimes, now: number): boolean {
  return (
    isExtendable(header, lifetimes) &&
    Math.abs(now - header.touchedAt) >= touchAfterOf(header, lifetimes) * 1000
  )
}

/** The header of a session that starts now. */
export function newHeader({ permanent, lifetime }: Duration, lifetimes: Lifetimes, now: number): Header {
  return {
    tag: 0,
    permanent,
    lifetime,
    moved: false,
    schemaVersion: 0,
    createdAt: now,
    counter: 1,
    nonce: newNonce(),
    earlier: [],
    touchedAt: now,
    idleTimeout: idleTimeoutOf({ permanent, lifetime }, lifetimes)
  }
}

/** The header of the same session, used now. */
export function touched(header: Header, duration: Duration, lifetimes: Lifetimes, now: number): Header {
  const { permanent, lifetime } = duration
  return { ...header, permanent, lifetime, touchedAt: now, idleTimeout: idleTimeoutOf(duration, lifetimes) }
}

function idleTimeoutOf({ permanent, lifetime }: Duration, lifetimes: Lifetimes): number {
  return lifetime ?? (permanent ? lifetimes.permanentLifetime : lifetimes.idleTimeout)
}

export function isSameDuration(a: Duration, b: Duration): boolean {
  return a.permanent === b.permanent && a.lifetime === b.lifetime
}

/** What `mine` has changed since `base`; the rest as in `theirs`. */
export function mergeDurations(base: Duration, mine: Duration, theirs: Duration): Duration {
  return {
    permanent: mine.permanent === base.permanent ? theirs.permanent : mine.permanent,
    lifetime: mine.lifetime === base.lifetime ? theirs.lifetime : mine.lifetime
  }
}
