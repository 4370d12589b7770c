// The routes of the subjects whose session is a property of Fastify's request that saves itself.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type Begin, contentOf, type Data } from './contents.js'

/** `regenerate` gives the session a new id and keeps what it holds. */
export function addRoutes(
  app: FastifyInstance,
  regenerate: (request: FastifyRequest) => Promise<unknown>
): void {
  app.get('/plain', async () => ({ answer: 'plain' }))
  app.get('/read', async (request) => {
    const session = request.session as Data
    return { userId: session.userId }
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
    // Some put another object in its place.
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
