// What `require('fastify-ioredis-session/contracts')` gives.
module.exports = require('../dist/contracts/index.js')
