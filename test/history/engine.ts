// The Redis of a history: a single server that keeps what it acknowledges, or a primary with a replica.
import { type SingleServer, startSingle } from '../../benchmarks/chaos/single.js'
import { until } from '../support/gate.js'
import type { ServiceOptions } from './service.js'
import { Wire } from './wire.js'

export interface Engine {
  /** Where one more process finds Redis, through proxies that are its own. */
  connect(): Promise<{ redis: ServiceOptions['redis']; proxies: Wire[] }>
  close(): Promise<void>
}

/** One server, whose answers survive a SIGKILL. */
export class Single implements Engine {
  readonly server: SingleServer

  private constructor(server: SingleServer) {
    this.server = server
  }

  static async start(): Promise<Single> {
    return new Single(await startSingle(true))
  }

  async connect() {
    const proxy = new Wire(this.server.port)
    return { redis: { port: await proxy.listen() }, proxies: [proxy] }
  }

  close(): Promise<void> {
    return this.server.stop()
  }
}

/** A primary and a replica, which change places when they are told to. */
export class Pair implements Engine {
  primary: SingleServer
  replica: SingleServer
  /** Between the two: the primary is its target. */
  readonly between: Wire
  readonly #port: number
  readonly #proxies: Wire[] = []

  private constructor(primary: SingleServer, replica: SingleServer, between: Wire, port: number) {
    this.primary = primary
    this.replica = replica
    this.between = between
    this.#port = port
  }

  static async start(): Promise<Pair> {
    const [primary, replica] = await Promise.all([startSingle(true), startSingle(true)])
    for (const { client } of [primary, replica]) await client.config('SET', 'repl-diskless-sync-delay', '0')
    const between = new Wire(primary.port)
    const pair = new Pair(primary, replica, between, await between.listen())
    await replica.client.replicaof('127.0.0.1', pair.#port)
    await pair.inSync()
    return pair
  }

  async connect() {
    const proxy = new Wire(this.primary.port)
    this.#proxies.push(proxy)
    return { redis: { port: await proxy.listen() }, proxies: [proxy] }
  }

  /** The replica becomes the primary, and the primary its replica; the service learns of it last. */
  async failOver(): Promise<void> {
    const { primary: old, replica: next } = this
    await next.client.replicaof('NO', 'ONE')
    this.primary = next
    this.replica = old
    this.between.heal()
    this.between.lead(next.port)
    await old.client.replicaof('127.0.0.1', this.#port)
    for (const proxy of this.#proxies) proxy.lead(next.port)
  }

  async inSync(): Promise<void> {
    const { client } = this.replica
    await until(async () => (await client.info('replication')).includes('master_link_status:up'))
  }

  async close(): Promise<void> {
    await this.between.close()
    await Promise.all([this.primary.stop(), this.replica.stop()])
  }
}
