// What `require('fastify-ioredis-session/adopt')` gives.
module.exports = require('../dist/lib/adopt/index.js')
