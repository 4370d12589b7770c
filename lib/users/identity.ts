// Whose a session is, by its data.
import { createHash } from 'node:crypto'
import type { Dictionary } from '../../serializers/serializer.js'
import type { Codec } from '../data/codec.js'
import { UserError } from '../errors.js'
import type { SessionRecord } from '../records/record.js'
import { type Keep, kept } from '../session/draft.js'

/** The option `user`. */
export type UserOption = string | ((data: Dictionary) => unknown)

export class Identity {
  readonly #read: (data: Dictionary) => unknown
  readonly #codec: Codec
  readonly #prefix: string
  readonly #known = new WeakMap<SessionRecord, string | undefined>()

  constructor(option: UserOption, codec: Codec, prefix: string) {
    this.#read = typeof option === 'function' ? option : (data) => data[option]
    this.#codec = codec
    this.#prefix = prefix
  }

  /**
   * The user of this record, whose serializer is loaded; `undefined` if nobody has signed in.
   * @throws {UserError} FST_SESSION_USER
   */
  of(record: SessionRecord): string | undefined {
    if (!this.#known.has(record)) this.#known.set(record, this.#userOf(this.#codec.open(record)))
    return this.#known.get(record)
  }

  /** The same for a record that was stored earlier: `undefined` also if that does not show a user. */
  was(record: SessionRecord, keep: Keep = true): string | undefined {
    try {
      return keep === true ? this.of(record) : this.#userOf(kept(this.#codec.open(record), keep))
    } catch {
      return undefined
    }
  }

  /** Whether this is a session of the user. One that cannot be decoded may be: it is in the user's set. */
  owns(user: string, record: SessionRecord): boolean {
    try {
      return this.of(record) === user
    } catch {
      return true
    }
  }

  /** The key of a user's set. */
  keyOf(user: string): string {
    return `${this.#prefix}user:${createHash('sha256').update(user).digest('base64url')}`
  }

  #userOf(data: Dictionary): string | undefined {
    return nameOf(this.#read(data))
  }
}

/**
 * A user as text: the number 1 and the text '1' are the same user.
 * @throws {UserError} FST_SESSION_USER
 */
export function nameOf(user: unknown): string | undefined {
  if (user === undefined || user === null || user === '') return undefined
  if (typeof user === 'string' || typeof user === 'bigint' || Number.isFinite(user)) return String(user)
  throw new UserError(Array.isArray(user) ? 'a list' : `a value of type ${typeof user}`)
}
