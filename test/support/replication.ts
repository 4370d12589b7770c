// What a failover must not lose.
import { until } from './gate.js'
import type { RedisServer } from './redis-server.js'

/** Waits until these replicas have what the primary has now. */
export async function caughtUp(primary: RedisServer, replicas: readonly RedisServer[]): Promise<void> {
  const offset = await offsetOf(primary)
  for (const replica of replicas) await until(async () => (await offsetOf(replica)) >= offset)
}

async function offsetOf({ client }: RedisServer): Promise<number> {
  return Number(/^master_repl_offset:(\d+)/m.exec(await client.info('replication'))?.[1])
}
