// Helpers for the faults of replicated servers.
import type { Redis } from 'ioredis'
import { until } from '../support/gate.js'
import type { RedisServer } from '../support/redis-server.js'

/** Cuts these replicas off from their primary, which then refuses their connections. */
export async function holdBack(primary: RedisServer, replicas: readonly RedisServer[]): Promise<void> {
  await presentAs(replicas, 'nobody')
  await primary.client.call('CLIENT', 'KILL', 'TYPE', 'replica')
}

/** Lets these replicas connect to their primary again. */
export function release(replicas: readonly RedisServer[]): Promise<void> {
  return presentAs(replicas, '')
}

async function presentAs(replicas: readonly RedisServer[], user: string): Promise<void> {
  for (const { client } of replicas) {
    await client.config('SET', 'masteruser', user)
    await client.config('SET', 'masterauth', user)
  }
}

/** Waits until these replicas follow their primary again. */
export async function inSync(replicas: readonly RedisServer[]): Promise<void> {
  for (const { client } of replicas) await until(() => says(client, 'master_link_status:up'))
}

export async function becomesPrimary({ client }: RedisServer): Promise<void> {
  await until(() => says(client, 'role:master'))
}

async function says(client: Redis, what: string): Promise<boolean> {
  return (await client.info('replication')).includes(what)
}
