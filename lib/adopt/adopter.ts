// The interface of an adopter: how the sessions of another library are verified, found and read.
import type { Buffer } from 'node:buffer'
import type { Dictionary } from '../../serializers/serializer.js'
import type { RedisClient } from '../stores/redis.js'

/**
 * Continues the sessions of another library. The plugin does the I/O: an adopter only says what cookies and bytes mean.
 *
 * @example
 * const legacy: Adopter = {
 *   name: 'legacy',
 *   cookie: { name: 'sid' },
 *   verify: (value) => openToken(value),
 *   keyOf: (id) => `legacy:${id}`,
 *   decode: (bytes) => ({ data: JSON.parse(bytes.toString()) })
 * }
 */
export interface Adopter {
  /** Names the library in events and in the log. Part of the new id: do not change it during a migration. */
  readonly name: string
  readonly cookie: OldCookie
  /**
   * Returns the id in this cookie, or `undefined` if its signature is wrong. It must verify the whole value, in constant
   * time. An error, here or in `keyOf`, counts as a wrong signature.
   * @param value The cookie as it came, without quotes around it. It is not decoded.
   * @param values The values of another cookie that `also` names. The result must depend on nothing else: the plugin
   * remembers it.
   */
  verify(value: string, values: (name: string) => readonly string[]): string | undefined
  /** The key of the record with this id. */
  keyOf(id: string): string
  /** The fields to read if records are hashes. Without it they are strings. */
  readonly fields?: readonly string[]
  /**
   * Reads a record. An error means that it cannot be adopted. It must not execute anything in it.
   * @param value The string, or the first of `fields`.
   * @param more The other fields. One that is missing is empty.
   */
  decode(value: Buffer, ...more: Buffer[]): OldSession
  /**
   * The Redis that holds these records.
   * @default the client of the plugin
   */
  readonly redis?: RedisClient
  /**
   * Seconds for which an adopted session stays known to the old application, unless that extends it.
   * @default 86_400 (a day)
   */
  readonly keepOld?: number
}

/** The cookie that holds the id. `destroy()` clears it, for which domain and path must be right. */
export interface OldCookie {
  readonly name: string
  /** Further cookies that belong to it, such as one with the signature. */
  readonly also?: readonly string[]
  /** @default only the host that set it */
  readonly domain?: string
  /** @default '/' */
  readonly path?: string
}

/** The content of an old record. */
export interface OldSession {
  /** Without what the library keeps there for itself. A session without data is not adopted. */
  data: Dictionary
  /**
   * Whether the cookie outlives the browser window.
   * @default false
   */
  permanent?: boolean
  /** Epoch milliseconds after which the library takes the session for expired, if the record says so. */
  expiresAt?: number | undefined
}
