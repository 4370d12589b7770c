// What the process of a subject gives it, and what it gives back.
import type { FastifyInstance } from 'fastify'
import type { Redis, RedisOptions } from 'ioredis'

/** Starts the subject of this name, listening on loopback. */
export type Start = (name: string, environment: Environment) => Promise<Running>

export interface Environment {
  /** Of the Redis that all subjects share, with a database of this subject's own. */
  url: string
  /** A client of it. */
  connect(options?: Pick<RedisOptions, 'enableAutoPipelining'>): Redis
}

export interface Running {
  port: number
  close(): Promise<unknown>
}

export const SECRET = 'a secret of benchmarks, long enough for everybody'
export const IDLE_SECONDS = 86_400

export async function listen(app: FastifyInstance): Promise<Running> {
  await app.listen({ port: 0, host: '127.0.0.1' })
  const [address] = app.addresses()
  if (typeof address !== 'object') throw new Error('not listening on a port')
  return { port: address.port, close: () => app.close() }
}
