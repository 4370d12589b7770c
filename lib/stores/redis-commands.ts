// Commands as one client sends them: follows redirections, loads scripts, and waits for replicas.
import type { Buffer } from 'node:buffer'
import { now } from '../clock.js'
import { isNoScript, isRedirection, isReply, wordOf } from './replies.js'
import type { Script } from './scripts.js'

// These clients have every command in a variant that returns bytes, and all of them in pipelines. Their types do not
// name all.
export interface FullClient extends Commands<Promise<unknown>> {
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
export type Argument = string | Buffer | number

export interface Sent {
  reply: unknown
  /** Why the write is not known to be on enough replicas. */
  shortage?: string
}

export class RedisCommands {
  readonly #client: FullClient
  readonly #replicas: number
  readonly #replicaTimeout: number

  /** @param replicas How many replicas must have a write, within `replicaTimeout` milliseconds. */
  constructor(client: FullClient, replicas: number, replicaTimeout: number) {
    this.#client = client
    this.#replicas = replicas
    this.#replicaTimeout = replicaTimeout
  }

  /** Until when a write that begins now waits for replicas, on the clock of `now()`. */
  get until(): number {
    return now() + this.#replicaTimeout
  }

  // The client's `defineCommand` would modify the application's client. In a pipeline after SCRIPT FLUSH, it also
  // resends the script after the commands that follow.
  async evaluate(
    { sha, source }: Script,
    keys: string[],
    args: readonly Argument[],
    until: number
  ): Promise<Sent> {
    const rest = [keys.length, ...keys, ...args]
    try {
      return await this.write('evalshaBuffer', [sha, ...rest], until)
    } catch (error) {
      if (!isNoScript(error)) throw error
      return this.write('evalBuffer', [source, ...rest], until)
    }
  }

  async write(command: keyof Commands<unknown>, args: Argument[], until: number): Promise<Sent> {
    if (this.#replicas === 0) return { reply: await this.send(command, args) }
    let [written, waited] = await this.#replicated(command, args, until)
    if (written[0] !== null && isRedirection(written[0])) {
      // The slot has moved to another node. A cluster client learns that only from a command outside a pipeline.
      await this.#client.getBuffer(String(args[command === 'set' ? 0 : 2]))
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
    const pipeline = this.#client.pipeline()[command](...args)
    const replies = await pipeline.wait(this.#replicas, Math.max(1, Math.ceil(until - now()))).exec()
    return replies as [Replied, Replied]
  }

  // A cluster client follows a redirection, except in a pipeline that succeeded in part, as with
  // `enableAutoPipelining`. The command had no effect, so this sends it again in a pipeline of one command, which the
  // client follows.
  send(command: keyof Commands<unknown>, args: Argument[]): Promise<unknown> {
    const client = this.#client
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
}
