// Sessions in Redis 6.2 or later, or Valkey: one string a session, one key and one round trip an operation. Reads
// of parallel requests share a command, and so do their updates, where all keys are on one server.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import {
  ForeignKeyError,
  NotReplicatedError,
  StoreDeniedError,
  StoreFullError,
  UnavailableError,
  UncertainError
} from '../errors.js'
import { Gathered } from './gathered.js'
import { type Outcome, REVISION, type Store, TOUCH } from './store.js'

/** What is used of a client: `Redis` and `Cluster` of ioredis 5 and 6 and of iovalkey all have it. */
export interface RedisClient {
  getBuffer(key: string): Promise<Buffer | null>
  set(key: string, value: Buffer, px: 'PX', milliseconds: number, nx: 'NX'): Promise<unknown>
  evalsha(sha: string, keys: number, ...keysAndArguments: (string | Buffer | number)[]): Promise<unknown>
}

// These clients have a variant of every command that answers with bytes, and pipelines of all of them; their types name
// only some.
interface FullClient extends Pick<RedisClient, 'getBuffer'>, Commands<Promise<unknown>> {
  readonly isCluster?: boolean
  mgetBuffer?(keys: string[]): Promise<(Buffer | null)[]>
  pipeline(): Pipeline
}
interface Commands<Reply> {
  set(...args: Argument[]): Reply
  evalshaBuffer(...args: Argument[]): Reply
  evalBuffer(...args: Argument[]): Reply
}
interface Pipeline extends Commands<Pipeline> {
  wait(replicas: number, milliseconds: number): Pipeline
  exec(): Promise<[error: Error | null, reply: unknown][] | null>
}
type Argument = string | Buffer | number

/** The methods that a client needs. */
export const CLIENT_METHODS = ['getBuffer', 'set', 'evalshaBuffer', 'evalBuffer'] as const

export interface RedisStoreOptions {
  /** How many replicas must have a write before it is answered. Default 0. */
  replicas?: number
  /** Milliseconds that this may take. Default 500. */
  replicaTimeout?: number
  /** The client for writes: while one waits for replicas, what comes behind it on its connection waits too. */
  writeClient?: RedisClient
  /** What is known of the connection of a client, if anything is. */
  connectionOf?: (client: RedisClient) => Connection | undefined
}

/** A connection as those see it who made it. */
export interface Connection {
  /** How often it has been ready for commands. */
  readonly times: number
  readonly isReady: boolean
  /** Why the last attempt to connect has failed. */
  readonly failure: Error | undefined
}

interface Script {
  source: string
  sha: string
}

/** A conditional write: of one key, and of several, none of which depends on another. */
interface Write {
  alone: Script
  together: Script
}
type Call = readonly [key: string, revision: Buffer, bytes: Buffer, milliseconds: number]

/**
 * What is answered for a key that has no record, or that Redis refuses to write: this one is then written alone. A proxy
 * that spreads keys over servers sends a script to the server of its first key, where the others are missing.
 */
const ALONE = -1

const UPDATE = writeOf(
  (call, key, bytes, milliseconds) => `${call}('SET', ${key}, ${bytes}, 'PX', ${milliseconds})`
)
const TOUCHING = writeOf(
  (call, key, bytes, milliseconds) =>
    `${call}('SETRANGE', ${key}, ${TOUCH.offset}, ${bytes}) ${call}('PEXPIRE', ${key}, ${milliseconds})`
)
const destroyScript = conditional("redis.call('DEL', KEYS[1])")

/** Stores sessions through this client, which stays its owner's: it is neither configured nor closed here. */
export class RedisStore implements Store {
  readonly #client: FullClient
  readonly #connection: Connection | undefined
  readonly #writeClient: FullClient
  readonly #writeConnection: Connection | undefined
  readonly #replicas: number
  readonly #replicaTimeout: number
  /** Undefined where keys are on several servers, or Redis allows no MGET. */
  #reads: Gathered<string, Buffer | undefined> | undefined
  /** Undefined where keys are on several servers, and where each write waits for replicas. */
  #updates: Gathered<Call, Outcome> | undefined
  #touches: Gathered<Call, Outcome> | undefined

