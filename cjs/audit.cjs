// What `require('fastify-ioredis-session/audit')` gives.
module.exports = require('../dist/lib/audit/index.js')
