// Names that code blocks of the documents assume (`<!-- assumes: … -->`), and the keys of a session.
import cookie from '@fastify/cookie'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import redisSession, { type Session } from 'fastify-ioredis-session'
import { Redis } from 'ioredis'

declare module 'fastify-ioredis-session' {
  interface SessionData {
    userId: number
    name: string
    count: number
    visits: number
    cart: { items: string[] }
  }
}

export { cookie, Fastify, redisSession }

export const app = Fastify()
await app.register(cookie)

export const redis = new Redis(process.env.REDIS_URL ?? '', { lazyConnect: true })
export const secret = 'a secret of the documents, long enough'

// Only for blocks that do not run.
export declare const request: FastifyRequest
export declare const reply: FastifyReply
export declare const session: Session
