// A schema of zod, from the login to a later version.
import t from 'tap'
import { z } from 'zod'
import type { InferOutput } from '../../lib/index.js'
import { createApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { startRedis } from '../support/redis-server.js'

const schema = z.object({
  userId: z.number().int().optional(),
  role: z.enum(['reader', 'editor']).default('reader'),
  signedInAt: z.coerce.date().optional(),
  address: z.object({ city: z.string() }).optional()
})

declare module 'fastify-ioredis-session' {
  interface SessionData extends InferOutput<typeof schema> {}
}

t.test('zod: checks what is stored, fills in defaults, and brings back Dates from JSON', async (t) => {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url, schema: { version: 1, validate: schema } })
  app.get('/sign-in', async ({ session }) => {
    session.userId = 7
    session.signedInAt = new Date(1_000)
    session.set('anything', 'a key that the schema does not know')
    return {}
  })
  app.get('/', async ({ session }) => ({
    ...session.data(),
    isDate: session.signedInAt instanceof Date,
    role: session.role ?? null
  }))
  app.get('/wrong', async ({ session }) => {
    session.address = { city: 12 as unknown as string }
    session.userId = 1.5
    return {}
  })
  const browser = new Browser(app)
  t.equal((await browser.request('/sign-in')).statusCode, 200)
  const seen = {
    userId: 7,
    signedInAt: new Date(1_000).toISOString(),
    anything: 'a key that the schema does not know',
    isDate: true,
    role: 'reader'
  }
  t.same(await browser.json('/'), seen)
  t.match((await browser.request('/wrong')).json(), {
    statusCode: 500,
    code: 'FST_SESSION_INVALID',
    message: /at userId, address\.city;/
  })
  t.same(await browser.json('/'), seen)

  const later = schema.extend({ name: z.string(), role: z.literal('editor') })
  const next = await createApp(t, {
    redis: redis.url,
    schema: {
      version: 2,
      upgrade: { 1: (data) => ({ ...data, name: 'Ada', role: 'editor' }) },
      validate: later
    }
  })
  next.get('/', async ({ session }) => ({ name: session.name ?? null, role: session.role ?? null }))
  t.same(await browser.visit(next).json('/'), { name: 'Ada', role: 'editor' })
})

t.test('zod: a schema that needs to wait is refused', async (t) => {
  const redis = await startRedis(t)
  const validate = z.object({ name: z.string().refine(async () => true) })
  const app = await createApp(t, { redis: redis.url, schema: { version: 1, validate } })
  app.get('/', async ({ session }) => {
    session.name = 'Ada'
    return {}
  })
  t.match((await new Browser(app).request('/')).json(), {
    code: 'FST_SESSION_OPTION',
    message: /schema\.validate: is asynchronous/
  })
})