  constructor(client: RedisClient, options: RedisStoreOptions = {}) {
    const { replicas = 0, replicaTimeout = 500, writeClient = client } = options
    this.#client = client as unknown as FullClient
    this.#connection = options.connectionOf?.(client)
    this.#writeConnection = options.connectionOf?.(writeClient)
    this.#writeClient = writeClient as unknown as FullClient
    this.#replicas = replicas
    this.#replicaTimeout = replicaTimeout
    if (this.#client.isCluster === true) return
    if (this.#client.mgetBuffer !== undefined) {
      this.#reads = new Gathered(
        (key) => this.#readOne(key),
        (keys) => this.#readMany(keys)
      )
    }
    if (replicas === 0) {
      this.#updates = this.#gather(UPDATE)
      this.#touches = this.#gather(TOUCHING)
    }
  }

  read(key: string): Promise<Buffer | undefined> {
    return this.#reads === undefined ? this.#readOne(key) : this.#reads.add(key)
  }

  // For MGET a value that is no string is nothing at all, and a refusal concerns all keys: GET tells of each by itself.
  async #readMany(keys: string[]): Promise<(Buffer | Promise<never> | undefined)[]> {
    const unsent = whyUnsent(this.#connection)
    try {
      const replies = (await this.#client.mgetBuffer?.(keys)) ?? []
      return replies.map((reply) => reply ?? undefined)
    } catch (error) {
      if (!isReply(error)) {
        // An error for each: who handles one may well write on it.
        return keys.map(() => Promise.reject(explain(unsent() ?? error, 'MGET', UnavailableError)))
      }
      if (NEVER_TOGETHER.test(error.message)) this.#reads = undefined
      return []
    }
  }

  async #readOne(key: string): Promise<Buffer | undefined> {
    const unsent = whyUnsent(this.#connection)
    try {
      return (await this.#client.getBuffer(key)) ?? undefined
    } catch (error) {
      throw explain(unsent() ?? error, 'GET', UnavailableError)
    }
  }

  async create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean> {
    const args = [key, asBuffer(record), 'PX', millisecondsUntil(expiresAt), 'NX']
    return this.#write('SET', 'set', args, (reply) => reply !== null)
  }

  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome> {
    const call = [key, asBuffer(revision), asBuffer(record), millisecondsUntil(expiresAt)] as const
    return this.#updates === undefined ? this.#run(UPDATE.alone, ...call) : this.#updates.add(call)
  }

  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    const call = [key, asBuffer(revision), asBuffer(patch), millisecondsUntil(expiresAt)] as const
    return this.#touches === undefined ? this.#run(TOUCHING.alone, ...call) : this.#touches.add(call)
  }

  destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return this.#run(destroyScript, key, revision)
  }

