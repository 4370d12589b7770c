// Applications of other libraries, as their documents set them up, with the packages of benchmarks/.
import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyPluginAsync, type FastifyRequest } from 'fastify'
import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import { installPackages } from '../../benchmarks/install.js'

export const OLD_SECRET = 'a secret with at least thirty-two characters'

type Data = Record<string, unknown>
/** Starts an application with the routes /in/:name, /who and /out, and returns its URL. */
type Start = (t: Test, client: Redis) => Promise<string>

interface Access<Request> {
  data(request: Request): Data
  set(request: Request, key: string, value: unknown): void
  end(request: Request): Promise<unknown>
}

installPackages()
// Not imported: their declarations would give `request.session` another type.
const require = createRequire(resolve('benchmarks/package.json'))
const { RedisStore } = require('connect-redis')
const { RedisStore: MgcreaStore } = require('@mgcrea/fastify-session-redis-store')

/** @fastify/session with these options. */
export function fastifySessionApp(options: (client: Redis) => object): Start {
  return async (t, client) => {
    const settings = { secret: OLD_SECRET, saveUninitialized: false, cookie: { secure: false } }
    return startFastify(
      t,
      require('@fastify/session'),
      { ...settings, ...options(client) },
      {
        data: (request) => request.session as unknown as Data,
        set: (request, key, value) => Object.assign(request.session, { [key]: value }),
        end: (request) => request.session.destroy()
      }
    )
  }
}

export const withConnectRedis = (client: Redis) => ({ store: new RedisStore({ client }) })

/** A store as people write it: the id is the key. */
export function withPlainStore(client: Redis) {
  type Callback = (error: unknown, session?: unknown) => void
  const settle = (work: Promise<unknown>, done: Callback) => work.then((result) => done(null, result), done)
  return {
    store: {
      get: (id: string, done: Callback) =>
        settle(
          client.get(id).then((text) => text && JSON.parse(text)),
          done
        ),
      set: (id: string, session: unknown, done: Callback) =>
        settle(client.set(id, JSON.stringify(session), 'EX', 86_400), done),
      destroy: (id: string, done: Callback) => settle(client.del(id), done)
    }
  }
}

export const mgcreaApp: Start = (t, client) => {
  const own = (request: FastifyRequest) =>
    request as unknown as {
      session: { data: Data; set(key: string, value: unknown): void }
      destroySession(): Promise<void>
    }
  const options = {
    secret: OLD_SECRET,
    store: new MgcreaStore({ client }),
    saveUninitialized: false,
    cookie: { secure: false }
  }
  return startFastify(t, require('@mgcrea/fastify-session').default, options, {
    data: (request) => own(request).session.data,
    set: (request, key, value) => own(request).session.set(key, value),
    end: (request) => own(request).destroySession()
  })
}

export const expressApp: Start = async (t, client) => {
  const app = require('express')()
  const store = new RedisStore({ client })
  app.use(require('express-session')({ secret: OLD_SECRET, store, resave: false, saveUninitialized: false }))
  interface Request {
    params: { name: string }
    session: Data & { destroy(done: () => void): void }
  }
  interface Response {
    json(body: unknown): void
  }
  app.get('/in/:name', ({ params, session }: Request, response: Response) => {
    session.name = params.name
    response.json({})
  })
  app.get('/who', ({ session }: Request, response: Response) => response.json({ name: session.name ?? null }))
  app.get('/out', ({ session }: Request, response: Response) => session.destroy(() => response.json({})))
  const server = app.listen(0, '127.0.0.1')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return urlOf(server.address())
}

async function startFastify(
  t: Test,
  plugin: FastifyPluginAsync<object>,
  options: object,
  { data, set, end }: Access<FastifyRequest>
): Promise<string> {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(plugin, options)
  app.get<{ Params: { name: string } }>('/in/:name', async (request) => {
    set(request, 'name', request.params.name)
    return {}
  })
  app.get('/who', async (request) => ({ name: data(request).name ?? null }))
  app.get('/out', async (request) => {
    await end(request)
    return {}
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return urlOf(app.server.address())
}

export function urlOf(address: AddressInfo | string | null): string {
  return `http://127.0.0.1:${(address as AddressInfo).port}`
}
