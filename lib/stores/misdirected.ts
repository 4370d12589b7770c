// Commands that a cluster client did not take to the node of their slot. They are sent again: none was executed, unless
// by a try whose connection was lost.
import type { Buffer } from 'node:buffer'

/** The answer of a node that does not own the slot, or has handed over the key already; also if the client gave up. */
const REDIRECTION = /^(?:Too many Cluster redirections\. Last error: ReplyError: )?(?:MOVED|ASK|TRYAGAIN)\b/
/** The node that it names. While a slot moves (ASK), that node executes a command only after ASKING. */
const NODE = /\b(MOVED|ASK) \d+ (\S+:\d+)$/
/** What the client says of a pipeline whose slots moved apart after it had gathered the commands. */
const SPLIT = 'All keys in the pipeline should belong to the same slots allocation group'
/** Besides those that the client follows. */
const MAX_REDIRECTIONS = 4

export type Argument = string | Buffer | number
export type Command<Name extends string> = readonly [name: Name, args: readonly Argument[]]
type Replied = [error: Error | null, reply: unknown]
export interface Answer {
  reply: unknown
  /** Why there is no reply. */
  error?: Error
}

type Commands<Name extends string, Reply> = { [Key in Name]: (...args: Argument[]) => Reply }
export type Client<Name extends string> = Commands<Name, Promise<unknown>> & {
  readonly isCluster?: boolean
  pipeline(): Pipeline<Name>
  /** The node of an address, as this process reaches it. */
  natMapper?(address: string): Node
  readonly connectionPool?: { findOrCreate(node: Node): unknown }
  /** Asks where slots are. */
  refreshSlotsCache?(): void
}
type Pipeline<Name extends string> = Commands<Name, unknown> & {
  asking(): unknown
  /** The address of the node to send it to. */
  preferKey?: string
  exec(): Promise<Replied[] | null>
}
interface Node {
  host: string
  port: number
}

/** Whether the command is executed if it is sent again, alone. */
export function isMisdirected(error: Error | undefined): boolean {
  if (error === undefined) return false
  // A client that gathers commands throws a TypeError if it knows no node for the slot.
  return error.message === SPLIT || REDIRECTION.test(error.message) || error instanceof TypeError
}

/** Sends a command to the node of its slot. */
export function send<Name extends string>(
  client: Client<Name>,
  command: Name,
  args: readonly Argument[]
): Promise<unknown> {
  return client.isCluster === true ? sendInCluster(client, command, args) : client[command](...args)
}

// A cluster client follows a redirection, except of a pipeline that succeeded in part. With `enableAutoPipelining` every
// command is in one.
async function sendInCluster<Name extends string>(
  client: Client<Name>,
  command: Name,
  args: readonly Argument[]
): Promise<unknown> {
  let first: Answer
  try {
    return await client[command](...args)
  } catch (error) {
    first = failed(error)
  }
  const { error, reply } = await follow(first, async (redirection) => {
    const [answer] = await execute(client, [[command, args]], redirection)
    return answer as Answer
  })
  if (error !== undefined) throw error
  return reply
}

/** @param again Sends the command again, which this error has redirected. */
export async function follow<Any extends Answer>(
  answer: Any,
  again: (redirection: Error) => Promise<Any>
): Promise<Any> {
  let last = answer
  for (let tries = 0; isMisdirected(last.error) && tries < MAX_REDIRECTIONS; tries++) {
    last = await again(last.error as Error)
  }
  return last
}

/**
 * Sends commands of one node in a pipeline of their own.
 * @param redirection Why an earlier try was not executed.
 */
export async function execute<Name extends string>(
  client: Client<Name>,
  commands: readonly Command<Name>[],
  redirection?: Error
): Promise<Answer[]> {
  const pipeline = client.pipeline()
  if (redirection !== undefined) direct(client, pipeline, redirection)
  for (const [name, args] of commands) pipeline[name](...args)
  const answers = ((await pipeline.exec()) as Replied[]).map(answerOf)
  const asking = answers.length > commands.length ? answers.shift() : undefined
  if (asking?.error === undefined) return answers
  return answers.map((answer) => (answer.error === undefined ? answer : asking))
}

// In a pipeline, the client itself follows only to nodes that it knows, and only if all commands are redirected.
function direct<Name extends string>(
  client: Client<Name>,
  pipeline: Pipeline<Name>,
  { message }: Error
): void {
  const [, word, address = ''] = NODE.exec(message) ?? []
  const node = word === undefined ? undefined : client.natMapper?.(address)
  if (node === undefined) return
  client.connectionPool?.findOrCreate(node)
  pipeline.preferKey = `${node.host}:${node.port}`
  if (word === 'ASK') pipeline.asking()
  else client.refreshSlotsCache?.()
}

function answerOf([error, reply]: Replied): Answer {
  return error === null ? { reply } : failed(error)
}

export function failed(error: unknown): Answer {
  return { reply: undefined, error: error as Error }
}
