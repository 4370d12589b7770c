// A default import and named ones in a CommonJS module.
import redisSession, { MemoryStore, type Session, type SessionData } from 'fastify-ioredis-session'
import { Browser } from 'fastify-ioredis-session/testing'

export const plugin = redisSession
export const store = new MemoryStore()
export type Visitor = Session<SessionData>
if (typeof redisSession !== 'function' || typeof Browser !== 'function') throw new Error('not the plugin')
process.exit()
