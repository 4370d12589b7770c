// Clients of every supported library: the contract, the types, and that the store does not modify a client.
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

// Compiling these functions is a test: each class is assignable to the client type of the store.
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
    const how = enableAutoPipelining ? 'with auto-pipelining' : 'without auto-pipelining'
    t.test(`RedisStore: keeps the contract with ${name} ${how}`, async (t) => {
      const { port } = await startRedis(t)
      storeContract(t, () => {
        const client = redis({ host: '127.0.0.1', port, enableAutoPipelining })
        client.on('error', () => {})
        t.teardown(() => client.disconnect())
        return new RedisStore(client)
      })
    })
  }

  t.test(`RedisStore: a cluster client of ${name} has all methods that are used`, async (t) => {
    const client = cluster() as unknown as Record<string, unknown>
    for (const method of CLIENT_METHODS) t.type(client[method], 'function', method)
  })

  t.test(
    `RedisStore: only adds listeners to a client of ${name}, and neither configures nor closes it`,
    async (t) => {
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
    }
  )
}

/** Everything that a store could change on a client: its properties, options, scripts and listeners. */
function portrait(client: Client) {
  const { options, scriptsSet } = client as unknown as { options: object; scriptsSet: object }
  return {
    properties: Reflect.ownKeys(client).filter((key) => key !== '_events'),
    options: { ...options },
    scripts: Object.keys(scriptsSet),
    listeners: client.eventNames().map((event) => [event, client.listenerCount(event)])
  }
}
