// Commands that a cluster client has not taken to the node of their slot. They had no effect, and are sent again.
import type { Buffer } from 'node:buffer'

/** The answer of a node that does not own the slot. */
const REDIRECTION = /^(MOVED|ASK|TRYAGAIN)\b/
/** What the client says of a pipeline whose slots moved apart after it had gathered the commands. */
const SPLIT = 'All keys in the pipeline should belong to the same slots allocation group'

export type Argument = string | Buffer | number
export type Replied = [error: Error | null, reply: unknown]
export type Commands<Name extends string, Reply> = { [Key in Name]: (...args: Argument[]) => Reply }
export type Client<Name extends string> = Commands<Name, Promise<unknown>> & {
  readonly isCluster?: boolean
  pipeline(): Commands<Name, { exec(): Promise<Replied[] | null> }>
}

/** Whether the command is executed if it is sent again, alone. */
export function isMisdirected(error: Error | undefined): boolean {
  if (error?.name === 'ReplyError') return REDIRECTION.test(error.message)
  // A client that gathers commands throws a TypeError if it knows no node for the slot.
  return error?.message === SPLIT || error instanceof TypeError
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
// command is in one. It always follows the redirection of a pipeline of one command.
async function sendInCluster<Name extends string>(
  client: Client<Name>,
  command: Name,
  args: readonly Argument[]
): Promise<unknown> {
  try {
    return await client[command](...args)
  } catch (error) {
    if (!isMisdirected(error as Error)) throw error
  }
  const [[refusal, reply]] = (await client
    .pipeline()
    [command](...args)
    .exec()) as [Replied]
  if (refusal !== null) throw refusal
  return reply
}