  #gather({ alone, together }: Write): Gathered<Call, Outcome> {
    return new Gathered(
      (call) => this.#run(alone, ...call),
      (calls) => this.#runTogether(together, calls),
      ([, , bytes]) => bytes.length
    )
  }

  // Each by itself where Redis refuses them together: the reason may be one of them.
  async #runTogether(
    script: Script,
    calls: readonly Call[]
  ): Promise<(Outcome | Promise<never> | undefined)[]> {
    const keys = calls.map(([key]) => key)
    const unsent = whyUnsent(this.#writeConnection)
    try {
      const replies = (await this.#evaluate(script, keys, packed(calls))) as unknown[]
      return replies.map((reply) => (isAlone(reply) ? undefined : outcomeOf(reply)))
    } catch (error) {
      const reason = unsent()
      if (reason === undefined && isReply(error)) {
        if (NEVER_TOGETHER.test(error.message)) this.#updates = this.#touches = undefined
        return []
      }
      return calls.map(() => Promise.reject(explainWrite(reason, error, 'EVALSHA')))
    }
  }

  async #evaluate({ sha, source }: Script, keys: string[], args: Buffer[]): Promise<unknown> {
    try {
      return await this.#writeClient.evalshaBuffer(sha, keys.length, ...keys, ...args)
    } catch (error) {
      if (!isReply(error) || !error.message.startsWith('NOSCRIPT')) throw error
      return this.#writeClient.evalBuffer(source, keys.length, ...keys, ...args)
    }
  }

  // The client's own `defineCommand` would change a client that is not ours, and in a pipeline after SCRIPT FLUSH
  // it sends the script again behind the commands that follow it.
  #run({ sha, source }: Script, key: string, revision: Uint8Array, ...rest: Argument[]): Promise<Outcome> {
    const args = [1, key, asBuffer(revision), ...rest]
    const startedAt = performance.now()
    return this.#write('EVALSHA', 'evalshaBuffer', [sha, ...args], outcomeOf, startedAt).catch((error) => {
      if (!(error instanceof NoScript)) throw error
      return this.#write('EVALSHA', 'evalBuffer', [source, ...args], outcomeOf, startedAt)
    })
  }

  async #write<Result>(
    name: string,
    command: keyof Commands<unknown>,
    args: Argument[],
    read: (reply: unknown) => Result,
    startedAt = performance.now()
  ): Promise<Result> {
    const unsent = whyUnsent(this.#writeConnection)
    try {
      if (this.#replicas === 0) return read(await this.#writeClient[command](...args))
      return await this.#replicated(name, command, args, read, startedAt)
    } catch (error) {
      throw explainWrite(unsent(), error, name)
    }
  }

  // In one pipeline, which goes over one connection: WAIT counts what that connection has written. It waits where the
  // command has failed, too: what is tried again has what is left of the time.
  async #replicated<Result>(
    name: string,
    command: keyof Commands<unknown>,
    args: Argument[],
    read: (reply: unknown) => Result,
    startedAt: number
  ): Promise<Result> {
    const send = async () => {
      // At least 1: WAIT with 0 has no end.
      const left = Math.max(1, Math.ceil(startedAt + this.#replicaTimeout - performance.now()))
      const pipeline = this.#writeClient.pipeline()[command](...args)
      return (await pipeline.wait(this.#replicas, left).exec()) ?? []
    }
    let replies = await send()
    if (/^(MOVED|ASK) /.test(replies[0]?.[0]?.message ?? '')) {
      // The slot has another node, which a cluster client learns from a command of its own only.
      await this.#client.getBuffer(String(args[command === 'set' ? 0 : 2]))
      replies = await send()
    }
    for (const [error] of replies) if (error !== null) throw error
    const [written, reached] = replies.map(([, reply]) => reply)
    const result = read(written)
    if ((result === true || result === 'done') && Number(reached) < this.#replicas) {
      throw new NotReplicatedError(name, `${reached} of ${this.#replicas}`)
    }
    return result
  }
}

// To be asked when a command has failed: what waited for a connection that never came has not been sent, and failed for
// the reason that the connection did.
function whyUnsent(connection: Connection | undefined): () => Error | undefined {
  if (connection === undefined || connection.isReady) return () => undefined
  const { times } = connection
  return () => (connection.times === times ? (connection.failure ?? new Error(NOT_SENT)) : undefined)
}

function isReply(error: unknown): error is Error {
  return (error as Error).name === 'ReplyError'
}

function isAlone(reply: unknown): boolean {
  return !(reply instanceof Uint8Array) && Number(reply) === ALONE
}

function outcomeOf(reply: unknown): Outcome {
  if (reply instanceof Uint8Array) return reply
  // A number, or its digits where the client has `stringNumbers`.
  return Number(reply) === 1 ? 'done' : 'missing'
}

// @param write The Lua of the write: how commands are called, and where its arguments are.
function writeOf(
  write: (call: string, ...args: [key: string, bytes: string, milliseconds: string]) => string
): Write {
  return {
    alone: conditional(write('redis.call', 'KEYS[1]', 'ARGV[2]', 'ARGV[3]')),
    together: script(`local outcomes, at = {}, 1
for i, key in ipairs(KEYS) do
  local revision, milliseconds
  revision, milliseconds, at = struct.unpack('>I4c0d', ARGV[1], at)
  local reply
  if redis.pcall('GETRANGE', key, ${REVISION.offset}, ${REVISION.offset + REVISION.length - 1}) == revision then
    reply = ${write('redis.pcall', 'key', 'ARGV[i + 1]', 'milliseconds')}
    outcomes[i] = 1
  else
    reply = redis.pcall('GET', key)
    outcomes[i] = reply or ${ALONE}
  end
  if type(reply) == 'table' and reply.err then outcomes[i] = ${ALONE} end
end
return outcomes`)
  }
}

// What is small about these calls as one argument, which the script for several keys unpacks, and the bytes of each: a
// client writes every argument by itself.
function packed(calls: readonly Call[]): Buffer[] {
  const size = calls.reduce((sum, [, revision]) => sum + 4 + revision.length + 8, 0)
  const small = Buffer.allocUnsafe(size)
  const args: Buffer[] = [small]
  let at = 0
  for (const [, revision, bytes, milliseconds] of calls) {
    at = small.writeUInt32BE(revision.length, at)
    at += revision.copy(small, at)
    at = small.writeDoubleBE(milliseconds, at)
    args.push(bytes)
  }
  return args
}

// GETRANGE answers '' where there is no key, so the whole record travels only on a conflict.
function conditional(write: string): Script {
  return script(`local revision = redis.call('GETRANGE', KEYS[1], ${REVISION.offset}, ${REVISION.offset + REVISION.length - 1})
if revision == ARGV[1] then ${write} return 1 end
return redis.call('GET', KEYS[1]) or 0`)
}

function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

// Relative, so that a clock of Redis that differs from ours ends no session early; at least 1, as PX demands.
function millisecondsUntil(instant: number): number {
  return Math.max(1, Math.ceil(instant - Date.now()))
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The server does not know the script by its digest. */
class NoScript extends Error {}

// What the server says no to has not taken place. Elsewhere in the text of an error stand keys and payloads: of it only
// these words go on.
const REFUSALS =
  /\b(OOM|MISCONF|NOAUTH|WRONGPASS|NOPERM|WRONGTYPE|LOADING|BUSY|CLUSTERDOWN|MASTERDOWN|READONLY|TRYAGAIN|NOSCRIPT)\b/
// What a server says to several keys at once that will go on to say so.
const NEVER_TOGETHER = /\b(NOPERM|CROSSSLOT|unknown command)\b/
// A lack of rights that shows within a script has no word of its own.
const DENIED_IN_SCRIPT = /user executing the script can't|ACL failure in script/
const ERRORS: Record<string, typeof UnavailableError> = {
  OOM: StoreFullError,
  MISCONF: StoreFullError,
  NOAUTH: StoreDeniedError,
  WRONGPASS: StoreDeniedError,
  NOPERM: StoreDeniedError,
  WRONGTYPE: ForeignKeyError
}
const NOT_SENT = "Stream isn't writeable"

function explainWrite(unsent: Error | undefined, error: unknown, command: string): Error {
  return unsent === undefined
    ? explain(error, command, UncertainError)
    : explain(unsent, command, UnavailableError)
}

function explain(error: unknown, command: string, Unanswered: typeof UnavailableError): Error {
  if (error instanceof NotReplicatedError) return error
  const { code, message, name } = error as NodeJS.ErrnoException
  const refusal = DENIED_IN_SCRIPT.test(message) ? 'NOPERM' : REFUSALS.exec(message)?.[0]
  if (refusal === 'NOSCRIPT') return new NoScript(refusal)
  if (refusal !== undefined) return new (ERRORS[refusal] ?? UnavailableError)(command, refusal)
  if (isReply(error)) return new UnavailableError(command, 'ERR')
  if (message.startsWith(NOT_SENT)) return new UnavailableError(command, 'no connection')
  return new Unanswered(command, code ?? (name === 'Error' ? 'no answer' : name))
}
