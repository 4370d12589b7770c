// Fastify without sessions, with and without @fastify/cookie: the cost of a request apart from sessions.
import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import { listen, type Start } from './subject.js'

export const start: Start = async (name) => {
  const app = Fastify()
  if (name === 'fastify + cookie') await app.register(cookie)
  app.get('/plain', async () => ({ answer: 'plain' }))
  // Sets a cookie, so that its requests carry one like those of all other subjects.
  app.post('/begin', async (_request, reply) => {
    reply.header('set-cookie', `sid=${randomBytes(32).toString('base64url')}; Path=/`)
    return {}
  })
  return listen(app)
}
