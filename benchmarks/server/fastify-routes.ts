// The routes of subjects whose session is a property of Fastify's request and is saved automatically.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Begin, type Cart, contentOf, type Data, quantityOf } from './contents.js'

/** What the sessions of these subjects have in common. */
interface Session extends Data {
  get(key: 'cart'): Cart
}

/** @param regenerate Gives the session a new id and keeps its data. */
export function addRoutes(
  app: FastifyInstance,
  regenerate: (request: FastifyRequest) => Promise<unknown>
): void {
  app.get('/plain', async () => ({ answer: 'plain' }))
  app.get('/read', async (request) => {
    const session = request.session as Data
    return { userId: session.userId }
  })
  app.get('/object', async (request) => {
    const session = request.session as Session
    return { userId: session.userId, quantity: quantityOf({ cart: session.get('cart') }) }
  })
  app.post('/change', async (request) => {
    const session = request.session as Session
    const [item] = session.get('cart').items
    item.quantity++
    return { userId: session.userId, quantity: item.quantity }
  })
  app.post('/write', async (request) => {
    const session = request.session as Data
    session.count = (session.count ?? 0) + 1
    return { userId: session.userId, count: session.count }
  })
  let stamps = 0
  app.post('/stamp', async (request) => {
    const session = request.session as Data
    session.stamp = ++stamps
    return { userId: session.userId, stamp: session.stamp }
  })
  app.post('/login', async (request) => {
    await regenerate(request)
    // Some libraries replace the object.
    const session = request.session as Data
    session.signedInAt = Date.now()
    return { userId: session.userId }
  })
  app.post<{ Querystring: Begin }>('/begin', async (request) => {
    const { kind, user } = request.query
    Object.assign(request.session, contentOf(kind, Number(user)))
    return {}
  })
}
