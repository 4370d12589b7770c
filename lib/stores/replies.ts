// The meaning of errors from Redis and its clients. Their messages may quote keys, payloads and users, so only harmless
// words are passed on.
import {
  ForeignKeyError,
  StoreDeniedError,
  StoreFullError,
  UnavailableError,
  UncertainError
} from '../errors.js'
import type { Losses } from './losses.js'

/** A server that refuses several keys at once with these words will always do so. */
const NO_BATCHES = /^(NOPERM|CROSSSLOT)\b|unknown command/
// Before version 7, Redis puts the error of a command in a script after these words.
const IN_SCRIPT = /^ERR Error running script/
const WORDS_IN_SCRIPT = /\b(OOM|MISCONF|NOPERM|WRONGTYPE|READONLY|NOREPLICAS|CLUSTERDOWN)\b/
// Missing rights in a script have no error word.
const DENIED_IN_SCRIPT = /user executing the script can't|ACL failure in script/
/** Errors that say more than their first word and contain no data. */
const PHRASES =
  /^ERR (unknown command|DB index is out of range|invalid DB index|max number of clients reached|SELECT is not allowed in cluster mode|invalid expire time)/
const TOO_MANY_REDIRECTIONS = /^Too many Cluster redirections\. Last error: (?:ReplyError: ([A-Z]+))?/
// Errors of a client that has not sent the command. A timeout is none of them: the client may still send it from its
// queue.
const UNSENT: readonly [said: RegExp, kind: string][] = [
  [/^Stream isn't writeable/, 'no connection'],
  [/^Cluster isn't ready/, 'no connection'],
  [/^None of startup nodes is available/, 'no connection'],
  [/^Connection in subscriber mode/, 'a client in subscriber mode'],
  [/^Connection is in monitoring mode/, 'a client in monitoring mode']
]
/** The error of the last sentinel that ioredis asked. ERR means that the sentinel does not know the name. */
const SENTINEL_SAID = /Last error: (?!ERR\b)([A-Z]{3,})\b/
const CLOSED = 'Connection is closed.'
const TIMED_OUT = 'Command timed out'

const ERRORS: Record<string, typeof UnavailableError> = {
  OOM: StoreFullError,
  MISCONF: StoreFullError,
  NOAUTH: StoreDeniedError,
  WRONGPASS: StoreDeniedError,
  NOPERM: StoreDeniedError,
  WRONGTYPE: ForeignKeyError
}

export function isReply(error: unknown): error is Error {
  return (error as Error).name === 'ReplyError'
}

/** Whether the client gave up waiting. The command may still be in its queue. */
export function isTimeout(error: unknown): boolean {
  return (error as Error).message === TIMED_OUT
}

export function isNoScript(error: unknown): boolean {
  return isReply(error) && error.message.startsWith('NOSCRIPT')
}

export function refusesBatches(error: Error): boolean {
  return NO_BATCHES.test(error.message)
}

/** One try of a command: what has happened to the client's connections since. */
export class Attempt {
  readonly #client: { readonly status?: string }
  readonly #losses: Losses
  readonly #before: Losses
  readonly #isWaiting: boolean

  constructor(client: { readonly status?: string }, losses: Losses) {
    this.#client = client
    this.#losses = losses
    this.#before = { ...losses }
    this.#isWaiting = client.status !== undefined && client.status !== 'ready'
  }

  /** Whether a connection was lost. The client may have sent the command twice; the answer belongs to the last try. */
  get isLost(): boolean {
    return this.#losses.lost !== this.#before.lost
  }

  /** Whether the client has had no connection since, so it cannot have sent the command. */
  get isUnsent(): boolean {
    return this.#isWaiting && this.#losses.ready === this.#before.ready && this.#client.status !== 'ready'
  }
}

/** The error for a read. */
export function explainRead(error: unknown, command: string, attempt: Attempt): Error {
  if (isSessionError(error)) return error
  const { kind, Refusal = UnavailableError } = meaningOf(error as NodeJS.ErrnoException, attempt)
  return new Refusal(command, kind)
}

/** The error for a write. It is a refusal only if no try has had an effect and none can have one later. */
export function explainWrite(error: unknown, command: string, attempt: Attempt): Error {
  if (isSessionError(error)) return error
  const { kind, Refusal } = meaningOf(error as NodeJS.ErrnoException, attempt)
  const isCertain = Refusal !== undefined && (attempt.isUnsent || !attempt.isLost)
  return isCertain ? new Refusal(command, kind) : new UncertainError(command, kind)
}

/** The error for a command that was not sent because there is no connection to this address. */
export function explainConnection(error: NodeJS.ErrnoException | undefined, address: string): Error {
  const kind = error === undefined ? 'no answer' : connectionKind(error)
  const Refusal = ERRORS[/^[A-Z]+/.exec(kind)?.[0] ?? ''] ?? UnavailableError
  return new Refusal(`the connection to ${address}`, kind)
}

/** Why a connection failed. */
export function connectionKind(error: NodeJS.ErrnoException): string {
  const { code, message, name } = error
  const word = isReply(error) ? wordOf(message) : SENTINEL_SAID.exec(message)?.[1]
  return PHRASES.exec(message)?.[0] ?? word ?? code ?? (name === 'Error' ? 'no answer' : name)
}

interface Meaning {
  kind: string
  /** Undefined if the command may have had an effect. */
  Refusal: typeof UnavailableError | undefined
}

function meaningOf(error: NodeJS.ErrnoException, attempt: Attempt): Meaning {
  const { code, message, name } = error
  if (isReply(error)) return refusalOf(wordOf(message), message)
  const redirections = TOO_MANY_REDIRECTIONS.exec(message)
  if (redirections !== null) return refusalOf(redirections[1], '')
  const unsent = UNSENT.find(([said]) => said.test(message))
  if (unsent !== undefined) return { kind: unsent[1], Refusal: UnavailableError }
  const kind = message === CLOSED ? 'a closed connection' : (code ?? (name === 'Error' ? 'no answer' : name))
  return { kind, Refusal: attempt.isUnsent && message !== TIMED_OUT ? UnavailableError : undefined }
}

// A proxy may report in other words that it has lost the server. The error words of Redis are in capital letters.
function refusalOf(word: string | undefined, message: string): Meaning {
  if (word === undefined) return { kind: 'an answer that is not one of Redis', Refusal: undefined }
  return { kind: PHRASES.exec(message)?.[0] ?? word, Refusal: ERRORS[word] ?? UnavailableError }
}

/** The error word of Redis. The rest of the message must not be passed on. */
export function wordOf(message: string): string | undefined {
  if (DENIED_IN_SCRIPT.test(message)) return 'NOPERM'
  return (IN_SCRIPT.test(message) && WORDS_IN_SCRIPT.exec(message)?.[0]) || /^[A-Z]+\b/.exec(message)?.[0]
}

// The error already has a code, from the wait for a connection or from a look at the answer.
function isSessionError(error: unknown): error is Error {
  return String((error as NodeJS.ErrnoException).code).startsWith('FST_SESSION_')
}
