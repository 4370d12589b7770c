// The Redis of a run: its own, on a free port of loopback, nothing persisted, bound to its core.
import { Redis } from 'ioredis'
import { provideRedisServer } from '../scripts/redis-binary.js'
import { CORES, pin } from './cores.js'
import { startServer } from './stress/redis.js'

export interface PrivateRedis {
  redis: Redis
  port: number
}

/** Starts it, and stops it whatever becomes of the work. */
export async function withRedis<Result>(work: (server: PrivateRedis) => Promise<Result>): Promise<Result> {
  process.env.REDIS_SERVER = provideRedisServer()
  const server = await startServer()
  const redis = new Redis({ port: server.port, host: '127.0.0.1' })
  try {
    const pid = Number(/^process_id:(\d+)/m.exec(await redis.info('server'))?.[1])
    pin(pid, CORES.redis)
    return await work({ redis, port: server.port })
  } finally {
    redis.disconnect()
    await server.stop()
  }
}
