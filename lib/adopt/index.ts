// The public interface of `fastify-ioredis-session/adopt`: continues sessions of other libraries.
export type { Adopter, OldCookie, OldSession } from './adopter.js'
export { expressSession, type FastifySessionOptions, fastifySession } from './connect-session.js'
export { type FlaskSessionOptions, flaskSession } from './flask-session.js'
export { koaGenericSession, koaSession } from './koa-session.js'
export { mgcreaSession } from './mgcrea-session.js'
export type { AdopterOptions } from './options.js'
