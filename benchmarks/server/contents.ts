// The contents of the sessions: small ones as after a login, and large ones that hold a full cart as one object.
import { cart, keyed, login, type SessionContent, shopper } from '../sessions.js'

export const KINDS = ['login', 'cart', 'large'] as const
/** These kinds, and growing ones: the bytes of a cart, or the number of keys. */
export type Kind = (typeof KINDS)[number] | `cart-${number}` | `keys-${number}`

const LARGE_BYTES = 10 * 1024

/** The content for a user. It differs between users, so that an answer proves whose session it came from. */
export function contentOf(kind: Kind, user: number): SessionContent {
  const [name, amount] = kind.split('-')
  if (name === 'keys') return keyed(Number(amount), user)
  if (amount !== undefined) return cart(Number(amount), user)
  if (kind === 'login') return login(user)
  return kind === 'cart' ? cart(undefined, user) : shopper(LARGE_BYTES, user)
}

/** The values that the routes read and write. */
export interface Data {
  userId?: number
  count?: number
  /** A new value for each request that writes it. */
  stamp?: number
  signedInAt?: number
  /** In large sessions. */
  cart?: Cart
}

export interface Cart {
  items: [{ quantity: number }]
}

/** The quantity of the first item in the cart, which a scenario reads and another changes. */
export function quantityOf({ cart }: Data): number {
  return cart?.items[0].quantity ?? 0
}

/** The query of `/begin`. */
export interface Begin {
  kind: Kind
  user: string
}
