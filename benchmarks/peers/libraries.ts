// The same four routes with each session library, configured as its README recommends.
import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { deserialize, serialize } from 'node:v8'
import cookie from '@fastify/cookie'
import { RedisStore } from 'connect-redis'
import express, { type Request } from 'express'
import expressSession from 'express-session'
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyRequest } from 'fastify'
import type { Redis } from 'ioredis'
import redisSession from '../../lib/index.js'

export interface Library {
  name: string
  /** Whether a deployment can choose how sessions are encoded. */
  hasEncodings: boolean
  start(environment: Environment): Promise<Running>
}

export interface Environment {
  /** A client of Redis, and the URL of its server. */
  client: Redis
  url: string
  /** Whether to write with an encoding other than the library's default. */
  other: boolean
  /** Runs between reading a session and changing it. */
  meanwhile(): Promise<void>
}

export interface Running {
  port: number
  close(): Promise<unknown>
}

/** The value that the routes store under a key. */
export interface Value {
  at: Date
  count: number
}

/** The library's operations on the session of a request. */
interface Access<Request> {
  data(request: Request): Record<string, unknown>
  set(request: Request, key: string, value: Value): void
  end(request: Request): Promise<unknown>
}

const SECRET = 'a secret of comparisons, long enough for everybody'
const COOKIE = { secure: false, sameSite: 'lax' } as const
const require = createRequire(import.meta.url)

/** An encoding for connect-redis that keeps more types than JSON. */
const V8 = {
  parse: (text: string) => deserialize(Buffer.from(text, 'base64')),
  stringify: (data: object) => serialize(data).toString('base64')
}

async function ours({ url, other, meanwhile }: Environment): Promise<Running> {
  const app = Fastify()
  await app.register(cookie)
  await app.register(redisSession, {
    redis: url,
    secret: SECRET,
    serializer: other ? 'superjson' : 'msgpack'
  })
  return listen(app, meanwhile, {
    data: ({ session }) => session.data(),
    set: ({ session }, key, value) => Object.assign(session, { [key]: value }),
    end: ({ session }) => session.destroy()
  })
}

// Uses `require` here and below, because importing the declarations would give `request.session` a type other than this
// plugin's.
async function fastifySession({ client, other, meanwhile }: Environment): Promise<Running> {
  const plugin: FastifyPluginAsync<Record<string, unknown>> = require('@fastify/session')
  const app = Fastify()
  await app.register(cookie)
  await app.register(plugin, {
    secret: SECRET,
    store: new RedisStore({ client, ...(other ? { serializer: V8 } : {}) }),
    cookie: COOKIE,
    saveUninitialized: false,
    rolling: false
  })
  return listen(app, meanwhile, {
    data: ({ session }) => ({ ...session }),
    set: ({ session }, key, value) => Object.assign(session, { [key]: value }),
    end: ({ session }) => session.destroy()
  })
}

async function mgcrea({ client, meanwhile }: Environment): Promise<Running> {
  interface Own {
    session: { data: Record<string, unknown>; set(key: string, value: unknown): void }
    destroySession(): Promise<void>
  }
  const own = (request: FastifyRequest) => request as unknown as Own
  const { default: plugin } = require('@mgcrea/fastify-session') as {
    default: FastifyPluginAsync<Record<string, unknown>>
  }
  const { RedisStore } = require('@mgcrea/fastify-session-redis-store')
  const app = Fastify()
  await app.register(cookie)
  await app.register(plugin, {
    secret: SECRET,
    store: new RedisStore({ client, ttl: 86_400 }),
    saveUninitialized: false,
    cookie: COOKIE
  })
  return listen(app, meanwhile, {
    data: (request) => own(request).session.data,
    set: (request, key, value) => own(request).session.set(key, value),
    end: (request) => own(request).destroySession()
  })
}

async function onExpress({ client, other, meanwhile }: Environment): Promise<Running> {
  const app = express()
  const store = new RedisStore({ client, ...(other ? { serializer: V8 } : {}) })
  app.use(expressSession({ secret: SECRET, store, resave: false, saveUninitialized: false, cookie: COOKIE }))
  const routes = routesOf<Request>(meanwhile, {
    data: ({ session }) => ({ ...session }),
    set: ({ session }, key, value) => Object.assign(session, { [key]: value }),
    end: ({ session }) => new Promise((resolve) => session.destroy(resolve))
  })
  for (const [path, route] of Object.entries(routes)) {
    app.get(path, async (request, response) => {
      response.json(await route(request, String(request.query.key)))
    })
  }
  // Keeps Express from printing the stack.
  app.use((error: Error, _request: unknown, response: express.Response, _next: unknown) => {
    if (!response.headersSent) response.status(500).json({ message: error.message })
  })
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close()
      server.closeAllConnections()
    }
  }
}

export const LIBRARIES: readonly Library[] = [
  { name: 'fastify-ioredis-session', hasEncodings: true, start: ours },
  { name: '@fastify/session, connect-redis', hasEncodings: true, start: fastifySession },
  { name: '@mgcrea/fastify-session', hasEncodings: false, start: mgcrea },
  { name: 'express-session, connect-redis', hasEncodings: true, start: onExpress }
]

function routesOf<Request>(
  meanwhile: () => Promise<void>,
  { data, set, end }: Access<Request>
): Record<string, (request: Request, key: string) => Promise<unknown>> {
  const values = (request: Request) => Object.entries(data(request)).filter(([key]) => key !== 'cookie')
  return {
    '/set': async (request, key) => {
      await meanwhile()
      set(request, key, { at: new Date(), count: 0 })
      return {}
    },
    '/count': async (request, key) => {
      const value = data(request)[key] as Value
      value.count++
      return {}
    },
    '/look': async (request) =>
      values(request).map(([key, value]) => {
        const { at, count } = value as Value
        return { key, count, isDate: at instanceof Date }
      }),
    '/end': async (request) => {
      await end(request)
      return {}
    }
  }
}

async function listen(
  app: FastifyInstance,
  meanwhile: () => Promise<void>,
  access: Access<FastifyRequest>
): Promise<Running> {
  for (const [path, route] of Object.entries(routesOf(meanwhile, access))) {
    app.get<{ Querystring: { key: string } }>(path, (request) => route(request, request.query.key))
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    port: (app.server.address() as AddressInfo).port,
    close() {
      app.server.closeAllConnections()
      return app.close()
    }
  }
}
