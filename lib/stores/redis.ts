// Sessions in Redis 6.2 or later, or Valkey: one string a session, one key and one round trip an operation. Reads
// of parallel requests share a command, and so do their updates, where all keys are on one server.
import { Buffer } from 'node:buffer'
import { now } from '../clock.js'
import { NotReplicatedError, UncertainError } from '../errors.js'
import { Gathered } from './gathered.js'
import { type Losses, lossesOf } from './losses.js'
import {
  Attempt,
  explainRead,
  explainWrite,
  isElsewhere,
  isNeverTogether,
  isNoScript,
  isReply,
  isTimeout,
  wordOf
} from './replies.js'
import {
  ALONE,
  type Call,
  CREATED,
  DESTROY,
  DESTROY_DURABLY,
  END,
  END_DURABLY,
  packed,
  type Script,
  TOUCHING,
  UPDATE,
  type Write
} from './scripts.js'
import type { Operation, Outcome, Store } from './store.js'

/** What is used of a client: `Redis` and `Cluster` of ioredis 5 and 6 and of iovalkey all have it. */
export interface RedisClient {
  getBuffer(key: string): Promise<Buffer | null>
  set(key: string, value: Buffer, px: 'PX', milliseconds: number, nx: 'NX'): Promise<unknown>
  evalsha(sha: string, keys: number, ...keysAndArguments: (string | Buffer | number)[]): Promise<unknown>
}

// These clients have a variant of every command that answers with bytes, and pipelines of all of them; their types name
// only some.
interface FullClient extends Commands<Promise<unknown>> {
  readonly isCluster?: boolean
  readonly status?: string
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
  /** How many replicas must have a write before it is answered. Default 0. */
  replicas?: number
  /** Milliseconds that this may take. Default 500. */
  replicaTimeout?: number
  /** The client for writes: while one waits for replicas, what comes behind it on its connection waits too. */
  writeClient?: RedisClient
  /** The connection of a client that sends each command at most once and has no queue for what it cannot send yet. */
  connectionOf?: (client: RedisClient) => Connection | undefined
}

/** A connection as those see it who made it. */
export interface Connection {
  /** `undefined` if commands can be sent now; else resolves when they can, and rejects if that may take long. */
  ready(): Promise<void> | undefined
}

/** A client, and what is known of it. */
interface Line {
  client: FullClient
  losses: Losses
  connection: Connection | undefined
}

interface Sent {
  reply: unknown
  /** Why it is not known to be on enough replicas. */
  shortage?: string
}

/** How often a read is sent whose connection was lost. */
const MAX_READS = 3
/** Why the answer to a write says nothing about an earlier try of it. */
const LOST = 'a lost connection'

/** Stores sessions through this client, which stays its owner's: it is neither configured nor closed here. */
export class RedisStore implements Store {
  readonly #reader: Line
  readonly #writer: Line
  readonly #replicas: number
  readonly #replicaTimeout: number
  /** Undefined where keys are on several servers, or Redis allows no MGET. */
  #reads: Gathered<string, Buffer | undefined> | undefined
  /** Undefined where keys are on several servers, and where each write waits for replicas. */
  #updates: Gathered<Call, Outcome> | undefined
  #touches: Gathered<Call, Outcome> | undefined

