// The client that the plugin makes where it is given none: one that fails fast, and comes back by itself.
import { Redis, type RedisOptions } from 'ioredis'
import type { Log } from './events.js'
import type { Connection } from './stores/redis.js'

/** Milliseconds between two attempts to connect, at the most: how long a server that is back goes unnoticed. */
const MAX_RECONNECT_DELAY = 250
/** Milliseconds between two connections that are given up because their server takes no writes. */
const READONLY_PAUSE = 1_000
/** Why nothing was sent where the sentinels are away, or do not know the name. */
const NO_SENTINEL = 'no sentinel'
/** What ioredis says at the end of its list, without the error of a sentinel. */
const UNASKED = /^All sentinels are unreachable\. Retrying from scratch after \d+ms\.$/

/** A client, what is known of its connection, and what ends it. */
export interface OwnClient {
  client: Redis
  connection: Connection
  close(): Promise<void>
}

/** @param timeout Milliseconds that a request waits at the most, after which no answer is of use any more. */
export function createClient(redis: string | RedisOptions, timeout: number, log: Log): OwnClient {
  const retryStrategy = (attempt: number) => Math.min(attempt * 50, MAX_RECONNECT_DELAY)
  // Whether a sentinel has failed since the last connection: the list of them may also be at its end, unasked.
  let wasAsked = false
  const settings = {
    enableAutoPipelining: true,
    // The store gathers reads, updates and touches by itself: they need not wait once more.
    autoPipeliningIgnoredCommands: ['get', 'mget', 'evalsha'],
    maxRetriesPerRequest: 1,
    connectTimeout: timeout,
    commandTimeout: timeout,
    // A peer that accepts and never answers: give the connection up, and with it what waits in line.
    socketTimeout: 2 * timeout,
    disconnectTimeout: 100,
    retryStrategy,
    // What waits for sentinels that do not help has to fail: it would be sent when they do, long after its request.
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
  const connection = { times: 0, isReady: false, failure: undefined as NodeJS.ErrnoException | undefined }
  client.on('ready', () => {
    connection.times++
    connection.isReady = true
    connection.failure = undefined
  })
  client.on('close', () => {
    connection.isReady = false
    wasAsked = false
  })
  client.on('sentinelError', () => {
    wasAsked = true
  })
  client.on('error', (error: NodeJS.ErrnoException & { command?: { name: string } }) => {
    if (UNASKED.test(error.message)) return
    const kind = error.code ?? /\b[A-Z]{3,}\b/.exec(error.message)?.[0] ?? error.name
    if (error.message.startsWith('All sentinels are unreachable')) {
      error.code = NO_SENTINEL
      log.warn({ redis: kind }, 'no sentinel names the primary')
    } else {
      log.warn({ redis: kind }, 'the connection to Redis failed')
    }
    if (!isEcho(error, connection.failure)) connection.failure = error
    // It would go on in database 0, among the sessions of others.
    if (error.command?.name === 'select') client.disconnect(true)
  })
  // A client ends for good where no sentinel answers, and where a failover comes in the midst of a reconnect.
  let isClosing = false
  const reconnect = () => {
    if (!isClosing) client.connect().catch(() => {})
  }
  client.on('end', () => setTimeout(reconnect, MAX_RECONNECT_DELAY).unref())
  return {
    client,
    connection,
    async close() {
      isClosing = true
      await client.quit().catch(() => {})
      // Also what looks out for failovers.
      client.disconnect()
    }
  }
}

// A server that takes no certificate of ours says why (an alert after the handshake, RFC 8446, section 6.2) and hangs up:
// which of the two is noticed is a matter of microseconds. What it said once is the cause of the others too.
function isEcho({ code }: NodeJS.ErrnoException, earlier: NodeJS.ErrnoException | undefined): boolean {
  return (code === 'ECONNRESET' || code === 'EPIPE') && earlier?.code?.startsWith('ERR_SSL_') === true
}

// READONLY is what a primary says that became a replica: another connection finds the new one, in time. The command is
// not sent again, and not every answer begins another connection: where it stays a replica that would never end.
function leaveReplicas(): (error: Error) => boolean {
  let leftAt = Number.NEGATIVE_INFINITY
  return ({ message }) => {
    const now = performance.now()
    if (!message.includes('READONLY') || now - leftAt < READONLY_PAUSE) return false
    leftAt = now
    return true
  }
}
