// @fastify/session with a small store on ioredis and with connect-redis, each with its defaults and at its best. At its
// best it creates no empty sessions, stores only changed ones and uses an auto-pipelining client. It then does not
// extend sessions that are only read.
import { createRequire } from 'node:module'
import cookie from '@fastify/cookie'
import { RedisStore } from 'connect-redis'
import Fastify, { type FastifyPluginAsync, type FastifyRequest } from 'fastify'
import type { Redis } from 'ioredis'
import { addRoutes } from './fastify-routes.js'
import { IDLE_SECONDS, listen, SECRET, type Start } from './subject.js'

type Done<Result = unknown> = (error: unknown, result?: Result) => void

interface Store {
  get(id: string, done: Done): void
  set(id: string, session: object, done: Done): void
  destroy(id: string, done: Done): void
}

interface Options {
  secret: string
  store: Store
  cookie: { secure: boolean; sameSite: 'lax' }
  saveUninitialized?: boolean
  rolling?: boolean
}

// Uses `require`, because importing its declarations would give `request.session` a type other than this plugin's.
const fastifySession: FastifyPluginAsync<Options> = createRequire(import.meta.url)('@fastify/session')

const BEST = { saveUninitialized: false, rolling: false }

export const start: Start = async (name, { connect }) => {
  const isBest = name.endsWith('best')
  const client = connect({ enableAutoPipelining: isBest })
  const app = Fastify()
  await app.register(cookie)
  await app.register(fastifySession, {
    secret: SECRET,
    store: name.includes('connect-redis') ? (new RedisStore({ client }) as Store) : storeOn(client),
    cookie: { secure: false, sameSite: 'lax' },
    ...(isBest ? BEST : {})
  })
  addRoutes(app, regenerate)
  return listen(app)
}

function storeOn(client: Redis): Store {
  const keyOf = (id: string) => `session:${id}`
  return {
    get(id, done) {
      client.get(keyOf(id)).then((json) => done(null, json === null ? null : JSON.parse(json)), done)
    },
    set(id, session, done) {
      client.set(keyOf(id), JSON.stringify(session), 'EX', IDLE_SECONDS).then(() => done(null), done)
    },
    destroy(id, done) {
      client.del(keyOf(id)).then(() => done(null), done)
    }
  }
}

/** Gives the session a new id and keeps all keys, except the one that the library adds. */
function regenerate({ session }: FastifyRequest): Promise<unknown> {
  const keys = Object.keys(session).filter((key) => key !== 'cookie')
  return (session as unknown as { regenerate(keys: string[]): Promise<unknown> }).regenerate(keys)
}
