// The clients of one process: one that its near cache reads through, and one as of another process.
import { Cluster, Redis } from 'ioredis'
import type { Log } from '../../../lib/events.js'
import type { Connection } from '../../../lib/stores/redis.js'
import { createClient } from '../../../lib/stores/redis-client.js'
import { trackedThrough } from '../stage.js'

/** What a process reads and writes, what it is told, and what another one without a near cache would read. */
export type Way = 'data' | 'tracking' | 'direct'

/** Ports on loopback: of a server, and of the networks of one process in front of it. */
export interface Ports extends Record<Way, number> {
  server: number
}

export interface Clients {
  near: Redis | Cluster
  /** Only of a client that queues no commands. */
  connection: Connection | undefined
  /** As another process of the service that has no near cache: what it is answered a browser may have seen. */
  direct: Redis | Cluster
  close(): Promise<void>
}

const HOST = '127.0.0.1'
/** Milliseconds. */
const TIMEOUT = 500

export function connectToOne({ data, direct, tracking }: Ports, log: Log): Clients {
  const own = createClient(`redis://${HOST}:${data}`, TIMEOUT, log)
  const other = new Redis({ port: direct, host: HOST })
  other.on('error', () => {})
  return {
    near: trackedThrough(own.client, tracking),
    connection: own.connection,
    direct: other,
    async close() {
      other.disconnect()
      await own.close()
    }
  }
}

export function connectToCluster(nodes: Ports[]): Clients {
  const near = clusterBehind(nodes, 'data')
  // Before anybody else hears of the node.
  near.on('+node', (node: Redis) => {
    const ports = nodes.find(({ data }) => data === node.options.port)
    if (ports !== undefined) trackedThrough(node, ports.tracking)
  })
  const direct = clusterBehind(nodes, 'direct')
  return {
    near,
    connection: undefined,
    direct,
    async close() {
      near.disconnect()
      direct.disconnect()
    }
  }
}

/** Its nodes announce addresses that do not lead through the networks. */
function clusterBehind(nodes: Ports[], way: Way): Cluster {
  const addresses = nodes.map((ports) => ({ host: HOST, port: ports[way] }))
  const cluster = new Cluster(addresses, {
    natMap: Object.fromEntries(
      nodes.map(({ server, [way]: port }) => [`${HOST}:${server}`, { host: HOST, port }])
    ),
    // Without them, whoever reads from a half-open connection waits for ever.
    redisOptions: { connectTimeout: TIMEOUT, commandTimeout: 1.75 * TIMEOUT, socketTimeout: 2 * TIMEOUT }
  })
  cluster.on('error', () => {})
  return cluster
}
