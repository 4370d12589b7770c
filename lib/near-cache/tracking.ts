// The tracking connection: Redis reports the written keys on it (client-side caching in broadcast mode). Nothing orders
// messages of two connections. On this one, the invalidations of all writes that were answered before a PING was sent
// arrive before the answer to that PING. So each answered PING is a lease.
// https://redis.io/docs/latest/develop/reference/client-side-caching/
import type { Redis, RedisOptions } from 'ioredis'
import { clearInterval, now, setInterval, setTimeout } from '../clock.js'
import type { Log } from '../events.js'
import { addressOf } from '../stores/address.js'
import { connectionKind, isReply } from '../stores/replies.js'
import { LogThrottle } from '../throttle.js'

const CHANNEL = '__redis__:invalidate'
/** How often a lease is renewed while it lasts. */
export const RENEWALS_PER_LEASE = 4
/** Milliseconds until the next attempt after one that failed. */
const RETRY_AFTER = 1_000
/** Trying again is useless: Redis does not know the command, or the user may not use it. */
const REFUSED = /^(ERR|NOPERM)\b/
const NOT_THE_SAME = 'INFO does not show that its connections lead to one server'

const SETTINGS = {
  // ioredis drops the pushes of RESP3. After a reconnect it would subscribe again, but not turn tracking on again.
  protocol: 2,
  autoResubscribe: false,
  keyPrefix: '',
  lazyConnect: false,
  enableAutoPipelining: false,
  // Commands that a lost connection has not answered fail at once.
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  disconnectTimeout: 100,
  retryStrategy: delayOf,
  sentinelRetryStrategy: delayOf
} satisfies RedisOptions

export interface TrackingOptions {
  /** What the keys begin with. */
  prefix: string
  /** What the client puts in front of that. */
  keyPrefix: string
  /** Milliseconds for which an answered PING is a lease. */
  maxStale: number
  log: Log
  /** Called if Redis refuses to track, which it will do again. */
  onRefused?: () => void
}

export class Tracking {
  /** The client whose answers are kept. */
  readonly #client: Redis
  readonly #subscriber: Redis
  readonly #options: TrackingOptions
  readonly #onWritten: (key: string | undefined) => void
  readonly #warnings = new LogThrottle()
  readonly #pinging: NodeJS.Timeout
  /** The attempt to arm that is under way, or has succeeded. */
  #attempt: object | undefined
  #isArmed = false
  #isClosed = false
  /** When the last PING that was answered was sent, as `now()`. */
  #leasedAt = Number.NEGATIVE_INFINITY

  /** @param onWritten Called with each key that was written, and with `undefined` if any key may have been. */
  constructor(client: Redis, options: TrackingOptions, onWritten: (key: string | undefined) => void) {
    const { maxStale } = options
    this.#client = client
    this.#options = options
    this.#onWritten = onWritten
    client.on('close', this.#disarm)
    client.on('ready', this.#startAgain)
    this.#subscriber = client.duplicate({ ...SETTINGS, commandTimeout: Math.max(maxStale, RETRY_AFTER) })
    // It may become ready after it was told to disconnect.
    this.#subscriber.on('ready', () => (this.#isClosed ? this.#subscriber.disconnect() : this.#arm()))
    this.#subscriber.on('close', this.#disarm)
    this.#subscriber.on('error', this.#disarm)
    // ioredis gives up for good if it is disconnected while it connects, as in a failover.
    this.#subscriber.on('end', () => setTimeout(() => this.#reconnect(), RETRY_AFTER).unref())
    this.#subscriber.on('messageBuffer', (_channel, keys: Buffer[] | null) => this.#pass(keys))
    this.#pinging = setInterval(() => this.#renew(), maxStale / RENEWALS_PER_LEASE).unref()
  }

  /** Whether every write that was answered more than `maxStale` ago has been passed on. */
  get isLive(): boolean {
    return this.#isArmed && now() - this.#leasedAt < this.#options.maxStale
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#pinging)
    this.#client.off('close', this.#disarm)
    this.#client.off('ready', this.#startAgain)
    this.#subscriber.disconnect()
    this.#disarm()
  }

  async #arm(): Promise<void> {
    this.#disarm()
    const attempt = {}
    this.#attempt = attempt
    const subscriber = this.#subscriber
    try {
      const server = runId(await subscriber.info('server'))
      const id = String(await subscriber.client('ID'))
      const prefix = this.#options.keyPrefix + this.#options.prefix
      await subscriber.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', id, 'BCAST', 'PREFIX', prefix)
      await subscriber.subscribe(CHANNEL)
      const isSame = server !== undefined && server === runId(await this.#client.info('server'))
      if (!isSame) throw new Error(NOT_THE_SAME)
      await this.#ping()
      // Not if a connection was lost meanwhile.
      if (attempt === this.#attempt) this.#isArmed = true
    } catch (error) {
      if (attempt === this.#attempt) this.#fail(error as Error, attempt)
    }
  }

  // An arrow function, so that it can be removed from the client again.
  readonly #disarm = (): void => {
    this.#attempt = undefined
    this.#isArmed = false
    this.#onWritten(undefined)
  }

  // The client may have another server now.
  readonly #startAgain = (): void => {
    this.#disarm()
    // If it is not ready, it arms when it is.
    if (this.#subscriber.status === 'ready') this.#subscriber.disconnect(true)
  }

  #fail(error: Error, attempt: object): void {
    const kind = error.message === NOT_THE_SAME ? NOT_THE_SAME : connectionKind(error)
    const isOff = isReply(error) && REFUSED.test(error.message)
    if (isOff || this.#warnings.isDue(kind)) {
      const where = addressOf(this.#client)
      const what = isOff ? 'is off until the next start' : 'is off until this works'
      this.#options.log.warn({ redis: kind }, `the near cache ${what}: ${where} cannot track keys: ${kind}`)
    }
    if (isOff) {
      this.close()
      this.#options.onRefused?.()
      return
    }
    const again = () => attempt === this.#attempt && this.#startAgain()
    setTimeout(again, RETRY_AFTER).unref()
  }

  #reconnect(): void {
    if (!this.#isClosed) this.#subscriber.connect().catch(() => {})
  }

  #renew(): void {
    if (this.#isArmed) this.#ping().catch(() => this.#startAgain())
  }

  async #ping(): Promise<void> {
    const sentAt = now()
    await this.#subscriber.ping()
    this.#leasedAt = sentAt
  }

  #pass(keys: Buffer[] | null): void {
    if (keys === null) this.#onWritten(undefined)
    else for (const key of keys) this.#onWritten(key.toString().slice(this.#options.keyPrefix.length))
  }
}

/** Milliseconds before this attempt to connect. */
function delayOf(attempt: number): number {
  return Math.min(attempt * 50, RETRY_AFTER)
}

function runId(info: string): string | undefined {
  return /^run_id:(\w+)/m.exec(info)?.[1]
}
