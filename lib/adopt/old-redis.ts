// The records of another library in its Redis: read, kept for a limited time, removed.
import { Buffer } from 'node:buffer'
import { ForeignKeyError } from '../errors.js'
import { lossesOf } from '../stores/losses.js'
import { type Argument, type Client, send } from '../stores/misdirected.js'
import type { RedisClient } from '../stores/redis.js'
import { Attempt, explainRead } from '../stores/replies.js'
import { Refusal } from './refusal.js'

/** The methods that a client needs. */
export const OLD_CLIENT_METHODS = ['getBuffer', 'hmgetBuffer', 'pttl', 'eval', 'del'] as const
type Name = (typeof OLD_CLIENT_METHODS)[number]

// Redis 6.2 has no EXPIRE that only shortens. Returns what is left, or -2 without a record.
const SHORTEN = `
local left, most = redis.call('PTTL', KEYS[1]), tonumber(ARGV[1])
if left == -2 or (left >= 0 and left <= most) then return left end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return most`

export interface OldRecord {
  values: [Buffer, ...Buffer[]]
  /** Milliseconds until it expires; Infinity if it does not. */
  left: number
}

export class OldRedis {
  readonly #client: Client<Name> & { readonly status?: string }

  constructor(client: RedisClient) {
    this.#client = client as unknown as Client<Name>
  }

  /** @param fields Those of a hash; `undefined` for a string. */
  async read(key: string, fields: readonly string[] | undefined): Promise<OldRecord | undefined> {
    const [found, left] = await Promise.all([
      fields === undefined ? this.#command('getBuffer', key) : this.#command('hmgetBuffer', key, ...fields),
      this.#command('pttl', key)
    ])
    const [first, ...more] = [found].flat() as (Buffer | null)[]
    const milliseconds = Number(left)
    if (first == null || milliseconds === -2) return undefined
    const values = [first, ...more.map((value) => value ?? Buffer.alloc(0))] as const
    return { values: [...values], left: milliseconds < 0 ? Number.POSITIVE_INFINITY : milliseconds }
  }

  /**
   * Lets the record live for this many milliseconds, unless it ends earlier.
   * @returns The milliseconds that are left; `undefined` if there is no record.
   */
  async shorten(key: string, milliseconds: number): Promise<number | undefined> {
    const left = Number(await this.#command('eval', SHORTEN, 1, key, milliseconds))
    return left === -2 ? undefined : left
  }

  async remove(key: string): Promise<void> {
    await this.#command('del', key)
  }

  // All of it may be done twice without harm, so a lost answer is an error that asks to try again.
  async #command(name: Name, ...args: Argument[]): Promise<unknown> {
    const attempt = new Attempt(this.#client, lossesOf(this.#client))
    try {
      return await send(this.#client, name, args)
    } catch (error) {
      const failure = explainRead(error, name.replace('Buffer', '').toUpperCase(), attempt)
      throw failure instanceof ForeignKeyError ? new Refusal('type') : failure
    }
  }
}
