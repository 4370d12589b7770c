'use strict'
const fp = require('fastify-plugin')
const redisSession = require('fastify-ioredis-session')

module.exports = fp(async (fastify) => {
  await fastify.register(require('@fastify/cookie'))
  await fastify.register(redisSession, { store: new redisSession.MemoryStore() })
})
