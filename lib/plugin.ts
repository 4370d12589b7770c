// The plugin: decorators and hooks. The only module that knows Fastify.
import '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { RedisOptions } from 'ioredis'
import { serializers } from '../serializers/index.js'
import { Codec } from './codec.js'
import { type Cookie, findCookie } from './cookie.js'
import { NotLoadedError, OptionError } from './errors.js'
import type { Log } from './events.js'
import { FidelityCheck, KeptReport } from './fidelity.js'
import { Health } from './health.js'
import { isRedisClient, type RedisSessionOptions, resolveOptions, type Settings } from './options.js'
import { createClient } from './redis-client.js'
import { createSession, type Session } from './session.js'
import { type Seen, SessionIds } from './session-id.js'
import { checkAtStart } from './start-up.js'
import { MemoryStore } from './stores/memory.js'
import { type Connection, type RedisClient, RedisStore } from './stores/redis.js'
import type { Store } from './stores/store.js'
import { type Context, type Response, Transaction } from './transaction.js'
import { Turns } from './turns.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The session of this request: see the README of fastify-ioredis-session. */
    session: Session
  }
  interface FastifyContextConfig {
    /**
     * `false`: this route has no session. `touch: false`: its requests do not keep a session alive. `onUnavailable`: as
     * the option of the plugin.
     */
    session?: RouteConfig
  }
}

type RouteConfig = false | { touch?: boolean; onUnavailable?: 'error' | 'anonymous' }

const registrations = Symbol('fastify-ioredis-session.registrations')

/**
 * Gives every request a server-side session, `request.session`.
 * @throws FST_SESSION_OPTION at start-up, naming the option.
 */
async function plugin(fastify: FastifyInstance, options: RedisSessionOptions): Promise<void> {
  const production = process.env.NODE_ENV === 'production'
  const settings = resolveOptions(options, production)
  refuseOverlap(fastify, settings)
  const store = await openStore(fastify, settings)
  if (production && store instanceof MemoryStore) {
    fastify.log.warn(
      'sessions are kept in memory: they end with this process, and no other process knows them'
    )
  }
  const codec = new Codec(
    settings.serializer,
    [...Object.values(serializers), ...settings.readSerializers],
    settings.maxRecordBytes
  )
  await codec.load(settings.serializer.tag)
  const context: Context = {
    ...settings,
    store,
    health: new Health(settings.circuitBreaker, fastify.log),
    codec,
    ids: new SessionIds(settings.secrets),
    turns: new Turns(),
    fidelity: production ? undefined : new FidelityCheck(),
    keptReport: new KeptReport()
  }
  addHooks(fastify, settings, context)
}

function addHooks(
  fastify: FastifyInstance,
  { cookie, decorator, onUnavailable, saveOn5xx, secrets }: Settings,
  context: Context
): void {
  const ids = new SessionIds(secrets)
  const slot = Symbol(`fastify-ioredis-session.${decorator}`)
  type Slotted = FastifyRequest & { [slot]: RequestSession | null }

  fastify.decorateRequest(slot, null)
  fastify.decorateRequest(decorator, {
    getter(this: FastifyRequest): Session {
      const current = (this as Slotted)[slot]
      if (current === null) throw new NotLoadedError(decorator)
      return current.session
    }
  })

  fastify.addHook('onRequest', (request, reply, done) => {
    const current = new RequestSession(context, ids, request, reply)
    ;(request as Slotted)[slot] = current
    const value = findCookie(request.headers.cookie, cookie.name)
    const loading = value === undefined ? undefined : current.load(value, onUnavailable)
    if (loading === undefined) done()
    else {
      loading.then(
        () => done(),
        (error) => done(withHeaders(error, reply))
      )
    }
  })

  // The promise goes to Fastify, which takes care of what it throws where a reply is sent twice.
  fastify.addHook('onSend', (request, _reply, _payload, done) => {
    const work = (request as Slotted)[slot]?.end(saveOn5xx)
    if (work === undefined) done()
    return work
  })
}

/** The session of one request, and the response as its transaction sees it. */
class RequestSession implements Response {
  readonly #context: Context
  readonly #ids: SessionIds
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  #transaction: Transaction | undefined
  #session: Session | undefined
  #config: RouteConfig | undefined
  #isEnding = false
  #commit: Promise<void> | undefined

  constructor(context: Context, ids: SessionIds, request: FastifyRequest, reply: FastifyReply) {
    this.#context = context
    this.#ids = ids
    this.#request = request
    this.#reply = reply
  }

  /** Loads the session that this cookie names; nothing where it names none, and where the route has none. */
  load(cookie: string, onUnavailable: 'error' | 'anonymous'): Promise<void> | undefined {
    const config = this.#routeConfig
    if (config === false) return undefined
    const received = this.#ids.verify(cookie)
    return (
      received &&
      this.transaction.load(
        { ids: [received], next: undefined, came: true },
        config.onUnavailable ?? onUnavailable
      )
    )
  }

