// What `require('fastify-ioredis-session/testing')` gives.
module.exports = require('../dist/lib/testing/index.js')
