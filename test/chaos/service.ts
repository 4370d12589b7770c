// One process of the service that the faults hit: a small application on loopback. It ends with its parent.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyRequest } from 'fastify'
import { Cluster, type ClusterNode } from 'ioredis'
import redisSession, { type RedisSessionOptions } from '../../lib/index.js'

/** The options of a process, passed as JSON. */
export interface ServiceOptions {
  /** The plugin's option `redis`. For a cluster the application makes a client with the defaults of ioredis. */
  redis: string | { cluster: ClusterNode[] } | { sentinels: { host: string; port: number }[]; name: string }
  session: Omit<RedisSessionOptions, 'redis' | 'store'>
}

/** The session as a request reads it before its own change. */
export interface Sight {
  user: string | undefined
  writes: number[]
  detached: string | undefined
  rolledBack: boolean
}

/** The condition of a process. */
export interface Condition {
  rss: number
  heap: number
  /** Unhandled rejections, uncaught exceptions and warnings of Node. */
  unhandled: string[]
  /** The longest delay of the event loop in milliseconds since the last request for the condition. */
  stall: number
}

const { redis, session }: ServiceOptions = JSON.parse(process.argv[2] ?? '')
const unhandled: string[] = []
process.on('unhandledRejection', (reason) => unhandled.push(`rejection: ${reason}`))
process.on('uncaughtException', (error) => unhandled.push(`exception: ${error}`))
process.on('warning', ({ name, message }) => unhandled.push(`${name}: ${message}`))
process.on('disconnect', () => process.exit())
const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()

const app = Fastify()
let client: Cluster | undefined
if (typeof redis === 'object' && 'cluster' in redis) {
  client = new Cluster(redis.cluster)
  client.on('error', () => {})
}
await app.register(cookie)
await app.register(redisSession, {
  ...session,
  redis: client ?? (redis as string),
  // Each write adds a key until the process ends.
  maxRecordBytes: 1_048_576,
  cookie: { secure: false }
})

// This hook runs after the commit. `detached` says that the session had ended or moved, so nothing was stored.
app.addHook('onSend', async (request, reply) => {
  const { detached } = request.session
  if (detached !== undefined) reply.header('session-detached', detached)
})

/** A session's data: its user, and one key for each write. */
function dataOf({ session }: FastifyRequest): Record<string, unknown> {
  return session as unknown as Record<string, unknown>
}

function sight(request: FastifyRequest): Sight {
  const { session } = request
  const data = dataOf(request)
  const keys = Object.keys(data)
  return {
    user: data.user as string | undefined,
    writes: keys.filter((key) => /^w\d+$/.test(key)).map((key) => Number(key.slice(1))),
    detached: session.detached,
    rolledBack: session.rolledBack
  }
}

app.post<{ Querystring: { user: string } }>('/sign-in', async (request) => {
  await request.session.regenerate(false)
  dataOf(request).user = request.query.user
  return {}
})
app.post<{ Querystring: { n: number } }>('/write', async (request, reply) => {
  const seen = sight(request)
  if (seen.user === undefined) reply.code(401)
  else dataOf(request)[`w${request.query.n}`] = true
  return seen
})
app.post('/rotate', async (request, reply) => {
  const seen = sight(request)
  if (seen.user === undefined) reply.code(401)
  else await request.session.regenerate()
  return seen
})
app.get('/read', async (request) => sight(request))
app.get('/glance', { config: { session: { onUnavailable: 'anonymous' } } }, async (request) => sight(request))
app.get('/condition', { config: { session: false } }, async (): Promise<Condition> => {
  const stall = delay.max / 1e6
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  // The garbage collection above must not count as a delay of the service.
  setImmediate(() => delay.reset())
  return { rss, heap: heapUsed, unhandled, stall }
})
process.send?.(await app.listen({ port: 0, host: '127.0.0.1' }))
