// What `fastify-ioredis-session/testing` exports: sessions for the tests of an application.
export { Browser } from './browser.js'
export { type SignedInOptions, sessionOf, signedIn, type TestOptions } from './sessions.js'
