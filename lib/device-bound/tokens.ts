// Texts that only this service can have issued: challenges, and the values of the bound cookie. Nothing is stored for them,
// so every process that has the secret can verify them, also after a restart.
import { Buffer } from 'node:buffer'
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../cookies/session-id.js'

/** What a token is for. One for another purpose is not valid. */
export type Purpose = 'bound-id' | 'bound-register' | 'bound-refresh' | 'bound-cookie'

const ID = /^"?([\w-]{43})\.([\w-]{43})"?$/
const TOKEN = /^([\da-z]{1,11})\.([\w-]{43})$/
const NOTHING: Buffer = Buffer.alloc(0)

export class Tokens {
  readonly #name: string
  readonly #keys: readonly KeyObject[]

  /**
   * @param name The name of the session cookie. Registrations with other names do not accept these tokens.
   * @param secrets Newest first.
   */
  constructor(name: string, secrets: readonly Secret[]) {
    this.#name = name
    this.#keys = secrets.map((secret) =>
      createSecretKey(typeof secret === 'string' ? Buffer.from(secret) : secret)
    )
  }

  /**
   * @param expiresAt Epoch milliseconds.
   * @param binding What the session is bound to, if it is.
   */
  issue(purpose: Purpose, handle: string, expiresAt: number, binding?: Buffer): string {
    const expiry = expiresAt.toString(36)
    return `${expiry}.${this.#mac(this.#keys[0] as KeyObject, purpose, handle, expiry, binding)}`
  }

  /** The name of a session for its browser. Nobody else can make one, so that names which are made up cost no command. */
  idOf(handle: string): string {
    return `${handle}.${this.#mac(this.#keys[0] as KeyObject, 'bound-id', handle, '')}`
  }

  /** The handle of the session with this name, which may be in quotes; `undefined` if it is none of ours. */
  handleOf(id: string): string | undefined {
    const [, handle = '', mac = ''] = ID.exec(id) ?? []
    return this.#isOurs(mac, 'bound-id', handle, '') ? handle : undefined
  }

  /** When this token expires or has expired; 0 if it is none of ours, or for something else. */
  expiryOf(token: string, purpose: Purpose, handle: string, binding?: Buffer): number {
    const [, expiry = '', mac = ''] = TOKEN.exec(token) ?? []
    return this.#isOurs(mac, purpose, handle, expiry, binding) ? Number.parseInt(expiry, 36) : 0
  }

  #isOurs(mac: string, purpose: Purpose, handle: string, expiry: string, binding?: Buffer): boolean {
    const given = Buffer.from(mac)
    return this.#keys.some((key) => {
      const expected = Buffer.from(this.#mac(key, purpose, handle, expiry, binding))
      return given.length === expected.length && timingSafeEqual(given, expected)
    })
  }

  // It starts with a byte that does not occur in UTF-8, like the signatures of session ids.
  #mac(key: KeyObject, purpose: Purpose, handle: string, expiry: string, binding = NOTHING): string {
    return createHmac('sha256', key)
      .update(Buffer.from([0xff]))
      .update(`fastify-ioredis-session\n${purpose}\n${this.#name}\n${handle}\n${expiry}\n`)
      .update(binding)
      .digest('base64url')
  }
}
