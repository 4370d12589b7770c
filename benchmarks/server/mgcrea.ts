// @mgcrea/fastify-session with its Redis store.
import { createRequire } from 'node:module'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyPluginAsync } from 'fastify'
import { type Begin, type Cart, contentOf, quantityOf } from './contents.js'
import { IDLE_SECONDS, listen, SECRET, type Start } from './subject.js'

interface Session {
  data: Record<string, unknown>
  get(key: string): unknown
  set(key: string, value: unknown): void
}

interface OwnRequest {
  session: Session
  destroySession(): Promise<void>
}

// Uses `require`, because importing its declarations would give `request.session` a type other than this plugin's.
const require = createRequire(import.meta.url)
const { default: mgcreaSession, Session } = require('@mgcrea/fastify-session') as {
  default: FastifyPluginAsync<Record<string, unknown>>
  Session: { create(): Promise<Session> }
}
const { RedisStore } = require('@mgcrea/fastify-session-redis-store')

export const start: Start = async (_name, { connect }) => {
  const client = connect({ enableAutoPipelining: true })
  const app = Fastify()
  await app.register(cookie)
  await app.register(mgcreaSession, {
    secret: SECRET,
    store: new RedisStore({ client, ttl: IDLE_SECONDS }),
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: 'lax', secure: true }
  })

  app.get('/plain', async () => ({ answer: 'plain' }))
  app.get('/read', async (request) => {
    const { session } = request as unknown as OwnRequest
    return { userId: session.get('userId') }
  })
  app.get('/object', async (request) => {
    const { session } = request as unknown as OwnRequest
    return { userId: session.get('userId'), quantity: quantityOf({ cart: session.get('cart') as Cart }) }
  })
  app.post('/change', async (request) => {
    const { session } = request as unknown as OwnRequest
    const cart = session.get('cart') as Cart
    cart.items[0].quantity++
    // Without this the library does not notice the change.
    session.set('cart', cart)
    return { userId: session.get('userId'), quantity: quantityOf({ cart }) }
  })
  app.post('/write', async (request) => {
    const { session } = request as unknown as OwnRequest
    const count = Number(session.get('count') ?? 0) + 1
    session.set('count', count)
    return { userId: session.get('userId'), count }
  })
  let stamps = 0
  app.post('/stamp', async (request) => {
    const { session } = request as unknown as OwnRequest
    const stamp = ++stamps
    session.set('stamp', stamp)
    return { userId: session.get('userId'), stamp }
  })
  app.post('/login', async (plain) => {
    const request = plain as unknown as OwnRequest
    const { data } = request.session
    await request.destroySession()
    // The library cannot change the id of a session, so this copies the data into a new one.
    request.session = await Session.create()
    for (const [key, value] of Object.entries(data)) request.session.set(key, value)
    request.session.set('signedInAt', Date.now())
    return { userId: request.session.get('userId') }
  })
  app.post<{ Querystring: Begin }>('/begin', async (request) => {
    const { kind, user } = request.query
    const { session } = request as unknown as OwnRequest
    for (const [key, value] of Object.entries(contentOf(kind, Number(user)))) session.set(key, value)
    return {}
  })
  return listen(app)
}
