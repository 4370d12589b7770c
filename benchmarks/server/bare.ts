// Fastify without sessions, with and without @fastify/cookie: what a request costs that has nothing to do with them.
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import { listen, type Start } from './subject.js'

export const start: Start = async (name) => {
  const app = Fastify()
  if (name === 'fastify + cookie') await app.register(cookie)
  app.get('/plain', async () => ({ answer: 'plain' }))
  return listen(app)
}
