// The interface between a subject and its process.
import type { FastifyInstance } from 'fastify'
import type { Redis, RedisOptions } from 'ioredis'

/** Starts the subject of this name on loopback. */
export type Start = (name: string, environment: Environment) => Promise<Running>

export interface Environment {
  /** The URL of the shared Redis with this subject's database. */
  url: string
  /** Makes a client for this database. */
  connect(options?: Pick<RedisOptions, 'enableAutoPipelining'>): Redis
}

export interface Running {
  port: number
}

export const SECRET = 'a secret of benchmarks, long enough for everybody'
export const IDLE_SECONDS = 86_400

export async function listen(app: FastifyInstance): Promise<Running> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const [address] = app.addresses()
  if (typeof address !== 'object') throw new Error('the server does not listen on a port')
  return { port: address.port }
}
