// Opens the store of a registration, and the Redis clients that the plugin makes for it.
import type { FastifyInstance } from 'fastify'
import type { RedisOptions } from 'ioredis'
import { type Connection, type RedisClient, RedisStore } from '../stores/redis.js'
import { createClient } from '../stores/redis-client.js'
import type { Store } from '../stores/store.js'
import { isRedisClient, type Settings } from './options.js'
import { checkAtStart, type Start, tryAtStart } from './start-up.js'

/** A store, and the client of its reads if the plugin knows it. */
interface Opened {
  store: Store
  client: RedisClient | undefined
}

export async function openStore(fastify: FastifyInstance, settings: Settings): Promise<Opened> {
  const closing = new AbortController()
  fastify.addHook('onClose', async () => closing.abort())
  const start = { ...settings, closing: closing.signal, log: fastify.log }
  if (settings.store !== undefined) {
    return { store: await encrypted(settings.store, settings, start), client: undefined }
  }
  const { redis, replicas, replicaTimeout, timeout } = settings
  const connections = new Map<RedisClient, Connection>()
  const openClient = (): RedisClient => {
    const own = createClient(redis as string | RedisOptions, timeout, fastify.log)
    fastify.addHook('onClose', () => own.close())
    connections.set(own.client, own.connection)
    return own.client
  }
  const client = isRedisClient(redis) ? redis : openClient()
  // WAIT blocks its connection: reads keep another one.
  const writeClient = replicas === 0 || isRedisClient(redis) ? client : openClient()
  const connectionOf = (of: RedisClient) => connections.get(of)
  const channel = settings.signals ? { channel: `${settings.prefix}ended` } : {}
  const plain = new RedisStore(client, { replicas, replicaTimeout, writeClient, connectionOf, ...channel })
  await checkAtStart({ ...start, store: plain, client })
  const store = await encrypted(plain, settings, start)
  if (settings.nearCache === undefined) return { store, client }
  const { openNearCache } = await import('../near-cache/near-cache.js')
  const { lifetimes, nearCache, prefix } = settings
  const near = openNearCache(store, client, { ...nearCache, prefix, lifetimes, log: fastify.log })
  if (near === undefined) return { store, client }
  fastify.addHook('onClose', async () => near.close())
  return { store: near, client }
}

async function encrypted<Inner extends Store>(
  store: Inner,
  { encryption, timeout }: Settings,
  start: Start
): Promise<Inner | Omit<Inner, 'copyOf'>> {
  if (encryption === undefined) return store
  const { openEncryption } = await import('../encryption/open.js')
  return openEncryption(store, encryption, timeout, (ask) => tryAtStart(start, ask))
}
