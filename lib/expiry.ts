// When a session ends. Two deadlines, idle and absolute, meet here and nowhere else: the earlier one wins.
import { type Header, newNonce } from './record.js'

/** How long sessions live; all in seconds. */
export interface Lifetimes {
  /** How long a session may stay untouched. */
  idleTimeout: number
  /** The same for a permanent session, and the Max-Age of its cookie. */
  permanentLifetime: number
  /** How long a session lives at the most, however much it is used. */
  absoluteTimeout: number | undefined
  /** How old the last touch must be before a request extends the session again. */
  touchAfter: number
  /** Whether use extends a permanent session. */
  rolling: boolean
}

/** The instant at which the session is over. */
export function expiresAt(header: Header, lifetimes: Lifetimes): number {
  const idle = header.touchedAt + header.idleTimeout * 1000
  if (lifetimes.absoluteTimeout === undefined) return idle
  return Math.min(idle, header.createdAt + lifetimes.absoluteTimeout * 1000)
}

export function isExpired(header: Header, lifetimes: Lifetimes, now: number): boolean {
  return now >= expiresAt(header, lifetimes)
}

/** Whether use extends this session: always, but for a permanent one that does not roll. */
export function isExtendable(permanent: boolean, lifetimes: Lifetimes): boolean {
  return !permanent || lifetimes.rolling
}

export function isTouchDue(header: Header, lifetimes: Lifetimes, now: number): boolean {
  return isExtendable(header.permanent, lifetimes) && now - header.touchedAt >= lifetimes.touchAfter * 1000
}

/** The header of a session that begins at this instant. */
export function newHeader(permanent: boolean, lifetimes: Lifetimes, now: number): Header {
  return touched(
    {
      tag: 0,
      permanent,
      moved: false,
      schemaVersion: 0,
      createdAt: now,
      counter: 1,
      nonce: newNonce(),
      touchedAt: now,
      idleTimeout: 0
    },
    permanent,
    lifetimes,
    now
  )
}

/** The header of the same session, used at this instant. */
export function touched(header: Header, permanent: boolean, lifetimes: Lifetimes, now: number): Header {
  return {
    ...header,
    permanent,
    touchedAt: Math.max(now, header.touchedAt),
    idleTimeout: permanent ? lifetimes.permanentLifetime : lifetimes.idleTimeout
  }
}
