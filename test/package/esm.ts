// The package in an ECMAScript module. `npm run test:package` runs it where the package is installed.
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import redisSession, { MemoryStore, type RedisSessionOptions } from 'fastify-ioredis-session'
import { type Adopter, expressSession } from 'fastify-ioredis-session/adopt'
import { type AuditRow, auditSession } from 'fastify-ioredis-session/audit'
import { serializerContract, storeContract } from 'fastify-ioredis-session/contracts'
import { sessionOf, signedIn } from 'fastify-ioredis-session/testing'

declare module 'fastify-ioredis-session' {
  interface SessionData {
    userId: number
  }
}

const options: RedisSessionOptions = { store: new MemoryStore(), serializer: 'msgpack' }
const app = Fastify()
await app.register(cookie)
await app.register(redisSession, options)
app.get('/', async ({ session }) => {
  const id: number | undefined = session.get('userId')
  // @ts-expect-error: a text is no number, which only shows if the declared type has come along in the package
  session.set('userId', 'forty-two')
  session.set('userId', (id ?? 41) + 1)
  return session.data()
})
const { body, headers } = await app.inject('/')
if (!headers['set-cookie'] || body !== '{"userId":42}') throw new Error(body)
const adopter: Adopter = expressSession({ secret: 'old' })
if (adopter.keyOf('1') !== 'sess:1') throw new Error('adopt')
const response = await app.inject({ url: '/', headers: await signedIn(app, { userId: 1 }) })
const left = await sessionOf(app, response)
if (left?.userId !== 2) throw new Error(JSON.stringify(left))
if (typeof serializerContract !== 'function' || storeContract(() => new MemoryStore()).length < 20)
  throw new Error('the contracts are missing')
const rows: AuditRow[] = await auditSession(app)
if (rows.length < 20) throw new Error('audit')
await app.close()
process.exit()
