// The package in a CommonJS module, by `require()` and by `import` as TypeScript writes it.
import cookie = require('@fastify/cookie')
import Fastify = require('fastify')
import redisSession = require('fastify-ioredis-session')
import adopt = require('fastify-ioredis-session/adopt')
import audit = require('fastify-ioredis-session/audit')
import contracts = require('fastify-ioredis-session/contracts')
import testing = require('fastify-ioredis-session/testing')

declare module 'fastify-ioredis-session' {
  interface SessionData {
    userId: number
  }
}

async function run(): Promise<void> {
  const store: redisSession.MemoryStore = new redisSession.MemoryStore({ maxEntries: 10 })
  const merge = { userId: redisSession.mergeRules.larger }
  const options: redisSession.RedisSessionOptions = { store, merge }
  const app = Fastify()
  await app.register(cookie)
  await app.register(redisSession, options)
  app.get('/', async ({ session }) => {
    // @ts-expect-error: a text is no number
    session.set('userId', 'forty-two')
    session.userId = 42
    return session.data()
  })
  const adopter: adopt.Adopter = adopt.expressSession({ secret: 'old' })
  if (adopter.keyOf('1') !== 'sess:1') throw new Error('adopt')
  const response = await app.inject('/')
  const left = await testing.sessionOf(app, response)
  if (left?.userId !== 42) throw new Error(response.body)
  for (const { name, run } of contracts.storeContract(() => store).slice(0, 3)) {
    await run().catch((cause) => {
      throw new Error(name, { cause })
    })
  }
  // Of one package there is one copy, however it is loaded.
  const esm = await import('fastify-ioredis-session')
  const named: unknown = redisSession
  for (const [name, value] of Object.entries(esm)) {
    if (name !== 'default' && (named as Record<string, unknown>)[name] !== value) throw new Error(name)
  }
  if (esm.default !== named || !(store instanceof esm.MemoryStore)) throw new Error('two copies')
  // A registration by the one counts for the other.
  const other = Fastify()
  await other.register(cookie)
  await other.register(redisSession, { store: new esm.MemoryStore() })
  const again = Promise.resolve(other.register(esm.default, { store: new esm.MemoryStore() }))
  const refused = await again.catch((error: { code?: string }) => error.code)
  if (refused !== 'FST_SESSION_OPTION') throw new Error(`the second registration: ${String(refused)}`)
  const rows: audit.AuditRow[] = await audit.auditSession(app)
  if (rows.length < 20) throw new Error('audit')
  await app.close()
}

run().then(
  () => process.exit(),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
