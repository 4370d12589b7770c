import type * as esm from '../dist/lib/adopt/index.js' with { 'resolution-mode': 'import' }

export type {
  Adopter,
  AdopterOptions,
  FastifySessionOptions,
  FlaskSessionOptions,
  OldCookie,
  OldSession
} from '../dist/lib/adopt/index.js' with { 'resolution-mode': 'import' }
export declare const expressSession: typeof esm.expressSession
export declare const fastifySession: typeof esm.fastifySession
export declare const flaskSession: typeof esm.flaskSession
export declare const koaGenericSession: typeof esm.koaGenericSession
export declare const koaSession: typeof esm.koaSession
export declare const mgcreaSession: typeof esm.mgcreaSession
