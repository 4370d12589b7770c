// What the sessions of the benchmarks hold: small ones, as after signing in, and large ones, as of a full cart.
import { cart, login, type SessionContent } from '../sessions.js'

export const KINDS = ['login', 'cart', 'large'] as const
export type Kind = (typeof KINDS)[number]

const LARGE_BYTES = 10 * 1024

/** Each user's own, so that an answer proves whose session it came from. */
export function contentOf(kind: Kind, user: number): SessionContent {
  if (kind === 'login') return login(user)
  return kind === 'cart' ? cart(undefined, user) : cart(LARGE_BYTES, user)
}

/** What `/begin` is asked for. */
export interface Begin {
  kind: Kind
  user: string
}
