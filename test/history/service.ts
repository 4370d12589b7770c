// One process of the service that the checker tests: a small application on loopback. It ends with its parent.
import { setTimeout as sleep } from 'node:timers/promises'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyRequest } from 'fastify'
import { Cluster, type ClusterNode, type NatMap, Redis } from 'ioredis'
import redisSession, {
  mergeRules,
  type RedisSessionOptions,
  RedisStore,
  type Session,
  type Store
} from '../../lib/index.js'
import type { Content } from './history.js'
import { type Bug, withBugs } from './planted.js'

/** The options of a process, passed as JSON. */
export interface ServiceOptions {
  redis: { port: number } | { nodes: ClusterNode[]; natMap: NatMap }
  /** Who makes the client: the plugin, the application with ioredis' defaults, or the store with planted bugs. */
  client: 'plugin' | 'application' | 'planted'
  session: Pick<
    RedisSessionOptions,
    'serializer' | 'replicas' | 'replicaTimeout' | 'detectRollback' | 'timeout' | 'touchAfter'
  >
}

/** How a change is made. */
export type How = 'append' | 'permanent' | 'save' | 'reload' | 'fail' | 'regenerate'

/** A message from the parent. */
export type Order = { condition: true } | { plant: Bug | undefined }

/** The answer to every message. */
export interface Condition {
  /** Unhandled rejections and exceptions since the last message. */
  unhandled: string[]
}

const { redis, client: clientKind, session: options }: ServiceOptions = JSON.parse(process.argv[2] ?? '')
const unhandled: string[] = []
process.on('unhandledRejection', (reason) => unhandled.push(`rejection: ${reason}`))
process.on('uncaughtException', (error) => unhandled.push(`exception: ${error}`))
process.on('disconnect', () => process.exit())
let planted: Bug | undefined

process.on('message', (order: Order) => {
  if ('plant' in order) planted = order.plant
  const condition: Condition = { unhandled: unhandled.splice(0) }
  process.send?.(condition)
})

/** Milliseconds between two measurements of the lag. */
const TICK = 5
let stoodStill = 0
let lookedAt = performance.now()

/** The total time in milliseconds in which this process was ready but did not run. */
function lag(): number {
  return stoodStill + Math.max(0, performance.now() - lookedAt - TICK)
}

setInterval(() => {
  stoodStill = lag()
  lookedAt = performance.now()
}, TICK).unref()

/** A session holds each value in a list and in a set, and counts the values. */
interface Data {
  life?: string
  log?: string[]
  count?: number
  tags?: Set<string> | string[]
}

function dataOf(session: Session): Data {
  return session as unknown as Data
}

function add(session: Session, value: string): void {
  const data = dataOf(session)
  data.log?.push(value)
  data.count = (data.count ?? 0) + 1
  if (data.tags instanceof Set) data.tags.add(value)
  else data.tags?.push(value)
}

function whereFrom(): { store: Store } | { redis: string | Redis | Cluster } {
  if ('nodes' in redis) {
    const cluster = new Cluster(redis.nodes, { natMap: redis.natMap })
    cluster.on('error', () => {})
    return { redis: cluster }
  }
  if (clientKind === 'plugin') return { redis: `redis://127.0.0.1:${redis.port}` }
  const own = new Redis({
    port: redis.port,
    host: '127.0.0.1',
    retryStrategy: () => 50,
    // The store with planted bugs has to learn early that an answer was lost.
    ...(clientKind === 'planted' ? { maxRetriesPerRequest: 0 } : {})
  })
  own.on('error', () => {})
  return clientKind === 'application'
    ? { redis: own }
    : { store: withBugs(new RedisStore(own), () => planted) }
}

const app = Fastify()
/** The arrival of a request, less the process's lag until then. */
const arrivals = new WeakMap<FastifyRequest, number>()
app.addHook('onRequest', async (request) => {
  arrivals.set(request, performance.now() - lag())
})
await app.register(cookie)
await app.register(redisSession, {
  ...options,
  ...whereFrom(),
  secret: 'a secret that is known to all who read this',
  cookie: { secure: false, name: 'session' },
  merge: { log: mergeRules.append, count: mergeRules.sum, tags: mergeRules.union }
})

/** The result of the request's `save()`. */
const saves = new WeakMap<FastifyRequest, string>()

// This hook runs after the commit. `detached` says that the session had ended or moved, so nothing was stored.
app.addHook('onSend', async (request, reply) => {
  const { detached } = request.session
  const saved = saves.get(request)
  reply.header('session-took', performance.now() - lag() - (arrivals.get(request) ?? 0))
  if (detached !== undefined) reply.header('session-detached', detached)
  if (saved !== undefined) reply.header('session-saved', saved)
})

app.post<{ Querystring: { life: string } }>('/sign-in', async ({ session, query }) => {
  await session.regenerate(false)
  Object.assign(dataOf(session), {
    life: query.life,
    log: [],
    count: 0,
    tags: options.serializer === 'msgpack' ? new Set() : []
  })
  return { life: query.life }
})

interface ChangeQuery {
  how: How
  values: string
  /** Milliseconds between reading and changing. */
  wait: number
}

app.post<{ Querystring: ChangeQuery }>('/change', async (request, reply) => {
  const { session, query } = request
  const { life } = dataOf(session)
  const [first = '', second = ''] = query.values.split(',')
  const isStill = () => life !== undefined && dataOf(session).life === life
  await sleep(Number(query.wait))
  if (isStill()) {
    if (query.how === 'regenerate') await session.regenerate()
    if (query.how === 'permanent') session.permanent = true
    add(session, first)
    if (query.how === 'fail') throw new Error('the application fails')
    if (query.how === 'reload') await session.reload()
    if (query.how === 'save') {
      const done = await session.save().then(
        () => 'done',
        (error) => error.code
      )
      saves.set(request, done)
      await sleep(Number(query.wait))
    }
    if (second !== '' && isStill()) add(session, second)
  }
  if (!isStill()) reply.code(401)
  return { life }
})

app.get('/read', async ({ session }, reply): Promise<Content> => {
  const { life, log = [], count = 0, tags = [] } = dataOf(session)
  if (life === undefined) reply.code(401)
  return { life, log, count, tags: [...tags] }
})

app.post('/logout', async ({ session }) => {
  const { life } = dataOf(session)
  await session.destroy()
  return { life }
})

// The planted bug 'sent twice': a proxy before the service repeats a request that was answered.
const REPEATED = 'repeated'
app.addHook('onResponse', async ({ method, url, headers }, { statusCode }) => {
  if (planted !== 'sent twice' || statusCode !== 200 || headers[REPEATED] !== undefined) return
  const { cookie = '' } = headers
  if (url.includes('how=append'))
    app.inject({ method: method as 'POST', url, headers: { cookie, [REPEATED]: 'yes' } })
})

process.send?.(await app.listen({ port: 0, host: '127.0.0.1' }))
