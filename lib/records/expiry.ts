// When a session ends. Two deadlines, idle and absolute, meet here and nowhere else: the earlier one wins.
import { type Header, newNonce } from './record.js'

/** How long sessions live; all in seconds. */
export interface Lifetimes {
  /** Idle timeout: how long a session may stay untouched. */
  idleTimeout: number
  /** Idle timeout of a permanent session, and the Max-Age of its cookie. */
  permanentLifetime: number
  /** Maximum lifetime, counted from creation. */
  absoluteTimeout: number | undefined
  /** How old the last touch must be before a request extends the session again. */
  touchAfter: number
  /** Whether use extends a permanent session. */
  rolling: boolean
}

/** The instant at which the session is over, by the clock of the process that touched it last. */
export function expiresAt(header: Header, lifetimes: Lifetimes): number {
  const idle = header.touchedAt + header.idleTimeout * 1000
  if (lifetimes.absoluteTimeout === undefined) return idle
  return Math.min(idle, header.createdAt + lifetimes.absoluteTimeout * 1000)
}

/** The instant at which the cookie of this session expires; `undefined`: when the browser closes. */
export function cookieExpiry(header: Header, lifetimes: Lifetimes): number | undefined {
  return header.permanent ? expiresAt(header, lifetimes) : undefined
}

/**
 * Milliseconds for which a store is to keep this record from now on. An idle time that is negative or already over says
 * that the clock of the last process differs from ours: then it begins now.
 */
export function remaining(header: Header, lifetimes: Lifetimes, now: number): number {
  const idleTimeout = header.idleTimeout * 1000
  const idleFor = now - header.touchedAt
  const idle = idleFor >= 0 && idleFor < idleTimeout ? idleTimeout - idleFor : idleTimeout
  if (lifetimes.absoluteTimeout === undefined) return idle
  return Math.min(idle, lifetimes.absoluteTimeout * 1000 - Math.max(0, now - header.createdAt))
}

/** Whether a record that is still there is too old. How long it may stay idle is for the store to say, by its own clock. */
export function isTooOld(header: Header, { absoluteTimeout }: Lifetimes, now: number): boolean {
  return absoluteTimeout !== undefined && now - header.createdAt >= absoluteTimeout * 1000
}

/** Whether use extends this session: always, except for a permanent one that does not roll. */
export function isExtendable(permanent: boolean, lifetimes: Lifetimes): boolean {
  return !permanent || lifetimes.rolling
}

/** A touch that lies ahead comes from a clock that is ahead. It says nothing of how long the session was idle. */
export function isTouchDue(header: Header, lifetimes: Lifetimes, now: number): boolean {
  return (
    isExtendable(header.permanent, lifetimes) &&
    Math.abs(now - header.touchedAt) >= lifetimes.touchAfter * 1000
  )
}

/** The header of a session that begins at this instant. */
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

/** The header of the same session, used at this instant. */
export function touched(header: Header, permanent: boolean, lifetimes: Lifetimes, now: number): Header {
  return { ...header, permanent, touchedAt: now, idleTimeout: idleTimeoutOf(permanent, lifetimes) }
}

function idleTimeoutOf(permanent: boolean, lifetimes: Lifetimes): number {
  return permanent ? lifetimes.permanentLifetime : lifetimes.idleTimeout
}
