'use strict'
module.exports = async (fastify) => {
  fastify.get('/', async ({ session }) => {
    session.userId = 42
    return session.data()
  })
}
