// The private Redis of a run, on a free port of loopback, without persistence, bound to its core.
import type { Redis } from 'ioredis'
import { provideRedisServer } from '../scripts/redis-binary.js'
import { lifetime } from '../test/support/lifetime.js'
import { startRedis } from '../test/support/redis-server.js'
import { CORES, pin } from './cores.js'

/** Enough for one database for each subject. */
const DATABASES = 32

export interface PrivateRedis {
  redis: Redis
  port: number
}

/** Starts Redis, runs the work, and stops Redis even if the work fails. */
export async function withRedis<Result>(work: (server: PrivateRedis) => Promise<Result>): Promise<Result> {
  process.env.REDIS_SERVER = provideRedisServer()
  const { test, end } = lifetime()
  try {
    const { port, client: redis } = await startRedis(test, '--databases', String(DATABASES))
    const pid = Number(/^process_id:(\d+)/m.exec(await redis.info('server'))?.[1])
    pin(pid, CORES.redis)
    return await work({ redis, port })
  } finally {
    await end()
  }
}
