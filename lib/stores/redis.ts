// Sessions in Redis 6.2 or later, or Valkey: one string per session, one key and one round trip per operation. If all
// keys are on one server, reads of concurrent requests share a command, and so do their updates.
import { Buffer } from 'node:buffer'
import { NotReplicatedError, UncertainError } from '../errors.js'
import { Batcher } from './batcher.js'
import { type Losses, lossesOf } from './losses.js'
import type { Argument } from './misdirected.js'
import { type Evaluation, type FullClient, RedisCommands, type Sent } from './redis-commands.js'
import { keyPrefixOf, keysOf } from './redis-keys.js'
import { Attempt, explainRead, explainWrite, isReply, isTimeout, refusesBatches } from './replies.js'
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
import {
  isShorter,
  isTombstone,
  type Mark,
  type Operation,
  type Outcome,
  type Store,
  type WatchEnds
} from './store.js'

/** A client: `Redis` or `Cluster` of ioredis 5 or 6, or of iovalkey. */
export interface RedisClient {
  getBuffer(key: string): Promise<Buffer | null>
  set(key: string, value: Buffer, px: 'PX', milliseconds: number, nx: 'NX'): Promise<unknown>
  evalsha(sha: string, keys: number, ...keysAndArguments: (string | Buffer | number)[]): Promise<unknown>
}

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
  commands: RedisCommands
  losses: Losses
  connection: Connection | undefined
}

/** Maximum tries of a read whose connection was lost. */
const MAX_READS = 3
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
  readonly #ends: EndScripts
  /** The channel that is told of ended sessions; empty if none is. */
  readonly #channel: readonly string[]
  /** Undefined if keys are on several servers or Redis refuses MGET. */
  #reads: Batcher<string, Buffer | undefined> | undefined
  /** Undefined if keys are on several servers or each write waits for replicas. */
  #updates: Batcher<Call, Outcome> | undefined
  #touches: Batcher<Call, Outcome> | undefined
  /** Undefined unless each write waits for replicas. Sessions that end together wait once. */
  readonly #replicatedEnds: Batcher<Evaluation, Outcome> | undefined

  constructor(client: RedisClient, options: RedisStoreOptions = {}) {
    const { channel, replicas = 0, replicaTimeout = 500, writeClient = client } = options
    const lineOf = (of: RedisClient, replicas: number): Line => ({
      client: of as unknown as FullClient,
      commands: new RedisCommands(of as unknown as FullClient, replicas, replicaTimeout),
      losses: lossesOf(of),
      connection: options.connectionOf?.(of)
    })
    this.#reader = lineOf(client, 0)
    this.#writer = lineOf(writeClient, replicas)
    this.#channel = channel === undefined ? [] : [keyPrefixOf(this.#reader.client) + channel]
    this.#ends = endScripts(replicas > 0, channel !== undefined)
    if (replicas > 0) {
      this.#replicatedEnds = new Batcher(
        (call) => this.#run(...call, true),
        (calls) => this.#endTogether(calls),
        () => 0,
        Number.POSITIVE_INFINITY
      )
    }
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
    const until = this.#writer.commands.until
    try {
      let sent = await this.#writer.commands.write('set', [key, bytes, 'PX', milliseconds, 'NX'], until)
      let isCreated = sent.reply !== null
      // The existing record may be this one, from a try whose answer was lost.
      if (!isCreated) {
        sent = await this.#writer.commands.evaluate(CREATED, [key], [bytes, milliseconds], until)
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
    if (this.#channel.length > 0 && (isTombstone(record) || isShorter(record, revision))) {
      return this.#run(this.#ends.tell, key, [...call.slice(1), ...this.#channel])
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
    const call = this.#endOf(key, mark)
    return this.#replicatedEnds === undefined ? this.#run(...call, true) : this.#replicatedEnds.add(call)
  }

  async openIndex(): Promise<SessionIndex> {
    const { RedisIndex } = await import('./redis-index.js')
    return new RedisIndex(async (script, key, args, isRead = false) => {
      const line = isRead ? this.#reader : this.#writer
      const attempt = attemptOn(line)
      try {
        const sent = await line.commands.evaluate(script, [key], args, line.commands.until)
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

  async *keys(prefix: string): AsyncGenerator<string[], void> {
    const { client } = this.#reader
    // A cluster client knows its nodes once it has answered.
    if (client.isCluster === true) await this.#readOne(prefix)
    const attempt = attemptOn(this.#reader)
    try {
      yield* keysOf(client, prefix)
    } catch (error) {
      throw explainRead(error, 'SCAN', attempt)
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
    const { commands, connection } = this.#reader
    for (let tries = 1; ; tries++) {
      const waiting = connection?.ready()
      if (waiting !== undefined) await waiting
      const attempt = attemptOn(this.#reader)
      try {
        return ((await commands.send('getBuffer', [key])) as Buffer | null) ?? undefined
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
      const { reply } = await this.#writer.commands.evaluate(script, keys, [packed(calls)], 0)
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

  #endOf(key: string, mark: Mark | undefined): Evaluation {
    if (mark === undefined) return [this.#ends.end, key, this.#channel]
    const { record, expiresAt, always = false } = mark
    const script = always ? this.#ends.markAlways : this.#ends.mark
    return [script, key, [asBuffer(record), millisecondsUntil(expiresAt), ...this.#channel]]
  }

  async #endTogether(calls: readonly Evaluation[]): Promise<(Outcome | Promise<never> | undefined)[]> {
    const attempt = attemptOn(this.#writer)
    const { commands, client } = this.#writer
    const answers = await commands.evaluateAll(calls, keyPrefixOf(client), commands.until)
    return answers.map((answer) => {
      // A try whose connection was lost may have been executed before the client was redirected.
      if (answer === undefined) {
        return attempt.isLost ? Promise.reject(new UncertainError('EVALSHA', LOST)) : undefined
      }
      try {
        if (answer.error !== undefined) throw answer.error
        return resultOf(answer, attempt, true)
      } catch (error) {
        return Promise.reject(explainWrite(error, 'EVALSHA', attempt))
      }
    })
  }

  // @param isRemoval A missing record then counts as removed by an earlier try. That, or a tombstone of another request,
  // must reach the replicas too.
  async #run(script: Script, key: string, args: readonly Argument[], isRemoval = false): Promise<Outcome> {
    const attempt = attemptOn(this.#writer)
    try {
      const sent = await this.#writer.commands.evaluate(script, [key], args, this.#writer.commands.until)
      return resultOf(sent, attempt, isRemoval)
    } catch (error) {
      throw explainWrite(error, 'EVALSHA', attempt)
    }
  }
}

/** @throws {NotReplicatedError | UncertainError} */
function resultOf(sent: Sent, attempt: Attempt, isRemoval: boolean): Outcome {
  const outcome = outcomeOf(sent.reply)
  const isDone = outcome === 'done' || (isRemoval && outcome === 'missing')
  if (!isDone && attempt.isLost) throw new UncertainError('EVALSHA', LOST)
  const isEndedElsewhere = isRemoval && outcome instanceof Uint8Array && isTombstone(outcome)
  if (isDone || isEndedElsewhere) refuseShortage('EVALSHA', sent)
  return outcome
}

function attemptOn({ client, losses }: Line): Attempt {
  return new Attempt(client, losses)
}

function refuseShortage(command: string, { shortage }: Sent): void {
  if (shortage !== undefined) throw new NotReplicatedError(command, shortage)
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
