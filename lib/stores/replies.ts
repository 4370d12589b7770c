// What the errors of Redis and of its clients mean. They quote keys, payloads and users: only words that can hold nothing
// of that are passed on.
import {
  ForeignKeyError,
  StoreDeniedError,
  StoreFullError,
  UnavailableError,
  UncertainError
} from '../errors.js'
import type { Losses } from './losses.js'

/** What a server says to several keys at once that will go on to say so. */
const NEVER_TOGETHER = /^(NOPERM|CROSSSLOT)\b|unknown command/
/** What a node says of a slot that is another's: ioredis follows it, except in a pipeline of which a part succeeded. */
const ELSEWHERE = /^(MOVED|ASK|TRYAGAIN)\b/
// Before version 7 the words of an error within a script stand behind what says so.
const IN_SCRIPT = /^ERR Error running script/
const WORDS_IN_SCRIPT = /\b(OOM|MISCONF|NOPERM|WRONGTYPE|READONLY|NOREPLICAS|CLUSTERDOWN)\b/
// A lack of rights that shows within a script has no word of its own.
const DENIED_IN_SCRIPT = /user executing the script can't|ACL failure in script/
/** What says more than its first word and holds no data. */
const PHRASES =
  /^ERR (unknown command|DB index is out of range|invalid DB index|max number of clients reached|SELECT is not allowed in cluster mode|invalid expire time)/
const REDIRECTIONS = /^Too many Cluster redirections\. Last error: (?:ReplyError: ([A-Z]+))?/
// What a client says of a command that it has not written. A command in its queue may time out as well, and is then sent.
const UNSENT: readonly [said: RegExp, kind: string][] = [
  [/^Stream isn't writeable/, 'no connection'],
  [/^Cluster isn't ready/, 'no connection'],
  [/^None of startup nodes is available/, 'no connection'],
  [/^Connection in subscriber mode/, 'a client in subscriber mode'],
  [/^Connection is in monitoring mode/, 'a client in monitoring mode']
]
/** What ioredis says of the last sentinel that it asked; ERR is what one says that does not know the name. */
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

export function isElsewhere(error: unknown): boolean {
  return isReply(error) && ELSEWHERE.test(error.message)
}

/** Whether the client gave the command up, which may still be in its queue. */
export function isTimeout(error: unknown): boolean {
  return (error as Error).message === TIMED_OUT
}

export function isNoScript(error: unknown): boolean {
  return isReply(error) && error.message.startsWith('NOSCRIPT')
}

export function isNeverTogether(error: Error): boolean {
  return NEVER_TOGETHER.test(error.message)
}

/** One command on its way: what is known of the client since it was given to it. */
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

  /** Whether a connection was lost: a client may have sent the command twice, and the answer tells of the last time. */
  get isLost(): boolean {
    return this.#losses.lost !== this.#before.lost
  }

  /** Whether the client has had no connection to write to. */
  get isUnsent(): boolean {
    return this.#isWaiting && this.#losses.ready === this.#before.ready && this.#client.status !== 'ready'
  }
}

/** An error for a read. */
export function explainRead(error: unknown, command: string, attempt: Attempt): Error {
  if (isOurs(error)) return error
  const { kind, Refusal = UnavailableError } = meaningOf(error as NodeJS.ErrnoException, attempt)
  return new Refusal(command, kind)
}

/** An error for a write: a refusal only if no try of it can have taken place, nor can yet. */
export function explainWrite(error: unknown, command: string, attempt: Attempt): Error {
  if (isOurs(error)) return error
  const { kind, Refusal } = meaningOf(error as NodeJS.ErrnoException, attempt)
  const isCertain = Refusal !== undefined && (attempt.isUnsent || !attempt.isLost)
  return isCertain ? new Refusal(command, kind) : new UncertainError(command, kind)
}

/** An error for what was not sent, since there is no connection to this address. */
export function explainConnection(error: NodeJS.ErrnoException | undefined, address: string): Error {
  const kind = error === undefined ? 'no answer' : connectionKind(error)
  const Refusal = ERRORS[/^[A-Z]+/.exec(kind)?.[0] ?? ''] ?? UnavailableError
  return new Refusal(`the connection to ${address}`, kind)
}

/** What a connection failed with. */
export function connectionKind(error: NodeJS.ErrnoException): string {
  const { code, message, name } = error
  const word = isReply(error) ? wordOf(message) : SENTINEL_SAID.exec(message)?.[1]
  return PHRASES.exec(message)?.[0] ?? word ?? code ?? (name === 'Error' ? 'no answer' : name)
}

interface Meaning {
  kind: string
  /** Undefined if the command may have been carried out. */
  Refusal: typeof UnavailableError | undefined
}

function meaningOf(error: NodeJS.ErrnoException, attempt: Attempt): Meaning {
  const { code, message, name } = error
  if (isReply(error)) return refusalOf(wordOf(message), message)
  const redirections = REDIRECTIONS.exec(message)
  if (redirections !== null) return refusalOf(redirections[1], '')
  const unsent = UNSENT.find(([said]) => said.test(message))
  if (unsent !== undefined) return { kind: unsent[1], Refusal: UnavailableError }
  const kind = message === CLOSED ? 'a closed connection' : (code ?? (name === 'Error' ? 'no answer' : name))
  return { kind, Refusal: attempt.isUnsent && message !== TIMED_OUT ? UnavailableError : undefined }
}

// A proxy may say in its own words that it has lost the server; every word of Redis is in capital letters.
function refusalOf(word: string | undefined, message: string): Meaning {
  if (word === undefined) return { kind: 'an answer that is not one of Redis', Refusal: undefined }
  return { kind: PHRASES.exec(message)?.[0] ?? word, Refusal: ERRORS[word] ?? UnavailableError }
}

/** The word that says what Redis refuses: of the rest nothing may be passed on. */
export function wordOf(message: string): string | undefined {
  if (DENIED_IN_SCRIPT.test(message)) return 'NOPERM'
  return (IN_SCRIPT.test(message) && WORDS_IN_SCRIPT.exec(message)?.[0]) || /^[A-Z]+\b/.exec(message)?.[0]
}

// With a code already: what waited for a connection, or was found out from the answer.
function isOurs(error: unknown): error is Error {
  return String((error as NodeJS.ErrnoException).code).startsWith('FST_SESSION_')
}
