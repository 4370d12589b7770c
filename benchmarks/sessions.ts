// The measured sessions: realistic, and the same in every run and every process.
import { Buffer } from 'node:buffer'
import { generator } from '../test/support/random.js'

export type SessionContent = Record<string, unknown>

/** A typical session with the identity of a user: exactly 150 bytes of JSON for each of them. */
export function login(user = 1): SessionContent {
  const random = generator(user)
  const content = {
    userId: 10_000 + user,
    name: `${pick(FIRST_NAMES, random)} ${pick(LAST_NAMES, random)}`,
    roles: ['customer', 'editor'],
    csrf: '',
    signedInAt: SIGNED_IN_AT + user * 1_000,
    locale: 'de-AT'
  }
  content.csrf = token(LOGIN_BYTES - jsonBytes(content), random)
  return content
}

/** Tokens and scopes of an OAuth provider, about 1,500 bytes of JSON: few values, long strings. */
export function oauth(user = 1): SessionContent {
  const random = generator(user)
  return {
    ...login(user),
    provider: 'https://login.example.org/realms/shop',
    subject: token(22, random),
    accessToken: [token(54, random), token(640, random), token(171, random)].join('.'),
    refreshToken: token(256, random),
    expiresAt: SIGNED_IN_AT + 3_600_000,
    scopes: ['openid', 'profile', 'email', 'offline_access', 'orders:read', 'orders:write', 'cart']
  }
}

/** A shopping cart: a list of objects with prices and texts. @param bytes Its exact size as JSON, at least 100. */
export function cart(bytes = 2_000, user = 1): SessionContent {
  const random = generator(user)
  const content = { userId: 10_000 + user, currency: 'EUR', items: [] as object[], note: '' }
  let missing = bytes - jsonBytes(content)
  if (missing < 0) throw new RangeError(`A cart of ${bytes} bytes has no room for a cart.`)
  while (missing > 0) {
    const item = product(content.items.length, random)
    const added = jsonBytes(item) + (content.items.length > 0 ? 1 : 0)
    if (added > missing) break
    content.items.push(item)
    missing -= added
  }
  content.note = 'please ring twice, the bell is low; '.repeat(Math.ceil(missing / 36)).slice(0, missing)
  return content
}

/** A session that holds its cart as one nested object. @param bytes Its exact size as JSON, at least 110. */
export function shopper(bytes: number, user = 1): SessionContent {
  const nested = ',"cart":{}'.length - ','.length
  const { userId, ...rest } = cart(bytes - nested, user)
  return { userId, cart: rest }
}

/** Values that JSON does not support, about 340 bytes of msgpack: Date, Map, Set, bigint, binary data. */
export function rich(user = 1): SessionContent {
  const random = generator(user)
  const day = 86_400_000
  return {
    userId: 10_000 + user,
    signedInAt: new Date(SIGNED_IN_AT),
    secondFactorAt: new Date(SIGNED_IN_AT + 20_000),
    balance: 9_007_199_254_740_993n + BigInt(user),
    deviceKey: Uint8Array.from({ length: 32 }, () => Math.floor(random() * 256)),
    permissions: new Set(['orders:read', 'orders:write', 'invoices:read', 'profile:write']),
    seen: new Map(
      Array.from({ length: 8 }, (_, index) => [
        `article-${1_000 + Math.floor(random() * 9_000)}`,
        new Date(SIGNED_IN_AT - index * day)
      ])
    )
  }
}

/** A session with this number of keys, each with a small value. */
export function keyed(keys: number, user = 1): SessionContent {
  const random = generator(user)
  const content: SessionContent = { userId: 10_000 + user }
  for (let index = 1; index < keys; index++) content[`setting${index}`] = token(12, random)
  return content
}

/** The size of a session as JSON in bytes. */
export function jsonBytes(content: object): number {
  return Buffer.byteLength(JSON.stringify(content))
}

const LOGIN_BYTES = 150
const SIGNED_IN_AT = Date.UTC(2026, 10, 5, 12)
const FIRST_NAMES = ['Anna', 'Björn', 'Chloé', 'Dmitri', 'Elif', 'François', 'Grace', 'Hana']
const LAST_NAMES = ['Müller', 'Nováková', 'Okafor', 'Papadopoulos', 'Quinn', 'Rossi', 'Sørensen', 'Tanaka']
const GOODS = ['Coffee grinder', 'Linen shirt', 'Crème brûlée set', 'Desk lamp', 'Käsereibe', 'Rain jacket']
const TEXTS = [
  'Burr mill of hardened steel, eighteen settings, quiet enough for the morning.',
  'Woven in small series, washed once, cut wide at the shoulders.',
  'Für sechs Personen, mit Brenner und Gasfüllung, spülmaschinenfest.',
  'Three joints, warm light, switches itself off when nobody has moved for an hour.'
]
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

function product(index: number, random: () => number): object {
  return {
    sku: `SKU-${100_000 + Math.floor(random() * 900_000)}`,
    name: pick(GOODS, random),
    text: pick(TEXTS, random),
    quantity: 1 + Math.floor(random() * 4),
    price: Math.floor(random() * 20_000) / 100,
    image: `/images/${index}/${token(10, random)}.webp`,
    isGift: random() < 0.2
  }
}

function token(length: number, random: () => number): string {
  return Array.from({ length }, () => ALPHABET[Math.floor(random() * ALPHABET.length)]).join('')
}

function pick<T>(choices: readonly T[], random: () => number): T {
  return choices[Math.floor(random() * choices.length)] as T
}
