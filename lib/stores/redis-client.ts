// The client that the plugin makes where it is given none: one that sends each command at most once, fails fast, and
// comes back by itself.
import { Redis, type RedisOptions } from 'ioredis'
import { now, pause, setTimeout } from '../clock.js'
import type { Log } from '../events.js'
import { LogThrottle } from '../throttle.js'
import { addressOf } from './address.js'
import type { Connection } from './redis.js'
import { connectionKind, explainConnection, isReply } from './replies.js'

/** Milliseconds between two attempts to connect, at the most: how long a server that is back goes unnoticed. */
const MAX_RECONNECT_DELAY = 250
/** Milliseconds between two connections that are given up because their server takes no writes. */
const READONLY_PAUSE = 1_000
/** How many attempts to connect have to fail before nobody waits for the next one. */
const MAX_ATTEMPTS = 2
/** Milliseconds for which the end waits for a server that may be frozen. */
const MAX_QUIT = 100
/** Why nothing was sent where the sentinels are away, or do not know the name. */
const NO_SENTINEL = 'no sentinel'
/** What says nothing new: the end of a list of sentinels, and what was to be sent on a connection that is given up. */
const NOT_A_CAUSE =
  /^All sentinels are unreachable\. Retrying from scratch after \d+ms\.$|^Stream isn't writeable/
/**
 * With these no command is sent twice, and none waits in a queue from which it would be sent when its request has long
 * been refused. What a connection had not answered when it was lost fails at once: at `maxRetriesPerRequest` 0 ioredis
 * empties its queue with every connection, and without `autoResendUnfulfilledCommands` it keeps no copy.
 */
const SENT_ONCE = { autoResendUnfulfilledCommands: false, enableOfflineQueue: false, maxRetriesPerRequest: 0 }

/** A client, what is known of its connection, and what ends it. */
interface OwnClient {
  client: Redis
  connection: Connection
  close(): Promise<void>
}

/** @param timeout Milliseconds that a request waits at the most, after which no answer is of use any more. */
export function createClient(redis: string | RedisOptions, timeout: number, log: Log): OwnClient {
  // Whether a sentinel has failed since the last connection: the list of them may also be at its end, unasked.
  let wasAsked = false
  const settings = {
    connectTimeout: timeout,
    commandTimeout: timeout,
    // A peer that accepts and never answers: give the connection up, and with it what waits in line.
    socketTimeout: 2 * timeout,
    disconnectTimeout: 100,
    // Redis says how many seconds it expects to need for loading its data, and is often ready long before.
    maxLoadingRetryTime: MAX_RECONNECT_DELAY,
    retryStrategy: (attempt: number) => Math.min(attempt * 50, MAX_RECONNECT_DELAY),
    // What waits for sentinels that do not help has to fail.
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
          // Without it a client goes on writing to the old primary after an ordered failover.
          failoverDetector: redis.sentinels !== undefined && redis.sentinels !== null,
          ...(redis as Omit<RedisOptions, 'replyMapping'>)
        })
  // Whatever the application or its URL says: the store relies on it.
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
  /** What those wait for who need a connection: whether there is one. */
  #next: Promise<boolean> | undefined
  #tell: ((isReady: boolean) => void) | undefined
  /** Why the last attempt to connect has failed. */
  #failure: NodeJS.ErrnoException | undefined
  /** How many attempts have failed since the last connection. */
  #failed = 0
  #wasReady = false
  #isClosing = false

  constructor(client: Redis, log: Log) {
    this.#client = client
    this.#log = log
    client.on('ready', () => {
      // It may be given up already, for a database that is not there.
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
    // A client ends for good where no sentinel answers, and where a failover comes in the midst of a reconnect.
    client.on('end', () => {
      this.#settle(false)
      setTimeout(() => this.#reconnect(), MAX_RECONNECT_DELAY).unref()
    })
  }

  /** `undefined` if commands can be sent; else resolves when they can, and rejects when attempts to connect have failed. */
  ready(): Promise<void> | undefined {
    if (this.#isReady) return undefined
    if (this.#isClosing) return Promise.reject(this.#explain())
    this.#next ??= new Promise((resolve) => {
      this.#tell = resolve
    })
    // An error for each: who handles one may well write on it.
    return this.#next.then((isReady) => {
      if (!isReady) throw this.#explain()
    })
  }

  /** Ends what waits, and the client: a server that does not answer is not waited for. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#settle(false)
    if (this.#isReady) await Promise.race([Promise.allSettled([this.#client.quit()]), pause(MAX_QUIT)])
    // Also what looks out for failovers.
    this.#client.disconnect()
  }

  // A connection that is being given up takes no more commands, though the client calls itself ready until it is gone.
  get #isReady(): boolean {
    return this.#client.status === 'ready' && this.#client.stream.writable
  }

  #settle(isReady: boolean): void {
    this.#tell?.(isReady)
    this.#next = this.#tell = undefined
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
        isSentinel ? `no sentinel names the primary: ${address}` : `the connection to ${address} failed`
      )
    }
    if (!isEcho(error, this.#failure)) this.#failure = error
    // What Redis says no to it will say no to again.
    if (isReply(error)) this.#settle(false)
    // It would go on in database 0, among the sessions of others.
    if (error.command?.name === 'select') this.#client.disconnect(true)
  }

  #explain(): Error {
    return explainConnection(this.#failure, addressOf(this.#client))
  }
}

// A server that takes no certificate of ours says why (an alert after the handshake, RFC 8446, section 6.2) and hangs up:
// which of the two is noticed is a matter of microseconds. What it said once is the cause of the others too. Likewise a
// Redis that takes no more clients.
function isEcho({ code }: NodeJS.ErrnoException, earlier: NodeJS.ErrnoException | undefined): boolean {
  if (earlier === undefined || (code !== 'ECONNRESET' && code !== 'EPIPE')) return false
  return earlier.code?.startsWith('ERR_SSL_') === true || isReply(earlier)
}

// READONLY is what a primary says that became a replica: another connection finds the new one, in time. The command is
// not sent again, and not every answer begins another connection: where it stays a replica that would never end.
function leaveReplicas(): (error: Error) => boolean {
  let leftAt = Number.NEGATIVE_INFINITY
  return ({ message }) => {
    const at = now()
    if (!message.includes('READONLY') || at - leftAt < READONLY_PAUSE) return false
    leftAt = at
    return true
  }
}
