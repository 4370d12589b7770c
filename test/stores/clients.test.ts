// Clients of every library that the Redis store takes: the contract, the types, and that it leaves a client as it is.
import type { EventEmitter } from 'node:events'
import * as six from 'ioredis'
import * as five from 'ioredis5'
import * as valkey from 'iovalkey'
import t from 'tap'
import { CLIENT_METHODS, type RedisClient, RedisStore } from '../../lib/stores/redis.js'
import { TOUCH } from '../../lib/stores/store.js'
import { later, newKey, recordOf, revision, storeContract } from '../contracts/store.js'
import { startRedis } from '../support/redis-server.js'

interface Options {
  host: string
  port: number
  enableAutoPipelining: boolean
}
type Client = RedisClient & EventEmitter & { disconnect(): void }

// That these functions compile is a test: each class is assignable to what the store takes.
const LIBRARIES: Record<string, { redis: (options: Options) => Client; cluster: () => Client }> = {
  'ioredis 6': {
    redis: (options) => new six.Redis(options),
    cluster: () => new six.Cluster(['127.0.0.1:1'], { lazyConnect: true })
  },
  'ioredis 5': {
    redis: (options) => new five.Redis(options),
    cluster: () => new five.Cluster(['127.0.0.1:1'], { lazyConnect: true })
  },
  iovalkey: {
    redis: (options) => new valkey.Redis(options),
    cluster: () => new valkey.Cluster(['127.0.0.1:1'], { lazyConnect: true })
  }
}

for (const [name, { redis, cluster }] of Object.entries(LIBRARIES)) {
  for (const enableAutoPipelining of [false, true]) {
    const how = enableAutoPipelining ? 'with auto-pipelining' : 'as it comes'
    t.test(`the Redis store keeps the contract with a client of ${name} ${how}`, async (t) => {
      const { port } = await startRedis(t)
      storeContract(t, () => {
        const client = redis({ host: '127.0.0.1', port, enableAutoPipelining })
        client.on('error', () => {})
        t.teardown(() => client.disconnect())
        return new RedisStore(client)
      })
    })
  }

  t.test(`a cluster of ${name} has all methods that are used`, async (t) => {
    const client = cluster() as unknown as Record<string, unknown>
    for (const method of CLIENT_METHODS) t.type(client[method], 'function', method)
  })

  t.test(`a client of ${name} is neither configured nor closed, only listened to`, async (t) => {
    const { port } = await startRedis(t)
    const client = redis({ host: '127.0.0.1', port, enableAutoPipelining: false })
    t.teardown(() => client.disconnect())
    const key = newKey()
    await client.set(key, recordOf(1), 'PX', 1, 'NX')
    const { listeners: _none, ...before } = portrait(client)
    const store = new RedisStore(client)
    await store.create(key, recordOf(1), later())
    await store.read(key)
    await store.touch(key, revision(1), Buffer.alloc(TOUCH.length), later())
    await store.update(key, revision(1), recordOf(2), later())
    await store.destroy(key, revision(2))
    t.equal((store as { close?: unknown }).close, undefined)
    const { listeners, ...others } = portrait(client)
    t.same(others, before)
    t.same(listeners, [
      ['close', 1],
      ['ready', 1]
    ])
    t.equal((client as unknown as { status: string }).status, 'ready')
  })
}

/** What a store could have changed of a client: its properties, options, scripts and listeners. */
function portrait(client: Client) {
  const { options, scriptsSet } = client as unknown as { options: object; scriptsSet: object }
  return {
    properties: Reflect.ownKeys(client).filter((key) => key !== '_events'),
    options: { ...options },
    scripts: Object.keys(scriptsSet),
    listeners: client.eventNames().map((event) => [event, client.listenerCount(event)])
  }
}
