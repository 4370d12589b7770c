// What `require('fastify-ioredis-session')` gives: the plugin itself, with the named exports as its properties.
const esm = require('../dist/lib/index.js')

module.exports = Object.assign(esm.default, esm)