  // Asked once: Fastify makes an object to hold it each time.
  get #routeConfig(): RouteConfig {
    this.#config ??= this.#request.routeOptions.config?.session ?? {}
    return this.#config
  }

  get transaction(): Transaction {
    if (this.#transaction === undefined) {
      this.#transaction = new Transaction(this.#context, this)
      if (this.#routeConfig === false) this.#transaction.disable()
    }
    return this.#transaction
  }

  get session(): Session {
    this.#session ??= createSession(this.transaction)
    return this.#session
  }

  /** Commits, or discards where the response says that the request failed. */
  end(saveOn5xx: boolean): Promise<void> | undefined {
    if (this.#session !== undefined) varyByCookie(this.#reply)
    if (this.#transaction === undefined) return undefined
    // A reply that is sent again, as an async handler easily does, must not overtake the commit and its cookie.
    if (this.#commit !== undefined) return this.#commit.catch(() => {})
    if (this.#reply.statusCode >= 500 && !saveOn5xx) {
      this.#transaction.discard(this.#reply.statusCode)
      return undefined
    }
    this.#isEnding = true
    const config = this.#routeConfig
    this.#commit = this.#transaction.commit(config === false || config.touch !== false)
    return this.#commit
  }

  get log(): Log {
    return this.#request.log
  }

  // @fastify/websocket answers an upgrade without the headers of the reply.
  get isOpen(): boolean {
    const isUpgrade = (this.#request as { ws?: unknown }).ws === true
    return !this.#reply.raw.headersSent && (this.#isEnding || !isUpgrade)
  }

  setCookie(cookie: Cookie, id: string, maxAge: number | undefined, seen: Seen | undefined): void {
    this.#sendCookie(cookie, this.#ids.sign(id, seen), maxAge)
  }

  clearCookie(cookie: Cookie): void {
    this.#sendCookie(cookie, '', 0)
  }

  withdrawCookie({ name }: Cookie): void {
    this.#setCookies(this.#otherCookies(name))
  }

  onceClosed(callback: () => void): void {
    const reply = this.#reply
    // Where the client has gone away before the response, that is yet to come, and its commit with it.
    reply.raw.on('close', () => {
      if (reply.sent || reply.raw.headersSent) callback()
    })
  }

  // In the header at once, where a hijacked reply finds it too, and in place of an earlier one of the same response.
  #sendCookie({ name, ...attributes }: Cookie, value: string, maxAge: number | undefined): void {
    const reply = this.#reply
    const secure = attributes.secure === 'auto' ? this.#request.protocol === 'https' : attributes.secure
    const lifetime = maxAge === undefined ? {} : maxAge === 0 ? { maxAge, expires: new Date(0) } : { maxAge }
    const header = reply.server.serializeCookie(name, value, { ...attributes, secure, ...lifetime })
    this.#setCookies([...this.#otherCookies(name), header])
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  }

  #otherCookies(name: string): string[] {
    return [this.#reply.getHeader('set-cookie') ?? []]
      .flat()
      .map(String)
      .filter((header) => !header.startsWith(`${name}=`))
  }

  #setCookies(headers: string[]): void {
    this.#reply.removeHeader('set-cookie')
    const [first = '', ...rest] = headers
    if (headers.length > 0) this.#reply.header('set-cookie', rest.length === 0 ? first : headers)
  }
}

// Fastify's own error handler sends the headers of an error, another one may not.
function withHeaders(error: Error & { headers?: Record<string, number> }, reply: FastifyReply): Error {
  if (error.headers !== undefined) reply.headers(error.headers)
  return error
}

function varyByCookie(reply: FastifyReply): void {
  const fields = reply.getHeader('vary')
  if (fields === undefined || fields === '') reply.header('vary', 'Cookie')
  else if (!/(^|,)\s*(\*|cookie)\s*(,|$)/i.test(String(fields))) reply.header('vary', `${fields}, Cookie`)
}

async function openStore(fastify: FastifyInstance, settings: Settings): Promise<Store> {
  const { redis, replicas, replicaTimeout, timeout } = settings
  if (settings.store !== undefined) return settings.store
  const connections = new Map<RedisClient, Connection>()
  const openClient = (): RedisClient => {
    const own = createClient(redis as string | RedisOptions, timeout, fastify.log)
    fastify.addHook('onClose', () => own.close())
    connections.set(own.client, own.connection)
    return own.client
  }
  const client = isRedisClient(redis) ? redis : openClient()
  // WAIT holds its connection up: reads go on beside it.
  const writeClient = replicas === 0 || isRedisClient(redis) ? client : openClient()
  const connectionOf = (of: RedisClient) => connections.get(of)
  const store = new RedisStore(client, { replicas, replicaTimeout, writeClient, connectionOf })
  await checkAtStart({ ...settings, store, client, log: fastify.log })
  return store
}

// Two kinds of sessions must not read each other's records, nor overwrite each other's cookies.
function refuseOverlap(fastify: FastifyInstance, { cookie, prefix, redis, store }: Settings): void {
  const registered = fastify as FastifyInstance & { [registrations]?: readonly Registration[] }
  const earlier = registered[registrations] ?? []
  const where = store ?? redis
  for (const other of earlier) {
    if (other.name === cookie.name)
      throw new OptionError('cookie.name', `${cookie.name} belongs to another registration`)
    if (other.where === where && other.prefix === prefix) {
      throw new OptionError('prefix', `${prefix} belongs to another registration on the same store`)
    }
  }
  // A property of this very instance: what encloses it and what stands beside it do not see the registration.
  registered[registrations] = [...earlier, { name: cookie.name, prefix, where }]
}

interface Registration {
  name: string
  prefix: string
  where: Settings['redis'] | Store
}

/** The plugin, with the metadata by which Fastify checks its versions and that @fastify/cookie comes before it. */
export const redisSession = fp(plugin, {
  fastify: '5.x',
  name: 'fastify-ioredis-session',
  dependencies: ['@fastify/cookie']
})
