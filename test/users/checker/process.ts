// One process of the service that the checker tests: an application on loopback whose sessions have users.
import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyRequest } from 'fastify'
import { Cluster, Redis } from 'ioredis'
import redisSession, { RedisStore, type Store } from '../../../lib/index.js'
import { acknowledged, ENDED, noting } from './acknowledged.js'
import type { Connection } from './engine.js'
import { type Bug, withBug } from './planted.js'

/** The options of a process, passed as JSON. */
export interface ServiceOptions {
  connection: Connection
  /** How many replicas a write waits for. */
  replicas: number
  limit: number
  /** Seconds. */
  idleTimeout: number
  bug: Bug | undefined
}

/** The answer to every request. */
export interface Answer {
  /** The user of the session, and its handle. */
  user: string | undefined
  id: string
  /** The handles of a list. */
  list?: string[]
}

const { connection, replicas, limit, idleTimeout, bug }: ServiceOptions = JSON.parse(process.argv[2] ?? '')
process.on('disconnect', () => process.exit())

function connect(): Redis | Cluster {
  const client = 'nodes' in connection ? new Cluster(connection.nodes) : new Redis(connection)
  client.on('error', () => {})
  return client
}

function openStore(waitFor: number): Store {
  return new RedisStore(connect(), { replicas: waitFor, writeClient: connect() })
}

const app = Fastify()
app.addHook('onRequest', (_request, _reply, done) => acknowledged.run(new Set(), done))
await app.register(cookie)
await app.register(redisSession, {
  store: noting(withBug(openStore(replicas), bug, () => openStore(0))),
  timeout: 5_000,
  idleTimeout,
  cookie: { secure: false },
  user: 'name',
  maxPerUser: { limit, onFull: 'end-oldest' }
})

declare module '../../../lib/session/session.js' {
  interface SessionData {
    visits: number
  }
}

// After the commit.
app.addHook('onSend', async (_request, reply) => {
  reply.header(
    ENDED,
    [...(acknowledged.getStore() ?? [])].map((key) => key.slice('session:'.length)).join(' ')
  )
})

const answer = ({ session }: FastifyRequest): Answer => ({ user: session.name, id: session.id })
const userIn = ({ params }: FastifyRequest) => (params as { user: string }).user

app.get('/login/:user', async (request) => {
  await request.session.regenerate(false)
  request.session.name = userIn(request)
  return answer(request)
})
app.get('/move', async (request) => {
  await request.session.regenerate()
  return answer(request)
})
app.get('/change', async (request) => {
  if (request.session.name !== undefined) request.session.visits = (request.session.visits ?? 0) + 1
  return answer(request)
})
app.get('/me', async (request) => answer(request))
app.get('/logout', async (request) => {
  await request.session.destroy()
  return answer(request)
})
app.get('/end-all/:user', async (request) => {
  await app.sessions.endAllOf(userIn(request))
  return answer(request)
})
app.get('/end-others/:user', async (request) => {
  const { id } = request.session
  await app.sessions.endAllOf(userIn(request), { except: id })
  return answer(request)
})
app.get('/list/:user', async (request) => {
  const list = (await app.sessions.of(userIn(request))).map(({ id }) => id)
  return { ...answer(request), list }
})

await app.listen({ host: '127.0.0.1', port: 0 })
process.send?.(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
