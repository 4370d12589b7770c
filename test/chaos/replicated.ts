// What faults of replicated servers have in common.
import type { Redis } from 'ioredis'
import { until } from '../support/gate.js'
import type { RedisServer } from '../support/redis-server.js'

/** From now on these replicas hear nothing of their primary, which turns them away. */
export async function holdBack(primary: RedisServer, replicas: readonly RedisServer[]): Promise<void> {
  await presentAs(replicas, 'nobody')
  await primary.client.call('CLIENT', 'KILL', 'TYPE', 'replica')
}

/** From now on they may hear of it again. */
export function release(replicas: readonly RedisServer[]): Promise<void> {
  return presentAs(replicas, '')
}

async function presentAs(replicas: readonly RedisServer[], user: string): Promise<void> {
  for (const { client } of replicas) {
    await client.config('SET', 'masteruser', user)
    await client.config('SET', 'masterauth', user)
  }
}

/** Waits until these replicas have what their primary has. */
export async function inSync(replicas: readonly RedisServer[]): Promise<void> {
  for (const { client } of replicas) await until(() => says(client, 'master_link_status:up'))
}

export async function becomesPrimary({ client }: RedisServer): Promise<void> {
  await until(() => says(client, 'role:master'))
}

async function says(client: Redis, what: string): Promise<boolean> {
  return (await client.info('replication')).includes(what)
}
