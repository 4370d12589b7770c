// Sessions in Redis 6.2 or later, or Valkey: one string a session, one key and one round trip an operation.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { UnavailableError } from '../errors.js'
import { type Outcome, REVISION, type Store, TOUCH } from './store.js'

/** What is used of a client: `Redis` and `Cluster` of ioredis 5 and 6 and of iovalkey all have it. */
export interface RedisClient {
  getBuffer(key: string): Promise<Buffer | null>
  set(key: string, value: Buffer, px: 'PX', milliseconds: number, nx: 'NX'): Promise<unknown>
  evalsha(sha: string, keys: number, ...keysAndArguments: (string | Buffer | number)[]): Promise<unknown>
}

// These clients have a variant of every command that answers with bytes; their types name only some of them.
interface BinaryClient extends RedisClient {
  evalshaBuffer: RedisClient['evalsha']
  evalBuffer: RedisClient['evalsha']
}

/** The methods that a client needs. */
export const CLIENT_METHODS = ['getBuffer', 'set', 'evalshaBuffer', 'evalBuffer'] as const

interface Script {
  source: string
  sha: string
}

const updateScript = conditional("redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])")
const touchScript = conditional(
  `redis.call('SETRANGE', KEYS[1], ${TOUCH.offset}, ARGV[2]) redis.call('PEXPIRE', KEYS[1], ARGV[3])`
)
const destroyScript = conditional("redis.call('DEL', KEYS[1])")

/** Stores sessions through this client, which stays its owner's: it is neither configured nor closed here. */
export class RedisStore implements Store {
  readonly #client: BinaryClient

  constructor(client: RedisClient) {
    this.#client = client as BinaryClient
  }

  async read(key: string): Promise<Buffer | undefined> {
    return (await answered('GET', this.#client.getBuffer(key))) ?? undefined
  }

  async create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean> {
    const reply = this.#client.set(key, asBuffer(record), 'PX', millisecondsUntil(expiresAt), 'NX')
    return (await answered('SET', reply)) !== null
  }

  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.#run(updateScript, key, revision, asBuffer(record), millisecondsUntil(expiresAt))
  }

  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    return this.#run(touchScript, key, revision, asBuffer(patch), millisecondsUntil(expiresAt))
  }

  destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return this.#run(destroyScript, key, revision)
  }

  async #run(
    script: Script,
    key: string,
    revision: Uint8Array,
    ...rest: (Buffer | number)[]
  ): Promise<Outcome> {
    const reply = await answered('EVALSHA', this.#evaluate(script, [key, asBuffer(revision), ...rest]))
    if (reply instanceof Uint8Array) return reply
    // A number, or its digits where the client has `stringNumbers`.
    return Number(reply) === 1 ? 'done' : 'missing'
  }

  // The client's own `defineCommand` would change a client that is not ours, and in a pipeline after SCRIPT FLUSH
  // it sends the script again behind the commands that follow it.
  async #evaluate(script: Script, rest: (string | Buffer | number)[]): Promise<unknown> {
    try {
      return await this.#client.evalshaBuffer(script.sha, 1, ...rest)
    } catch (error) {
      if (!isNoScript(error)) throw error
      return this.#client.evalBuffer(script.source, 1, ...rest)
    }
  }
}

// GETRANGE answers '' where there is no key, so the whole record travels only on a conflict.
function conditional(write: string): Script {
  const source = `local revision = redis.call('GETRANGE', KEYS[1], ${REVISION.offset}, ${REVISION.offset + REVISION.length - 1})
if revision == ARGV[1] then ${write} return 1 end
return redis.call('GET', KEYS[1]) or 0`
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

// Relative, so that a clock of Redis that differs from ours ends no session early; at least 1, as PX demands.
function millisecondsUntil(instant: number): number {
  return Math.max(1, Math.ceil(instant - Date.now()))
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

// The client's errors carry the command with its arguments, which are keys and payloads: only their kind goes on.
async function answered<T>(command: string, reply: Promise<T>): Promise<T> {
  try {
    return await reply
  } catch (error) {
    throw new UnavailableError(command, kindOf(error))
  }
}

function kindOf(error: unknown): string {
  const { code, message, name } = error as NodeJS.ErrnoException
  return code ?? /^[A-Z]{2,}(?= )/.exec(message)?.[0] ?? name
}
