// `npm start`: reads the environment, prints its settings, serves the notes, and shuts down cleanly.
import { randomBytes } from 'node:crypto'
import { MemoryStore, RedisStore, type SerializerName, type Store } from 'fastify-ioredis-session'
import { Redis } from 'ioredis'
import { CHANNEL, createApp } from './app.js'
import { serializerNames } from './inspect.js'

const { REDIS_URL, SESSION_SECRET, SESSION_SERIALIZER, HOST = 'localhost', PORT = '3000' } = process.env

/** Milliseconds that requests under way have when the application shuts down. */
const GRACE = 2_000
const IN_PROCESS = 'in this process, and end with it; set REDIS_URL to keep them'

try {
  await start()
} catch (error) {
  console.error(explain(error as NodeJS.ErrnoException))
  process.exit(1)
}

async function start(): Promise<void> {
  const serializer = chosenSerializer(SESSION_SERIALIZER || 'superjson')
  const redis = REDIS_URL ? connect(REDIS_URL) : undefined
  const store: Store = redis ? new RedisStore(redis, { channel: CHANNEL }) : new MemoryStore()
  // Sessions in Redis must survive a restart, which they would not with a random secret. So by default they have none:
  // ids of 256 random bits cannot be guessed, and a signature only saves Redis from looking up forged ones.
  const secret = SESSION_SECRET || (redis ? undefined : randomBytes(32).toString('base64url'))
  const app = await createApp({ store, serializer, secret })

  app.addHook('onClose', async () => redis?.disconnect())
  // Not `once`: the terminal sends Ctrl+C to all processes, and npm passes it on a second time.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      app.close()
      // Browsers open connections in reserve, and close() would wait until they use them.
      setTimeout(() => process.exit(), GRACE).unref()
    })
  }
  await app.listen({ host: HOST, port: portNumber(PORT) })

  const where = redis ? await describe(redis) : IN_PROCESS
  const address = app.server.address()
  const port = typeof address === 'object' ? address?.port : PORT
  console.log(`Notes:      http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${port}`)
  console.log(`Sessions:   ${where}`)
  console.log(`Serializer: ${serializer} (SESSION_SERIALIZER chooses: ${serializerNames.join(', ')})`)
  console.log(`Cookies:    ${signedWith(secret)}`)
}

function chosenSerializer(name: string): SerializerName {
  const found = serializerNames.find((known) => known === name)
  if (found === undefined) {
    throw new Error(`SESSION_SERIALIZER is "${name}"; it must be one of ${serializerNames.join(', ')}.`)
  }
  return found
}

function portNumber(text: string): number {
  const port = Number(text)
  if (text.trim() === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`PORT is "${text}"; it must be a number from 0 to 65535.`)
  }
  return port
}

// Commands fail fast: an error page is better than a page that never loads.
function connect(url: string): Redis {
  if (!/^rediss?:\/\//.test(url)) throw new Error('REDIS_URL must begin with redis:// or rediss://.')
  const redis = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 1_000, commandTimeout: 1_000 })
  redis.on('error', ({ code, name }: NodeJS.ErrnoException) => {
    console.error(
      `The connection to Redis failed: ${code ?? name}. Check REDIS_URL and that Redis is running.`
    )
  })
  return redis
}

// Shows host and port only, since the URL may hold a password.
async function describe(redis: Redis): Promise<string> {
  const { host, port } = redis.options
  const answers = await redis.ping().then(
    () => true,
    () => false
  )
  return `Redis at ${host}:${port}${answers ? '' : ', which does not answer; check that it is running'}`
}

function signedWith(secret: string | undefined): string {
  if (secret === undefined) return 'not signed; set SESSION_SECRET (32 characters or more) to sign them'
  return SESSION_SECRET ? 'signed with SESSION_SECRET' : 'signed with a random secret of this process'
}

function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return `Port ${PORT} is in use. Choose another one: PORT=3001 npm start.`
  return error.message
}
