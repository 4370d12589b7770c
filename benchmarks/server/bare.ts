// Fastify without sessions, with and without @fastify/cookie: what a request costs that has nothing to do with them.
import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import { listen, type Start } from './subject.js'

export const start: Start = async (name) => {
  const app = Fastify()
  if (name === 'fastify + cookie') await app.register(cookie)
  app.get('/plain', async () => ({ answer: 'plain' }))
  // So that it gets cookies like all the others.
  app.post('/begin', async (_request, reply) => {
    reply.header('set-cookie', `sid=${randomBytes(32).toString('base64url')}; Path=/`)
    return {}
  })
  return listen(app)
}
