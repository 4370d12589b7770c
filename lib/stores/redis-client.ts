// The client that the plugin creates if it is given none. It sends each command at most once, fails fast, and
// reconnects.
import { Redis, type RedisOptions } from 'ioredis'
import { now, pause, setTimeout } from '../clock.js'
import type { Log } from '../events.js'
import { LogThrottle } from '../throttle.js'
import { addressOf } from './address.js'
import type { Connection } from './redis.js'
import { connectionKind, explainConnection, isReply } from './replies.js'

/** Maximum milliseconds between two attempts to connect: a server that is back goes unnoticed for no longer. */
const MAX_RECONNECT_DELAY = 250
/** Minimum milliseconds between two reconnections because of READONLY. */
const READONLY_PAUSE = 1_000
/** After this many failed attempts to connect, requests no longer wait for a connection. */
const MAX_ATTEMPTS = 2
/** Maximum milliseconds to wait for the answer to QUIT, since the server may be frozen. */
const MAX_QUIT = 100
/** The kind of failure if the sentinels do not answer or do not know the name. */
const NO_SENTINEL = 'no sentinel'
/** Errors that only repeat an earlier one: the end of the list of sentinels, a command on an abandoned connection. */
const NOT_A_CAUSE =
  /^All sentinels are unreachable\. Retrying from scratch after \d+ms\.$|^Stream isn't writeable/
/**
 * With these options ioredis sends no command twice, and none from a queue after its request has failed. Commands that
 * a lost connection has not answered fail immediately: with `maxRetriesPerRequest` 0 ioredis empties its queue whenever
 * a connection closes, and without `autoResendUnfulfilledCommands` it keeps no copy.
 */
const SENT_ONCE = { autoResendUnfulfilledCommands: false, enableOfflineQueue: false, maxRetriesPerRequest: 0 }

interface OwnClient {
  client: Redis
  connection: Connection
  close(): Promise<void>
}

/** @param timeout The timeout of a request, in milliseconds. Later answers are useless. */
export function createClient(redis: string | RedisOptions, timeout: number, log: Log): OwnClient {
  // Whether a sentinel has failed since the last connection. ioredis may reach the end of its list without asking any.
  let wasAsked = false
  const settings = {
    connectTimeout: timeout,
    // Longer than `timeout`: if the event loop was blocked, the timer must not fire before the answer is read. Shorter than
    // `socketTimeout`: a read that nobody waits for any more must not be sent again.
    commandTimeout: 1.75 * timeout,
    // Drop a connection that accepts commands and never answers, with all commands in line.
    socketTimeout: 2 * timeout,
    disconnectTimeout: 100,
    // A loading Redis announces how many seconds it needs, but is often ready much earlier.
    maxLoadingRetryTime: MAX_RECONNECT_DELAY,
    retryStrategy: (attempt: number) => Math.min(attempt * 50, MAX_RECONNECT_DELAY),
    // Ends the client if the sentinels do not help, so that waiting requests fail.
    sentinelRetryStrategy: () => {
      const retryDelay = wasAsked ? null : 0
      wasAsked = false
      return retryDelay
    },
    sentinelCommandTimeout: timeout,
    reconnectOnError: leaveReplicas()
  }
  const client =
    typeof redis === 'string'
      ? new Redis(redis, settings)
      : new Redis({
          ...settings,
          // Without it, a client keeps writing to the old primary after a manual failover.
          failoverDetector: redis.sentinels !== undefined && redis.sentinels !== null,
          ...(redis as Omit<RedisOptions, 'replyMapping'>)
        })
  // Overrides the application's options and URL, because the store relies on these.
  Object.assign(client.options, SENT_ONCE)
  client.on('close', () => {
    wasAsked = false
  })
  client.on('sentinelError', () => {
    wasAsked = true
  })
  const connection = new OwnConnection(client, log)
  return { client, connection, close: () => connection.close() }
}

class OwnConnection implements Connection {
  readonly #client: Redis
  readonly #log: Log
  readonly #warnings = new LogThrottle()
  /** Requests without a connection wait for this. Resolves to whether there is one. */
  #nextConnection: Promise<boolean> | undefined
  #settleNext: ((isReady: boolean) => void) | undefined
  /** Why the last attempt to connect failed. */
  #failure: NodeJS.ErrnoException | undefined
  /** Failed attempts since the last connection. */
  #failed = 0
  #wasReady = false
  #isClosing = false

