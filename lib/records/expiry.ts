// When a session expires. The idle and the absolute deadline meet only here: the earlier one wins.
import { type Header, newNonce } from './record.js'

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

/** Whether use extends this session. It does, except for a permanent session without `rolling`. */
export function isExtendable(permanent: boolean, lifetimes: Lifetimes): boolean {
  return !permanent || lifetimes.rolling
}

/** A touch in the future comes from a clock that is ahead, so it does not show how long the session was idle. */
export function isTouchDue(header: Header, lifetimes: Lifetimes, now: number): boolean {
  return (
    isExtendable(header.permanent, lifetimes) &&
    Math.abs(now - header.touchedAt) >= lifetimes.touchAfter * 1000
  )
}

/** The header of a session that starts now. */
export function newHeader(permanent: boolean, lifetimes: Lifetimes, now: number): Header {
  return {
    tag: 0,
    permanent,
    moved: false,
    schemaVersion: 0,
    createdAt: now,
    counter: 1,
    nonce: newNonce(),
    earlier: [],
    touchedAt: now,
    idleTimeout: idleTimeoutOf(permanent, lifetimes)
  }
}

/** The header of the same session, used now. */
export function touched(header: Header, permanent: boolean, lifetimes: Lifetimes, now: number): Header {
  return { ...header, permanent, touchedAt: now, idleTimeout: idleTimeoutOf(permanent, lifetimes) }
}

function idleTimeoutOf(permanent: boolean, lifetimes: Lifetimes): number {
  return permanent ? lifetimes.permanentLifetime : lifetimes.idleTimeout
}
