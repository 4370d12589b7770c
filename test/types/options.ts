// The types of the plugin's options for users. Checked by `tsc -p test/types`, never run.
import cookie from '@fastify/cookie'
import Fastify, { type FastifyRequest } from 'fastify'
import redisSession, {
  type CookieOptions,
  type Dictionary,
  MemoryStore,
  type Merge,
  redisSession as named,
  type RedisSessionOptions,
  RedisStore,
  type Serializer,
  type Store,
  type Transport
} from 'fastify-ioredis-session'
import { type Adopter, expressSession, flaskSession, mgcreaSession } from 'fastify-ioredis-session/adopt'
import { Cluster, Redis } from 'ioredis'
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5'
import { Redis as Valkey, Cluster as ValkeyCluster } from 'iovalkey'

function options(_options: RedisSessionOptions): void {}

export async function registering(): Promise<void> {
  const app = Fastify()
  await app.register(cookie)
  await app.register(redisSession)
  await app.register(redisSession, {})
  await app.register(named, { redis: 'redis://localhost', prefix: 'app:' })
  // @ts-expect-error: not an option
  await app.register(redisSession, { ttl: 3600 })
}

export function redis(nodes: { host: string; port: number }[]): void {
  options({ redis: 'redis://localhost' })
  options({ redis: { host: 'localhost', port: 6379, tls: {} } })
  options({ redis: new Redis() })
  options({ redis: new Cluster(nodes) })
  options({ redis: new Redis5() })
  options({ redis: new Cluster5(nodes) })
  options({ redis: new Valkey() })
  options({ redis: new ValkeyCluster(nodes) })
  // @ts-expect-error: a port is not a client
  options({ redis: 6379 })
  // @ts-expect-error: not an option of ioredis
  options({ redis: { hostname: 'localhost' } })
}

export function stores(client: Redis, own: Store): void {
  options({ store: new MemoryStore() })
  options({ store: new MemoryStore({ maxEntries: 10, maxBytes: 1024 }) })
  options({ store: new RedisStore(client) })
  options({ store: own })
  // @ts-expect-error: only reads
  options({ store: { read: async () => undefined } })
}

export function serializers(): void {
  const own: Serializer = {
    name: 'own',
    tag: 32,
    encode: (data: Dictionary) => new TextEncoder().encode(JSON.stringify(data)),
    decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes))
  }
  options({ serializer: 'json' })
  options({ serializer: 'superjson' })
  options({ serializer: 'msgpack' })
  options({ serializer: own, readSerializers: [own] })
  // @ts-expect-error: no such serializer
  options({ serializer: 'pickle' })
  // @ts-expect-error: no tag
  options({ serializer: { name: 'own', encode: own.encode, decode: own.decode } })
  options({ serializer: { ...own, encode: JSON.stringify } })
  // @ts-expect-error: neither bytes nor a string
  options({ serializer: { ...own, encode: (data: Dictionary) => data } })
}

export function adopters(redis: Redis, cluster: Cluster5): void {
  const own: Adopter = {
    name: 'own',
    cookie: { name: 'sid' },
    verify: (value) => value,
    keyOf: (id) => id,
    decode: (bytes) => ({ data: JSON.parse(bytes.toString()) })
  }
  const secret = ['newest', new Uint8Array(32)]
  options({
    adopt: [own, expressSession({ secret, redis, keepOld: 60 }), mgcreaSession({ secret, redis: cluster })]
  })
  options({ adopt: [flaskSession({ unsigned: true }), flaskSession({ secret })] })
  // @ts-expect-error: a secret, or explicitly none
  options({ adopt: [flaskSession({})] })
  // @ts-expect-error: no secret
  options({ adopt: [expressSession({})] })
  // @ts-expect-error: no options of another library
  options({ adopt: [expressSession({ secret, cookiePrefix: 's:' })] })
  // @ts-expect-error: does not say where the record is
  options({ adopt: [{ name: 'own', cookie: { name: 'sid' }, verify: own.verify, decode: own.decode }] })
}

export function theRest(): void {
  const longest: Merge = (_base, mine, theirs) =>
    String(mine).length > String(theirs).length ? mine : theirs
  options({
    prefix: 'app:',
    secret: ['newest', new Uint8Array(32)],
    cookie: { name: 'sid', secure: 'auto', sameSite: 'strict', priority: 'high', httpOnly: true },
    idleTimeout: 60,
    permanentLifetime: 60,
    absoluteTimeout: 60,
    touchAfter: 1,
    rolling: false,
    maxRecordBytes: 1024,
    saveOn5xx: true,
    decorator: 'admin',
    graceAfterRegenerate: 5,
    onUndecodable: 'error',
    merge: { name: longest, balance: 'conflict' }
  })
  options({ user: 'visits', maxPerUser: { limit: 5, onFull: 'end-oldest' } })
  options({ user: ({ visits }) => visits })
  options({ user: (data) => data.visitor?.name })
  options({ onReplay: 'report' })
  options({ onReplay: { action: 'end', window: 3_600 } })
  // @ts-expect-error: what to do is missing
  options({ onReplay: { window: 3_600 } })
  // @ts-expect-error: not one of the actions
  options({ onReplay: true })
  options({ deviceBound: true })
  options({ deviceBound: { path: '/keys', lifetime: 300, skipTimeout: 0, onMissing: 'anonymous' } })
  // @ts-expect-error: not a number of seconds
  options({ deviceBound: { lifetime: '300' } })
  options({ transport: 'cookie' })
  options({ transport: { header: 'x-session' } })
  options({ transport: ['cookie', { header: 'authorization', responseHeader: 'x-session' }] })
  const both: readonly Transport[] = ['cookie', { header: 'x-session' }]
  options({ transport: both })
  // @ts-expect-error: the header has no name
  options({ transport: 'header' })
  // @ts-expect-error: the header has no name
  options({ transport: {} })
  options({ cookie: { domain: 'example.com' } })
  options({ cookie: { domain: ({ hostname }) => (hostname === 'a.example' ? 'a.example' : undefined) } })
  const cookie: CookieOptions = { domain: (request: FastifyRequest) => request.hostname }
  options({ cookie })
  // @ts-expect-error: awaits nothing
  options({ cookie: { domain: async () => 'a.example' } })
  // @ts-expect-error: not a key of the session
  options({ user: 'visit' })
  // @ts-expect-error: no data has this key
  options({ user: ({ visit }) => visit })
  // @ts-expect-error: no such choice
  options({ user: 'visits', maxPerUser: { limit: 5, onFull: 'end-newest' } })
  // @ts-expect-error: the lifetime of the session sets it
  options({ cookie: { maxAge: 1 } })
  // @ts-expect-error: no such priority
  options({ cookie: { priority: 'highest' } })
  // @ts-expect-error: always true
  options({ cookie: { httpOnly: false } })
  // @ts-expect-error: not a rule
  options({ merge: { name: 'longest' } })
  // @ts-expect-error: must be a number of seconds
  options({ idleTimeout: '1h' })
}

export function routes(): void {
  const app = Fastify()
  app.get('/none', { config: { session: false } }, async () => ({}))
  app.get('/polling', { config: { session: { touch: false } } }, async () => ({}))
  app.get('/', async ({ session }) => ({ id: session.id }))
  // @ts-expect-error: true or false
  app.get('/never', { config: { session: { touch: 'never' } } }, async () => ({}))
}
