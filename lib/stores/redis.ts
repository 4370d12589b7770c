// Sessions in Redis 6.2 or later, or Valkey: one string per session, one key and one round trip per operation. If all
// keys are on one server, reads of concurrent requests share a command, and so do their updates.
import { Buffer } from 'node:buffer'
import { now } from '../clock.js'
import { NotReplicatedError, UncertainError } from '../errors.js'
import { Batcher } from './batcher.js'
import { type Losses, lossesOf } from './losses.js'
import {
  Attempt,
  explainRead,
  explainWrite,
  isNoScript,
  isRedirection,
  isReply,
  isTimeout,
  refusesBatches,
  wordOf
} from './replies.js'
import {
  ALONE,
  type Call,
  CREATED,
  type EndScripts,
  endScripts,
  packed,
  type Script,
  TOUCHING,
  UPDATE,
  type Write
} from './scripts.js'
import type { SessionIndex } from './session-index.js'
import { isTombstone, type Mark, type Operation, type Outcome, type Store, type WatchEnds } from './store.js'

/** A client: `Redis` or `Cluster` of ioredis 5 or 6, or of iovalkey. */
export interface RedisClient {
  getBuffer(key: string): Promise<Buffer | null>
  set(key: string, value: Buffer, px: 'PX', milliseconds: number, nx: 'NX'): Promise<unknown>
  evalsha(sha: string, keys: number, ...keysAndArguments: (string | Buffer | number)[]): Promise<unknown>
}

// These clients have every command in a variant that returns bytes, and all of them in pipelines. Their types do not
// name all.
interface FullClient extends Commands<Promise<unknown>> {
  readonly isCluster?: boolean
  readonly status?: string
  readonly options?: { keyPrefix?: unknown }
  nodes?(role: 'master'): FullClient[]
  scan(...args: Argument[]): Promise<[cursor: string, keys: string[]]>
  mgetBuffer?(keys: string[]): Promise<(Buffer | null)[]>
  pipeline(): Pipeline
}
interface Commands<Reply> {
  getBuffer(...args: Argument[]): Reply
  set(...args: Argument[]): Reply
  evalshaBuffer(...args: Argument[]): Reply
  evalBuffer(...args: Argument[]): Reply
}
interface Pipeline extends Commands<Pipeline> {
  wait(replicas: number, milliseconds: number): Pipeline
  exec(): Promise<Replied[] | null>
}
type Replied = [error: Error | null, reply: unknown]
type Argument = string | Buffer | number

/** The methods that a client needs. */
export const CLIENT_METHODS = ['getBuffer', 'set', 'evalshaBuffer', 'evalBuffer'] as const

export interface RedisStoreOptions {
  /**
   * How many replicas must have a write before it is acknowledged.
   * @default 0
   */
  replicas?: number
  /**
   * How long to wait for the replicas, in milliseconds.
   * @default 500
   */
  replicaTimeout?: number
  /**
   * A separate client for writes. A write that waits for replicas blocks later commands on the same connection.
   * @default the client for reads
   */
  writeClient?: RedisClient
  /**
   * The channel on which Redis is told of sessions that end, for the option `signals`. The client's `keyPrefix` comes before
   * it.
   * @default none
   */
  channel?: string
  /** The connection of a client that sends each command at most once and queues none. */
  connectionOf?: (client: RedisClient) => Connection | undefined
}

/** The connection of a client that the plugin created. */
export interface Connection {
  /**
   * Returns `undefined` if commands can be sent now. Otherwise, returns a promise that resolves when they can, and
   * rejects if that may take long.
   */
  ready(): Promise<void> | undefined
}

/** A client and the state of its connections. */
interface Line {
  client: FullClient
  losses: Losses
  connection: Connection | undefined
}

interface Sent {
  reply: unknown
  /** Why the write is not known to be on enough replicas. */
  shortage?: string
}

/** Maximum tries of a read whose connection was lost. */
const MAX_READS = 3
/** How many keys Redis looks at for one page of them. */
const PAGE = 256
/** Why the answer to a write does not show the outcome of an earlier try. */
const LOST = 'a lost connection'

/**
 * Stores sessions in Redis or Valkey. The plugin creates one for the option `redis`. The store neither configures nor
 * closes the client.
 * @example
 * const writeClient = redis.duplicate()
 * await app.register(redisSession, { store: new RedisStore(redis, { replicas: 1, writeClient }) })
 */
