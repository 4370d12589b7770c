// What the sessions of the benchmarks hold: small ones, as after signing in, and large ones, as of a full cart.
import { cart, keyed, login, type SessionContent } from '../sessions.js'

export const KINDS = ['login', 'cart', 'large'] as const
/** Beside those, what grows: bytes of a cart, or keys. */
export type Kind = (typeof KINDS)[number] | `cart-${number}` | `keys-${number}`

const LARGE_BYTES = 10 * 1024

/** Each user's own, so that an answer proves whose session it came from. */
export function contentOf(kind: Kind, user: number): SessionContent {
  const [name, amount] = kind.split('-')
  if (name === 'keys') return keyed(Number(amount), user)
  if (amount !== undefined) return cart(Number(amount), user)
  if (kind === 'login') return login(user)
  return kind === 'cart' ? cart(undefined, user) : cart(LARGE_BYTES, user)
}

/** What the routes read and write of it. */
export interface Data {
  userId?: number
  count?: number
  /** Another one for each request that puts it there. */
  stamp?: number
  signedInAt?: number
}

/** What `/begin` is asked for. */
export interface Begin {
  kind: Kind
  user: string
}
