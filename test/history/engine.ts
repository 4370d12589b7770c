// The Redis of a round: a single server that keeps what it acknowledges, a primary with a replica, or a cluster.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import { startCluster, type TestCluster } from '../support/cluster.js'
import { type SingleServer, startSingle } from '../support/durable-server.js'
import { until } from '../support/gate.js'
import { lifetime } from '../support/lifetime.js'
import { Wire } from '../support/wire.js'
import type { ServiceOptions } from './service.js'

export interface Engine {
  /** Gives one more process an address of Redis behind its own proxies. */
  connect(): Promise<{ redis: ServiceOptions['redis']; proxies: Wire[] }>
  /** All records in Redis. */
  records(): Promise<Buffer[]>
  close(): Promise<void>
}

/** One server. What it acknowledged survives a SIGKILL. */
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

  records(): Promise<Buffer[]> {
    return recordsOf(this.server.client)
  }

  close(): Promise<void> {
    return this.server.stop()
  }
}

/** A primary and a replica that exchange roles on command. */
export class Pair implements Engine {
  primary: SingleServer
  replica: SingleServer
  /** The proxy between the two; its target is the primary. */
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

  /**
   * Makes the replica the primary, and the primary its replica.
   * @param unnoticed Milliseconds until the service reaches the new primary.
   */
  async failOver(unnoticed: number): Promise<void> {
    const { primary: old, replica: next } = this
    await next.client.replicaof('NO', 'ONE')
    this.primary = next
    this.replica = old
    this.between.heal()
    this.between.lead(next.port)
    await old.client.replicaof('127.0.0.1', this.#port)
    await sleep(unnoticed)
    for (const proxy of this.#proxies) proxy.lead(next.port)
  }

  async inSync(): Promise<void> {
    const { client } = this.replica
    await until(async () => (await client.info('replication')).includes('master_link_status:up'))
  }

  records(): Promise<Buffer[]> {
    return recordsOf(this.primary.client)
  }

  async close(): Promise<void> {
    await this.between.close()
    await Promise.all([this.primary.stop(), this.replica.stop()])
  }
}

/** Three primaries between which slots move. */
export class Nodes implements Engine {
  readonly cluster: TestCluster
  readonly close: () => Promise<void>
  #moves = 0

  private constructor(cluster: TestCluster, close: () => Promise<void>) {
    this.cluster = cluster
    this.close = close
  }

  static async start(): Promise<Nodes> {
    const { test, end } = lifetime()
    return new Nodes(await startCluster(test), end)
  }

  async connect() {
    const wires = await Promise.all(
      this.cluster.nodes.map(async ({ host, port }) => {
        const wire = new Wire(port)
        return { wire, address: `${host}:${port}`, near: { host, port: await wire.listen() } }
      })
    )
    return {
      redis: {
        nodes: wires.map(({ near }) => near),
        natMap: Object.fromEntries(wires.map(({ address, near }) => [address, near]))
      },
      proxies: wires.map(({ wire }) => wire)
    }
  }

  async records(): Promise<Buffer[]> {
    return (await Promise.all(this.cluster.primaries.map(({ client }) => recordsOf(client)))).flat()
  }

  /** Moves a slot that holds a session to the next primary. Each call starts from another primary. */
  async moveSlot(): Promise<void> {
    const { primaries } = this.cluster
    const from = primaries[this.#moves++ % primaries.length]
    const to = primaries[this.#moves % primaries.length]
    const key = await from?.client.randomkey()
    if (to !== undefined && typeof key === 'string') {
      await this.cluster.moveSlot(await this.cluster.slotOf(key), to)
    }
  }
}

async function recordsOf(client: Redis): Promise<Buffer[]> {
  const records: (Buffer | null)[] = []
  let cursor = '0'
  do {
    const [next, keys] = await client.scan(cursor, 'MATCH', 'session:*', 'COUNT', 10_000)
    cursor = next
    for (const key of keys) records.push(await client.getBuffer(key))
  } while (cursor !== '0')
  return records.filter((record) => record !== null)
}
