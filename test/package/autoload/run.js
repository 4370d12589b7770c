'use strict'
const app = require('fastify')()
app.register(require('./app.js'))
app.inject('/').then(({ body, headers }) => {
  if (!headers['set-cookie'] || body !== '{"userId":42}') throw new Error(body)
  process.exit()
})