export class RedisStore implements Store {
  readonly #reader: Line
  readonly #writer: Line
  readonly #replicas: number
  readonly #ends: EndScripts
  /** The channel that is told of ended sessions; empty if none is. */
  readonly #channel: readonly string[]
  readonly #replicaTimeout: number
  /** Undefined if keys are on several servers or Redis refuses MGET. */
  #reads: Batcher<string, Buffer | undefined> | undefined
  /** Undefined if keys are on several servers or each write waits for replicas. */
  #updates: Batcher<Call, Outcome> | undefined
  #touches: Batcher<Call, Outcome> | undefined

  constructor(client: RedisClient, options: RedisStoreOptions = {}) {
    const { channel, replicas = 0, replicaTimeout = 500, writeClient = client } = options
    const lineOf = (of: RedisClient): Line => ({
      client: of as unknown as FullClient,
      losses: lossesOf(of),
      connection: options.connectionOf?.(of)
    })
    this.#reader = lineOf(client)
    this.#writer = lineOf(writeClient)
    this.#replicas = replicas
    this.#channel = channel === undefined ? [] : [keyPrefixOf(client) + channel]
    this.#ends = endScripts(replicas > 0, channel !== undefined)
    this.#replicaTimeout = replicaTimeout
    if (this.#reader.client.isCluster === true) return
    if (this.#reader.client.mgetBuffer !== undefined) {
      this.#reads = new Batcher(
        (key) => this.#readOne(key),
        (keys) => this.#readMany(keys)
      )
    }
    if (replicas === 0) {
      this.#updates = this.#batch(UPDATE)
      this.#touches = this.#batch(TOUCHING)
    }
  }

  // Only a client that the plugin created has no queue of its own.
  ready(operation: Operation): Promise<void> | undefined {
    return (operation === 'read' ? this.#reader : this.#writer).connection?.ready()
  }

  read(key: string): Promise<Buffer | undefined> {
    return this.#reads === undefined ? this.#readOne(key) : this.#reads.add(key)
  }

  async create(key: string, record: Uint8Array, expiresAt: number): Promise<boolean> {
    const [bytes, milliseconds] = [asBuffer(record), millisecondsUntil(expiresAt)]
    const attempt = attemptOn(this.#writer)
    const until = this.#waitUntil()
    try {
      let sent = await this.#command('set', [key, bytes, 'PX', milliseconds, 'NX'], until)
      let isCreated = sent.reply !== null
      // The existing record may be this one, from a try whose answer was lost.
      if (!isCreated) {
        sent = await this.#evaluate(CREATED, [key], [bytes, milliseconds], until)
        isCreated = Number(sent.reply) === 1
      }
      if (!isCreated && attempt.isLost) throw new UncertainError('SET', LOST)
      if (isCreated) refuseShortage('SET', sent)
      return isCreated
    } catch (error) {
      throw explainWrite(error, 'SET', attempt)
    }
  }

  update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number): Promise<Outcome> {
    const call = [key, asBuffer(revision), asBuffer(record), millisecondsUntil(expiresAt)] as const
    if (this.#channel.length > 0 && isTombstone(record)) {
      return this.#run(this.#ends.leave, key, [...call.slice(1), ...this.#channel])
    }
    return this.#updates === undefined ? this.#alone(UPDATE, call) : this.#updates.add(call)
  }

  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    const call = [key, asBuffer(revision), asBuffer(patch), millisecondsUntil(expiresAt)] as const
    return this.#touches === undefined ? this.#alone(TOUCHING, call) : this.#touches.add(call)
  }

  destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return this.#run(this.#ends.destroy, key, [asBuffer(revision), ...this.#channel], true)
  }

  end(key: string, mark?: Mark): Promise<Outcome> {
    if (mark === undefined) return this.#run(this.#ends.end, key, this.#channel, true)
    const { record, expiresAt, always = false } = mark
    return this.#run(
      always ? this.#ends.markAlways : this.#ends.mark,
      key,
      [asBuffer(record), millisecondsUntil(expiresAt), ...this.#channel],
      true
    )
  }

  async openIndex(): Promise<SessionIndex> {
    const { RedisIndex } = await import('./redis-index.js')
    return new RedisIndex(async (script, key, args) => {
      const attempt = attemptOn(this.#writer)
      try {
        const sent = await this.#evaluate(script, [key], args, this.#waitUntil())
        refuseShortage('EVALSHA', sent)
        return sent.reply
      } catch (error) {
        // The index stores no session, and each of its operations may be repeated.
        throw explainRead(error, 'EVALSHA', attempt)
      }
    })
  }

  /** Undefined without the option `channel`. */
  get watch(): WatchEnds | undefined {
    const { client } = this.#reader
    const [channel] = this.#channel
    if (channel === undefined) return undefined
    return async (listener, timeout) => {
      const { Subscription } = await import('./subscription.js')
      return new Subscription(client, channel, keyPrefixOf(client), listener, timeout)
    }
  }

  /** Slots that move to another node meanwhile may be left out or come twice. */
  async *keys(prefix: string): AsyncGenerator<string[], void> {
    const { client } = this.#reader
    const keyPrefix = keyPrefixOf(client)
    // A cluster client knows its nodes once it has answered.
    if (client.isCluster === true) await this.#readOne(prefix)
    for (const node of client.nodes?.('master') ?? [client]) {
      let cursor = '0'
      do {
        const attempt = attemptOn(this.#reader)
        try {
          const match = `${literally(keyPrefix + prefix)}*`
          const [next, keys] = await node.scan(cursor, 'MATCH', match, 'COUNT', PAGE)
          cursor = next
          yield keys.map((key) => key.slice(keyPrefix.length))
        } catch (error) {
          throw explainRead(error, 'SCAN', attempt)
        }
      } while (cursor !== '0')
    }
  }

  // MGET returns nothing for a value that is not a string, and an error concerns all keys. The batcher then sends a GET
  // for each key.
  async #readMany(keys: string[]): Promise<(Buffer | Promise<never> | undefined)[]> {
    const attempt = attemptOn(this.#reader)
    try {
      const replies = (await this.#reader.client.mgetBuffer?.(keys)) ?? []
      return replies.map((reply) => reply ?? undefined)
    } catch (error) {
      if (isReply(error)) {
        if (refusesBatches(error)) this.#reads = undefined
        return []
      }
      if (this.#reader.connection !== undefined && !isTimeout(error)) return []
      // A separate error for each request, because an error handler may modify it.
      return keys.map(() => Promise.reject(explainRead(error, 'MGET', attempt)))
    }
  }

  async #readOne(key: string): Promise<Buffer | undefined> {
    const { client, connection } = this.#reader
    for (let tries = 1; ; tries++) {
      const waiting = connection?.ready()
      if (waiting !== undefined) await waiting
      const attempt = attemptOn(this.#reader)
      try {
        return ((await this.#follow(client, 'getBuffer', [key])) as Buffer | null) ?? undefined
      } catch (error) {
        const isLost = connection !== undefined && !isReply(error) && !isTimeout(error)
        if (!isLost || tries === MAX_READS) throw explainRead(error, 'GET', attempt)
      }
    }
  }

  #alone({ alone }: Write, [key, ...args]: Call): Promise<Outcome> {
    return this.#run(alone, key, args)
  }

  #batch(write: Write): Batcher<Call, Outcome> {
    return new Batcher(
      (call) => this.#alone(write, call),
      (calls) => this.#runTogether(write.together, calls),
      ([, , bytes]) => bytes.length
    )
  }

  // If Redis refuses the batch, the batcher sends each call alone, since only one of them may be the reason.
  async #runTogether(
    script: Script,
    calls: readonly Call[]
  ): Promise<(Outcome | Promise<never> | undefined)[]> {
    const keys = calls.map(([key]) => key)
    const attempt = attemptOn(this.#writer)
    try {
      const { reply } = await this.#evaluate(script, keys, packed(calls), 0)
      return (reply as unknown[]).map((each) => {
        const outcome = isAlone(each) ? undefined : outcomeOf(each)
        if (outcome === 'done' || !attempt.isLost) return outcome
        return Promise.reject(new UncertainError('EVALSHA', LOST))
      })
    } catch (error) {
      if (isReply(error) && !attempt.isLost) {
        if (refusesBatches(error)) this.#updates = this.#touches = undefined
        return []
      }
      return calls.map(() => Promise.reject(explainWrite(error, 'EVALSHA', attempt)))
    }
  }

  // @param isRemoval A missing record then counts as removed by an earlier try, and the removal must reach the replicas
  // too.
  async #run(script: Script, key: string, args: readonly Argument[], isRemoval = false): Promise<Outcome> {
    const attempt = attemptOn(this.#writer)
    try {
      const sent = await this.#evaluate(script, [key], args, this.#waitUntil())
      const outcome = outcomeOf(sent.reply)
      if (outcome === 'done' || (isRemoval && outcome === 'missing')) refuseShortage('EVALSHA', sent)
      else if (attempt.isLost) throw new UncertainError('EVALSHA', LOST)
      return outcome
    } catch (error) {
      throw explainWrite(error, 'EVALSHA', attempt)
    }
  }

  // The client's `defineCommand` would modify the application's client. In a pipeline after SCRIPT FLUSH, it also
  // resends the script after the commands that follow.
  async #evaluate(
    { sha, source }: Script,
    keys: string[],
    args: readonly Argument[],
    until: number
  ): Promise<Sent> {
    const rest = [keys.length, ...keys, ...args]
    try {
      return await this.#command('evalshaBuffer', [sha, ...rest], until)
    } catch (error) {
      if (!isNoScript(error)) throw error
      return this.#command('evalBuffer', [source, ...rest], until)
    }
  }

  async #command(command: keyof Commands<unknown>, args: Argument[], until: number): Promise<Sent> {
    const { client } = this.#writer
    if (this.#replicas === 0) return { reply: await this.#follow(client, command, args) }
    let [written, waited] = await this.#replicated(command, args, until)
    if (written[0] !== null && isRedirection(written[0])) {
      // The slot has moved to another node. A cluster client learns that only from a command outside a pipeline.
      await client.getBuffer(String(args[command === 'set' ? 0 : 2]))
      ;[written, waited] = await this.#replicated(command, args, until)
    }
    if (written[0] !== null) throw written[0]
    const [error, reached] = waited
    if (error !== null) {
      // The write has succeeded, even if WAIT has not.
      const why = (isReply(error) && wordOf(error.message)) || 'the connection'
      return { reply: written[1], shortage: `an unknown number of replicas: WAIT failed with ${why}` }
    }
    if (Number(reached) >= this.#replicas) return { reply: written[1] }
    return { reply: written[1], shortage: `${reached} of ${this.#replicas} replicas` }
  }

  // WAIT counts the writes of its connection, and one pipeline uses one connection. WAIT also runs if the command
  // failed, so a second try has only the rest of the time. It gets at least 1 ms, since WAIT takes 0 as no limit.
  async #replicated(
    command: keyof Commands<unknown>,
    args: Argument[],
    until: number
  ): Promise<[written: Replied, waited: Replied]> {
    const pipeline = this.#writer.client.pipeline()[command](...args)
    const replies = await pipeline.wait(this.#replicas, Math.max(1, Math.ceil(until - now()))).exec()
    return replies as [Replied, Replied]
  }

  // A cluster client follows a redirection, except in a pipeline that succeeded in part, as with
  // `enableAutoPipelining`. The command had no effect, so this sends it again in a pipeline of one command, which the
  // client follows.
  #follow(client: FullClient, command: keyof Commands<unknown>, args: Argument[]): Promise<unknown> {
    const answer = client[command](...args)
    if (client.isCluster !== true) return answer
    return answer.catch(async (error) => {
      if (!isRedirection(error)) throw error
      const [[refusal, reply]] = (await client
        .pipeline()
        [command](...args)
        .exec()) as [Replied]
      if (refusal !== null) throw refusal
      return reply
    })
  }

  #waitUntil(): number {
    return now() + this.#replicaTimeout
  }
}

function attemptOn({ client, losses }: Line): Attempt {
  return new Attempt(client, losses)
}

function refuseShortage(command: string, { shortage }: Sent): void {
  if (shortage !== undefined) throw new NotReplicatedError(command, shortage)
}

/** A pattern that matches only this text. */
function literally(text: string): string {
  return text.replace(/[\\*?[\]^]/g, '\\$&')
}

function keyPrefixOf(client: object): string {
  return String((client as FullClient).options?.keyPrefix ?? '')
}

function isAlone(reply: unknown): boolean {
  return !(reply instanceof Uint8Array) && Number(reply) === ALONE
}

function outcomeOf(reply: unknown): Outcome {
  if (reply instanceof Uint8Array) return reply
  // A number, or its digits if the client has the option `stringNumbers`.
  return Number(reply) === 1 ? 'done' : 'missing'
}

// A duration, so that a different clock on the server ends no session early. PX requires at least 1.
function millisecondsUntil(instant: number): number {
  return Math.max(1, Math.ceil(instant - Date.now()))
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
