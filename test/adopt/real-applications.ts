// Applications of other libraries, as their documents set them up, with the packages of benchmarks/.
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyPluginAsync, type FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { installPackages } from '../../benchmarks/install.js'
import type { RedisServer } from '../support/redis-server.js'

export const OLD_SECRET = 'a secret with at least thirty-two characters'

export type Data = Record<string, unknown>
/** Starts an application with the routes /in/:name and /who, and returns its URL. */
export type Start = (t: Test, redis: RedisServer) => Promise<string>
/** Makes a store of express-session. */
type StoreOf = (t: Test, redis: RedisServer) => Promise<unknown>

/** What /in/:name stores. */
export function dataOf(name: string): Data {
  return { name, cart: { items: ['apple', 'Grüße'] }, count: 2 ** 40 }
}

installPackages()
/** Not imported: their declarations would give `request.session` another type. */
export const requireOld = createRequire(resolve('benchmarks/package.json'))

/** A store as people write it: the id is the key. */
export const plainStore: StoreOf = async (_, { client }) => {
  type Callback = (error: unknown, session?: unknown) => void
  const settle = (work: Promise<unknown>, done: Callback) => work.then((result) => done(null, result), done)
  return {
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

export const connectRedis7: StoreOf = async (_, { client }) => {
  const { default: RedisStore } = requireOld('connect-redis-7')
  return new RedisStore({ client })
}

export const connectRedis8: StoreOf = async (_, { client }) => {
  const { RedisStore } = requireOld('connect-redis')
  return new RedisStore({ client })
}

/** It needs node-redis. */
export const connectRedis9: StoreOf = async (t, { url }) => {
  const { RedisStore } = requireOld('connect-redis-9')
  const client = requireOld('redis').createClient({ url })
  await client.connect()
  t.teardown(() => client.destroy())
  return new RedisStore({ client })
}

/** @fastify/session with these further options. */
export function fastifySessionApp(storeOf: StoreOf, { cookie = {}, ...options }: Data = {}): Start {
  return async (t, redis) =>
    startFastify(
      t,
      requireOld('@fastify/session'),
      {
        secret: OLD_SECRET,
        store: await storeOf(t, redis),
        saveUninitialized: false,
        cookie: { secure: false, ...(cookie as object) },
        ...options
      },
      ({ session }) => session as unknown as Data,
      ({ session }, data) => Object.assign(session, data)
    )
}

export const mgcreaApp: Start = (t, { client }) => {
  interface Own {
    data: Data
    set(key: string, value: unknown): void
  }
  const own = ({ session }: FastifyRequest) => session as unknown as Own
  const { RedisStore } = requireOld('@mgcrea/fastify-session-redis-store')
  const options = {
    secret: OLD_SECRET,
    store: new RedisStore({ client }),
    saveUninitialized: false,
    cookie: { secure: false }
  }
  return startFastify(
    t,
    requireOld('@mgcrea/fastify-session').default,
    options,
    (request) => own(request).data,
    (request, data) => {
      for (const [key, value] of Object.entries(data)) own(request).set(key, value)
    }
  )
}

export function expressApp(storeOf: StoreOf): Start {
  return async (t, redis) => {
    const app = requireOld('express')()
    const settings = { secret: OLD_SECRET, resave: false, saveUninitialized: false }
    app.use(requireOld('express-session')({ ...settings, store: await storeOf(t, redis) }))
    interface Request {
      params: { name: string }
      session: Data
    }
    interface Response {
      json(body: unknown): void
    }
    app.get('/in/:name', ({ params, session }: Request, response: Response) => {
      Object.assign(session, dataOf(params.name))
      response.json({})
    })
    app.get('/who', ({ session }: Request, response: Response) =>
      response.json({ name: session.name ?? null })
    )
    return serve(t, app.listen(0, '127.0.0.1'))
  }
}

/** The URL of a server, which closes with the test. */
export async function serve(t: Test, server: Server): Promise<string> {
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
  read: (request: FastifyRequest) => Data,
  store: (request: FastifyRequest, data: Data) => void
): Promise<string> {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(plugin, options)
  app.get<{ Params: { name: string } }>('/in/:name', async (request) => {
    store(request, dataOf(request.params.name))
    return {}
  })
  app.get('/who', async (request) => ({ name: read(request).name ?? null }))
  await app.listen({ port: 0, host: '127.0.0.1' })
  return urlOf(app.server.address())
}

export function urlOf(address: AddressInfo | string | null): string {
  return `http://127.0.0.1:${(address as AddressInfo).port}`
}