  constructor(client: Redis, log: Log) {
    this.#client = client
    this.#log = log
    client.on('ready', () => {
      // The connection may already be closing because its database does not exist.
      if (!this.#isReady) return
      this.#wasReady = true
      this.#failed = 0
      this.#failure = undefined
      this.#warnings.forget()
      this.#settle(true)
    })
    client.on('close', () => {
      if (!this.#wasReady && ++this.#failed >= MAX_ATTEMPTS) this.#settle(false)
      this.#wasReady = false
    })
    client.on('error', (error) => this.#noteFailure(error))
    // ioredis gives up if no sentinel answers, or if a failover interrupts a reconnection.
    client.on('end', () => {
      this.#settle(false)
      setTimeout(() => this.#reconnect(), MAX_RECONNECT_DELAY).unref()
    })
  }

  /**
   * Returns `undefined` if commands can be sent now. Otherwise, returns a promise that resolves when they can, and
   * rejects after failed attempts to connect.
   */
  ready(): Promise<void> | undefined {
    if (this.#isReady) return undefined
    if (this.#isClosing) return Promise.reject(this.#explain())
    this.#nextConnection ??= new Promise((resolve) => {
      this.#settleNext = resolve
    })
    // A separate error for each request, because an error handler may modify it.
    return this.#nextConnection.then((isReady) => {
      if (!isReady) throw this.#explain()
    })
  }

  /** Fails waiting requests and closes the client, even if the server does not answer. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#settle(false)
    if (this.#isReady) await Promise.race([Promise.allSettled([this.#client.quit()]), pause(MAX_QUIT)])
    // Also stops the failover detector.
    this.#client.disconnect()
  }

  // A closing connection accepts no commands, but the client's status remains 'ready' until it is closed.
  get #isReady(): boolean {
    return this.#client.status === 'ready' && this.#client.stream.writable
  }

  #settle(isReady: boolean): void {
    this.#settleNext?.(isReady)
    this.#nextConnection = this.#settleNext = undefined
  }

  #reconnect(): void {
    if (!this.#isClosing) this.#client.connect().catch(() => {})
  }

  #noteFailure(error: NodeJS.ErrnoException & { command?: { name: string } }): void {
    if (NOT_A_CAUSE.test(error.message)) return
    const isSentinel = error.message.startsWith('All sentinels are unreachable')
    if (isSentinel) error.code = NO_SENTINEL
    const kind = connectionKind(error)
    if (this.#warnings.isDue(kind)) {
      const address = addressOf(this.#client)
      this.#log.warn(
        { redis: kind },
        isSentinel
          ? `no sentinel names the primary: ${address} (check their addresses and the name)`
          : `the connection to ${address} failed: check the server and the option redis`
      )
    }
    if (!isEcho(error, this.#failure)) this.#failure = error
    // Redis will refuse again, so do not wait for another attempt.
    if (isReply(error)) this.#settle(false)
    // ioredis would continue in database 0, which may hold other sessions.
    if (error.command?.name === 'select') this.#client.disconnect(true)
  }

  #explain(): Error {
    return explainConnection(this.#failure, addressOf(this.#client))
  }
}

// A server that rejects the client's certificate sends an alert after the handshake (RFC 8446, section 6.2) and closes
// the connection. Timing decides which of the two the client sees, so an alert explains later disconnections too.
// The same holds for a Redis that accepts no more clients.
function isEcho({ code }: NodeJS.ErrnoException, earlier: NodeJS.ErrnoException | undefined): boolean {
  if (earlier === undefined || (code !== 'ECONNRESET' && code !== 'EPIPE')) return false
  return earlier.code?.startsWith('ERR_SSL_') === true || isReply(earlier)
}

// A primary that has become a replica answers READONLY; a new connection will find the new primary. The command is not
// sent again. The pause keeps the client from reconnecting forever if the server remains a replica.
function leaveReplicas(): (error: Error) => boolean {
  let leftAt = Number.NEGATIVE_INFINITY
  return ({ message }) => {
    const at = now()
    if (!message.includes('READONLY') || at - leftAt < READONLY_PAUSE) return false
    leftAt = at
    return true
  }
}
