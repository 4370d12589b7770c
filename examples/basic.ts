import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import redisSession from 'fastify-ioredis-session'

declare module 'fastify-ioredis-session' {
  interface SessionData {
    userId: number
    cart: { items: string[] }
  }
}

const app = Fastify()
await app.register(cookie)
await app.register(redisSession, {
  redis: process.env.REDIS_URL ?? 'redis://localhost:6379',
  serializer: 'msgpack'
})

app.post<{ Params: { item: string } }>('/cart/:item', async ({ session, params }) => {
  session.cart ??= { items: [] }
  session.cart.items.push(params.item)
  return session.cart
})
app.post('/login', async ({ session }) => {
  await session.regenerate(['cart']) // a new id at every login; of what was there before, only the cart stays
  session.userId = 42
  return session.data()
})
app.get('/whoami', async ({ session }) => session.data())
app.post('/logout', async ({ session }) => {
  await session.destroy()
  return session.data()
})

await app.listen({ port: Number(process.env.PORT ?? 3000) })
