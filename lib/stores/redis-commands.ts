// Commands as one client sends them: follows redirections, loads scripts, and waits for replicas.
import type { Buffer } from 'node:buffer'
import { now } from '../clock.js'
import {
  type Answer,
  type Argument,
  type Client,
  type Command,
  execute,
  failed,
  follow,
  isMisdirected,
  send
} from './misdirected.js'
import { isNoScript, isReply, wordOf } from './replies.js'
import type { Script } from './scripts.js'
import { groupsOf } from './slots.js'

type Name = 'getBuffer' | 'set' | 'evalshaBuffer' | 'evalBuffer'

// These clients have every command in a variant that returns bytes, and all of them in pipelines. Their types do not
// name all.
export interface FullClient extends Client<Name | 'wait'> {
  readonly status?: string
  readonly options?: { keyPrefix?: unknown }
  /** The servers of each slot of a cluster. */
  readonly slots?: readonly (readonly string[] | undefined)[]
  nodes?(role: 'master'): FullClient[]
  scan(...args: Argument[]): Promise<[cursor: string, keys: string[]]>
  mgetBuffer?(keys: string[]): Promise<(Buffer | null)[]>
}

/** A script that is called with one key. */
export type Evaluation = readonly [script: Script, key: string, args: readonly Argument[]]

export interface Sent extends Answer {
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

  /**
   * Calls scripts at the same time. They wait together for the replicas: once for each primary.
   * @returns For each its answer or error; `undefined` if it must be sent alone, because its slot has moved.
   */
  async evaluateAll(
    calls: readonly Evaluation[],
    prefix: string,
    until: number
  ): Promise<(Sent | undefined)[]> {
    const results: (Sent | undefined)[] = []
    const evaluateAt = async (positions: readonly number[], isKnown: boolean): Promise<void> => {
      const commands = positions.map((at): Command<Name> => {
        const [{ sha, source }, key, args] = calls[at] as Evaluation
        return isKnown ? ['evalshaBuffer', [sha, 1, key, ...args]] : ['evalBuffer', [source, 1, key, ...args]]
      })
      const sent = await this.#replicated(commands, until).catch((error) => commands.map(() => failed(error)))
      const unknown: number[] = []
      for (const [index, at] of positions.entries()) {
        const answer = sent[index] as Sent
        const { error } = answer
        if (error !== undefined && isNoScript(error)) unknown.push(at)
        results[at] = isMisdirected(error) ? undefined : answer
      }
      if (unknown.length > 0) await evaluateAt(unknown, false)
    }
    const keys = calls.map(([, key]) => prefix + key)
    await Promise.all(groupsOf(this.#client, keys).map((positions) => evaluateAt(positions, true)))
    return results
  }

  async write(command: Name, args: Argument[], until: number): Promise<Sent> {
    if (this.#replicas === 0) return { reply: await this.send(command, args) }
    const write = async (redirection?: Error): Promise<Sent> => {
      const [sent] = await this.#replicated([[command, args]], until, redirection)
      return sent as Sent
    }
    const first = await write()
    const sent = this.#client.isCluster === true ? await follow(first, write) : first
    if (sent.error !== undefined) throw sent.error
    return sent
  }

  // WAIT counts the writes of its connection, and one pipeline uses one connection. WAIT also runs if the commands
  // failed or were redirected, so a second try has only the rest of the time. It gets at least 1 ms, since WAIT takes 0
  // as no limit.
  async #replicated(commands: readonly Command<Name>[], until: number, redirection?: Error): Promise<Sent[]> {
    const milliseconds = Math.max(1, Math.ceil(until - now()))
    const waiting: Command<'wait'> = ['wait', [this.#replicas, milliseconds]]
    const answers = await execute(this.#client, [...commands, waiting], redirection)
    const shortage = this.#shortageIn(answers.pop() as Answer)
    return answers.map((answer) => (answer.error === undefined ? { ...answer, ...shortage } : answer))
  }

  #shortageIn({ error, reply }: Answer): { shortage?: string } {
    if (error !== undefined) {
      // The writes have succeeded, even if WAIT has not.
      const why = (isReply(error) && wordOf(error.message)) || 'the connection'
      return { shortage: `an unknown number of replicas: WAIT failed with ${why}` }
    }
    return Number(reply) >= this.#replicas ? {} : { shortage: `${reply} of ${this.#replicas} replicas` }
  }

  send(command: Name, args: readonly Argument[]): Promise<unknown> {
    return send(this.#client, command, args)
  }
}
