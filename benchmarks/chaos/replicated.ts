// What faults of replicated servers have in common.
import type { Redis } from 'ioredis'
import { until } from '../../test/support/gate.js'
import type { startRedis } from '../../test/support/redis-server.js'

type Test = Parameters<typeof startRedis>[0]

/** What starts the servers of tests needs no more of a test than a place for what ends them. */
export function lifetime(): { test: Test; end(): Promise<void> } {
  const teardowns: (() => unknown)[] = []
  return {
    test: { teardown: (end: () => unknown) => void teardowns.push(end) } as unknown as Test,
    async end() {
      for (const end of teardowns.reverse()) await end()
    }
  }
}

/** From now on the replica hears nothing of its primary, which turns it away. */
export async function holdBack(primary: Redis, replica: Redis): Promise<void> {
  await replica.config('SET', 'masteruser', 'nobody')
  await replica.config('SET', 'masterauth', 'nothing')
  await primary.call('CLIENT', 'KILL', 'TYPE', 'replica')
}

/** Lets a replica hear of its primary again, and waits until it has all of it. */
export async function catchUp(replica: Redis): Promise<void> {
  await replica.config('SET', 'masteruser', '')
  await replica.config('SET', 'masterauth', '')
  await inSync(replica)
}

export async function inSync(replica: Redis): Promise<void> {
  await until(async () => (await replica.info('replication')).includes('master_link_status:up'))
}

export async function becomesPrimary(replica: Redis): Promise<void> {
  await until(async () => (await replica.info('replication')).includes('role:master'))
}
