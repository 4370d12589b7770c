// A near cache in front of a Redis of the test's own, and another process that writes to the same Redis.
import type { Redis, RedisOptions } from 'ioredis'
import type { Test } from 'tap'
import { NearCacheStore } from '../../lib/near-cache/near-cache.js'
import { newHeader } from '../../lib/records/expiry.js'
import type { Commit } from '../../lib/records/lineage.js'
import { DEFAULT_DURATION, followed, type SessionRecord, UnsealedRecord } from '../../lib/records/record.js'
import { RedisStore } from '../../lib/stores/redis.js'
import { later } from '../contracts/store.js'
import { until } from '../support/gate.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'

export const PREFIX = 'session:'
/** Seconds: so long that no lease ends in a test, however busy the machine is. */
export const LONG = 60

export const LIFETIMES = {
  idleTimeout: 86_400,
  permanentLifetime: 86_400,
  absoluteTimeout: undefined,
  touchAfter: 60,
  rolling: true
}

export interface Line {
  details: object
  message: string
}

export interface Options {
  maxStale?: number
  maxBytes?: number
  /** The client that the near cache reads through. */
  client?: Redis
  /** The store behind the near cache. */
  inner?: (client: Redis) => RedisStore
  redis?: RedisServer
}

export interface Stage {
  redis: RedisServer
  near: NearCacheStore
  /** The store of another process, which knows nothing of the near cache. */
  elsewhere: RedisStore
  client: Redis
  lines: Line[]
  /** Stores a record under a new key. */
  store(record?: SessionRecord): Promise<string>
  /** Reads as a request does. */
  read(key: string, seen?: Commit): Promise<Buffer | undefined>
  /** Reads, and tells whether Redis was not asked. */
  isHit(key: string): Promise<boolean>
  /** Reads until a read is served from memory. */
  warm(key: string): Promise<void>
  /** Resolves when this process knows of everything that was written until now. */
  settled(): Promise<void>
}

export async function openStage(t: Test, options: Options = {}): Promise<Stage> {
  const redis = options.redis ?? (await startRedis(t))
  const client = options.client ?? redis.connect()
  const lines: Line[] = []
  const note = (details: object, message: string) => void lines.push({ details, message })
  const inner = options.inner?.(client) ?? new RedisStore(client)
  const near = new NearCacheStore(inner, client, {
    maxStale: LONG,
    maxBytes: 1_000_000,
    ...options,
    prefix: PREFIX,
    lifetimes: LIFETIMES,
    log: { info: note, warn: note, error: note }
  })
  t.teardown(() => near.close())
  const elsewhere = new RedisStore(redis.client)
  let keys = 0
  const stage: Stage = {
    redis,
    near,
    elsewhere,
    client,
    lines,
    async store(record = recordOf()) {
      const key = `${PREFIX}${++keys}`
      await elsewhere.create(key, record.bytes, later())
      return key
    },
    read: async (key, seen) => near.copyOf(key, seen)?.bytes ?? near.read(key),
    async isHit(key) {
      await redis.commands()
      await stage.read(key)
      const { get = 0 } = await redis.commands()
      return get === 0
    },
    async warm(key) {
      await until(() => stage.isHit(key))
    },
    async settled() {
      const mark = await stage.store()
      await stage.warm(mark)
      await elsewhere.end(mark)
      await until(async () => (await stage.read(mark)) === undefined)
    }
  }
  return stage
}

/** A record of a session that begins now, or ends after so many seconds. */
export function recordOf(payload = '{"userId":1}', idleTimeout = LIFETIMES.idleTimeout): SessionRecord {
  return new UnsealedRecord(payload).seal({
    ...newHeader(DEFAULT_DURATION, LIFETIMES, Date.now()),
    tag: 1,
    idleTimeout
  })
}

/** The next commit of the same session. */
export function nextOf({ header }: SessionRecord, payload = '{"userId":2}'): SessionRecord {
  return new UnsealedRecord(payload).seal(followed(header))
}

/** What a near cache reads through, with its tracking connection on another port. */
export function trackedThrough(client: Redis, port: number): Redis {
  const duplicate = client.duplicate.bind(client)
  // On a connection with a name, a cluster client asks the node for slots.
  const divert = (options: Partial<RedisOptions>) =>
    duplicate('connectionName' in options ? options : { ...options, port })
  return Object.assign(client, { duplicate: divert as Redis['duplicate'] })
}

/** How many connections of this server are subscribed to invalidations. */
export async function trackingClients(client: Redis): Promise<number> {
  const list = String(await client.call('CLIENT', 'LIST', 'TYPE', 'pubsub'))
  return list.split('\n').filter((line) => line.includes('sub=1')).length
}

/** The tracking connection that is going to be made from this client. */
export function subscriberOf(client: Redis): () => Redis {
  const duplicate = client.duplicate.bind(client)
  let subscriber = client
  const note = (options: object) => {
    subscriber = duplicate(options)
    return subscriber
  }
  client.duplicate = note as Redis['duplicate']
  return () => subscriber
}
