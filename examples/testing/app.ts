// The application that the tests beside it test.
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import redisSession, { MemoryStore } from 'fastify-ioredis-session'

declare module 'fastify-ioredis-session' {
  interface SessionData {
    userId: number
  }
}

export async function createApp() {
  const store = new MemoryStore()
  const app = Fastify()
  app.addHook('onClose', () => store.close())
  await app.register(cookie)
  await app.register(redisSession, { store, idleTimeout: 3_600 })
  app.post('/login', async ({ session }) => {
    await session.regenerate(false)
    session.userId = 42
    return { ok: true }
  })
  app.get('/me', async ({ session }, reply) => {
    return session.userId === undefined ? reply.code(401).send() : { userId: session.userId }
  })
  return app
}
