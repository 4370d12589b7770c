// The connection on which Redis reports the sessions that end. Redis keeps nothing for a subscriber that is away: what
// ended while the connection was lost, or did not answer, was missed.
import type { Cluster, Redis, RedisOptions } from 'ioredis'
import { pause } from '../clock.js'
import type { EndListener, EndReports } from './store.js'

/** Milliseconds between two PINGs. */
const PING_INTERVAL = 500
/** Milliseconds between a lost connection and the next one. */
const RETRY_AFTER = 250

export class Subscription implements EndReports {
  readonly #client: Redis | Cluster
  readonly #channel: string
  readonly #keyPrefix: string
  readonly #listener: EndListener
  readonly #settings: RedisOptions
  #connection: Redis | undefined
  #isLive = false
  #isClosed = false

  /**
   * @param client Shows the way to the server. The subscription has a connection of its own.
   * @param keyPrefix What the client puts before its keys.
   */
  constructor(client: object, channel: string, keyPrefix: string, listener: EndListener, timeout: number) {
    this.#client = client as Redis | Cluster
    this.#channel = channel
    this.#keyPrefix = keyPrefix
    this.#listener = listener
    this.#settings = {
      keyPrefix: '',
      lazyConnect: true,
      connectTimeout: timeout,
      commandTimeout: timeout,
      disconnectTimeout: 100,
      enableAutoPipelining: false,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      // The next connection may have to lead elsewhere, so it is another client.
      retryStrategy: nothing,
      sentinelRetryStrategy: nothing
    }
    // The client may have another server now.
    this.#client.on('ready', this.#restart)
    void this.#run()
  }

  get isLive(): boolean {
    return this.#isLive
  }

  close(): void {
    this.#isClosed = true
    this.#client.off('ready', this.#restart)
    this.#connection?.disconnect()
  }

  // An arrow function, so that it can be removed from the client again.
  readonly #restart = (): void => {
    // One that is being opened leads to the new server anyway.
    if (this.#isLive) this.#connection?.disconnect()
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#follow(this.#open())
      } catch (error) {
        if (!this.#isClosed) this.#listener.failed(error as Error)
      }
      if (!this.#isClosed) await pause(RETRY_AFTER)
    }
  }

  // Each node of a cluster gets the messages of all.
  #open(): Redis {
    const client = this.#client
    if (!client.isCluster) return (client as Redis).duplicate(this.#settings)
    const nodes = (client as Cluster).nodes('master')
    const node = nodes[Math.floor(Math.random() * nodes.length)]
    if (node === undefined) throw new Error('the cluster client knows no node')
    return node.duplicate(this.#settings)
  }

  /** Passes on the messages of this connection until it is lost. */
  async #follow(connection: Redis): Promise<void> {
    this.#connection = connection
    connection.on('error', nothing)
    connection.on('message', (_channel, key) => this.#listener.ended(key.slice(this.#keyPrefix.length)))
    const closed = new Promise((resolve) => connection.once('end', resolve))
    try {
      await connection.connect()
      await connection.subscribe(this.#channel)
      this.#isLive = true
      this.#listener.missed()
      while (connection.status === 'ready') {
        await connection.ping().catch(() => connection.disconnect())
        await Promise.race([pause(PING_INTERVAL), closed])
      }
    } finally {
      const wasLive = this.#isLive
      this.#isLive = false
      connection.disconnect()
      if (wasLive && !this.#isClosed) this.#listener.missed()
    }
  }
}

function nothing(): null {
  return null
}
