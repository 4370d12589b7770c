// One process of the service under stress: a small application on loopback. It ends with its parent.
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { append, sum } from '../../lib/data/merge-rules.js'
import redisSession, { RedisStore, type Session, type Store } from '../../lib/index.js'

/** The counters of a process, which the parent asks for. */
export interface Counts {
  /** Calls of the update script; those that wrote; and those without effect because the session was gone. */
  updates: number
  written: number
  missing: number
  /** Duration of each commit in milliseconds, from the end of the handler to the response. */
  commits: number[]
}

const { port, serializer } = JSON.parse(process.argv[2] ?? '')
const client = new Redis({ port, host: '127.0.0.1', enableAutoPipelining: true })
const counts: Counts = { updates: 0, written: 0, missing: 0, commits: [] }

const redis = new RedisStore(client)
const store: Store = {
  read: (key) => redis.read(key),
  create: (key, record, expiresAt) => redis.create(key, record, expiresAt),
  touch: (key, revision, patch, expiresAt) => redis.touch(key, revision, patch, expiresAt),
  destroy: (key, revision) => redis.destroy(key, revision),
  async update(key, revision, record, expiresAt) {
    counts.updates++
    const outcome = await redis.update(key, revision, record, expiresAt)
    if (outcome === 'done') counts.written++
    if (outcome === 'missing') counts.missing++
    return outcome
  }
}

const app = Fastify()
await app.register(cookie)
app.decorateRequest('handledAt', 0)
await app.register(redisSession, {
  store,
  serializer,
  cookie: { secure: false },
  // The lists and keys of a session grow until the process ends.
  maxRecordBytes: 1_048_576,
  merge: { count: sum, log: append }
})
type Data = Record<string, unknown>
const dataOf = (session: Session): Data => session as unknown as Data

app.get('/begin', async ({ session }) => {
  Object.assign(session, { count: 0, log: [] })
  return {}
})
app.get('/increment', async (request) => {
  const data = dataOf(request.session)
  data.count = Number(data.count) + 1
  return timed(request, {})
})
app.get<{ Querystring: { key: string } }>('/insert', async (request) => {
  dataOf(request.session)[request.query.key] = true
  return timed(request, {})
})
app.get<{ Querystring: { entry: string } }>('/append', async (request) => {
  ;(dataOf(request.session).log as string[]).push(request.query.entry)
  return timed(request, {})
})
app.get('/logout', async ({ session }) => {
  await session.destroy()
  return {}
})
app.get('/look', async ({ session }) => session.data())
app.addHook('onResponse', async (request) => {
  const { handledAt } = request as { handledAt?: number }
  if (handledAt) counts.commits.push(performance.now() - handledAt)
})

function timed<T>(request: object, result: T): T {
  Object.assign(request, { handledAt: performance.now() })
  return result
}

process.send?.(await app.listen({ port: 0, host: '127.0.0.1' }))
process.on('message', () => process.send?.(counts))
process.on('disconnect', () => process.exit())