  constructor(client: RedisClient, options: RedisStoreOptions = {}) {
    const { replicas = 0, replicaTimeout = 500, writeClient = client } = options
    const lineOf = (of: RedisClient): Line => ({
      client: of as unknown as FullClient,
      losses: lossesOf(of),
      connection: options.connectionOf?.(of)
    })
    this.#reader = lineOf(client)
    this.#writer = lineOf(writeClient)
    this.#replicas = replicas
    this.#replicaTimeout = replicaTimeout
    if (this.#reader.client.isCluster === true) return
    if (this.#reader.client.mgetBuffer !== undefined) {
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

  /** Whether an operation can be sent: only a client of the plugin's own has no queue to wait in. */
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
      // What is there may be this very record, of a try whose answer was lost.
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
    return this.#updates === undefined ? this.#alone(UPDATE, call) : this.#updates.add(call)
  }

  touch(key: string, revision: Uint8Array, patch: Uint8Array, expiresAt: number): Promise<Outcome> {
    const call = [key, asBuffer(revision), asBuffer(patch), millisecondsUntil(expiresAt)] as const
    return this.#touches === undefined ? this.#alone(TOUCHING, call) : this.#touches.add(call)
  }

  destroy(key: string, revision: Uint8Array): Promise<Outcome> {
    return this.#run(this.#replicas === 0 ? DESTROY : DESTROY_DURABLY, key, [asBuffer(revision)], true)
  }

  end(key: string): Promise<Outcome> {
    return this.#run(this.#replicas === 0 ? END : END_DURABLY, key, [], true)
  }

  // For MGET a value that is no string is nothing at all, and a refusal concerns all keys: GET tells of each by itself.
  async #readMany(keys: string[]): Promise<(Buffer | Promise<never> | undefined)[]> {
    const attempt = attemptOn(this.#reader)
    try {
      const replies = (await this.#reader.client.mgetBuffer?.(keys)) ?? []
      return replies.map((reply) => reply ?? undefined)
    } catch (error) {
      if (isReply(error)) {
        if (isNeverTogether(error)) this.#reads = undefined
        return []
      }
      if (this.#reader.connection !== undefined && !isTimeout(error)) return []
      // An error for each: who handles one may well write on it.
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

  #gather(write: Write): Gathered<Call, Outcome> {
    return new Gathered(
      (call) => this.#alone(write, call),
      (calls) => this.#runTogether(write.together, calls),
      ([, , bytes]) => bytes.length
    )
  }

  // Each by itself where Redis refuses them together: the reason may be one of them.
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
        if (isNeverTogether(error)) this.#updates = this.#touches = undefined
        return []
      }
      return calls.map(() => Promise.reject(explainWrite(error, 'EVALSHA', attempt)))
    }
  }

  // @param isRemoval What is missing is then gone, whichever try removed it, and must be as durable as what this one removes.
  async #run(script: Script, key: string, args: Argument[], isRemoval = false): Promise<Outcome> {
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

  // The client's own `defineCommand` would change a client that is not ours, and in a pipeline after SCRIPT FLUSH
  // it sends the script again behind the commands that follow it.
  async #evaluate({ sha, source }: Script, keys: string[], args: Argument[], until: number): Promise<Sent> {
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
    if (written[0] !== null && isElsewhere(written[0])) {
      // The slot has another node, which a cluster client learns from a command of its own only.
      await client.getBuffer(String(args[command === 'set' ? 0 : 2]))
      ;[written, waited] = await this.#replicated(command, args, until)
    }
    if (written[0] !== null) throw written[0]
    const [error, reached] = waited
    if (error !== null) {
      // The write has taken place, whatever is wrong with the wait.
      const why = (isReply(error) && wordOf(error.message)) || 'the connection'
      return { reply: written[1], shortage: `no known number of replicas: WAIT failed with ${why}` }
    }
    if (Number(reached) >= this.#replicas) return { reply: written[1] }
    return { reply: written[1], shortage: `${reached} of ${this.#replicas} replicas` }
  }

  // In one pipeline, which goes over one connection: WAIT counts what that connection has written. It waits where the
  // command has failed, too: what is tried again has what is left of the time, and at least 1, since 0 has no end.
  async #replicated(
    command: keyof Commands<unknown>,
    args: Argument[],
    until: number
  ): Promise<[written: Replied, waited: Replied]> {
    const pipeline = this.#writer.client.pipeline()[command](...args)
    const replies = await pipeline.wait(this.#replicas, Math.max(1, Math.ceil(until - now()))).exec()
    return replies as [Replied, Replied]
  }

  // A cluster client follows a slot that moves, except for a command that it sent in a pipeline with others (as
  // `enableAutoPipelining` does) of which a part succeeded. The command was refused: in a pipeline alone it is followed.
  #follow(client: FullClient, command: keyof Commands<unknown>, args: Argument[]): Promise<unknown> {
    const answer = client[command](...args)
    if (client.isCluster !== true) return answer
    return answer.catch(async (error) => {
      if (!isElsewhere(error)) throw error
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

function isAlone(reply: unknown): boolean {
  return !(reply instanceof Uint8Array) && Number(reply) === ALONE
}

function outcomeOf(reply: unknown): Outcome {
  if (reply instanceof Uint8Array) return reply
  // A number, or its digits where the client has `stringNumbers`.
  return Number(reply) === 1 ? 'done' : 'missing'
}

// Relative, so that a clock of Redis that differs from ours ends no session early; at least 1, as PX demands.
function millisecondsUntil(instant: number): number {
  return Math.max(1, Math.ceil(instant - Date.now()))
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
