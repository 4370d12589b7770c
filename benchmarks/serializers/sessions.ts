// The sessions for measuring serializers, and the base of their ratios.
import { cart, login, oauth, rich, type SessionContent } from '../sessions.js'

interface Measured {
  /** The session of this user. */
  of(user: number): SessionContent
  /** The base of the ratios: JSON if it keeps the session. */
  base: 'json' | 'superjson'
}

export const measuredSessions: Readonly<Record<string, Measured>> = {
  login: { of: login, base: 'json' },
  oauth: { of: oauth, base: 'json' },
  'cart 2 KB': { of: (user) => cart(2_000, user), base: 'json' },
  'cart 10 KB': { of: (user) => cart(10_000, user), base: 'json' },
  'cart 100 KB': { of: (user) => cart(100_000, user), base: 'json' },
  'rich types': { of: rich, base: 'superjson' }
}
