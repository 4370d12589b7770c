// The plugin: decorators and hooks. The only module that knows Fastify.
import { setImmediate } from 'node:timers'
import '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { RedisOptions } from 'ioredis'
import { serializers } from '../../serializers/index.js'
import { attributesOn, type Cookie, isOnPath, nameFor, PURPOSES, whyUnusable } from '../cookies/cookie.js'
import { ResponseCookies, varyByCookie } from '../cookies/response-cookies.js'
import { CookieMemory, type Sending } from '../cookies/session-cookie.js'
import { type RequestCookies, SessionIds } from '../cookies/session-id.js'
import { Codec } from '../data/codec.js'
import { FidelityCheck, KeptReport } from '../data/fidelity.js'
import { keyName } from '../data/key-names.js'
import { AssignError, OptionError } from '../errors.js'
import type { Log } from '../events.js'
import { CommitQueue } from '../request/queue.js'
import { type Context, type Response, Transaction } from '../request/transaction.js'
import { createSession, type Session, type SessionHost } from '../session/session.js'
import { Health } from '../stores/health.js'
import { MemoryStore } from '../stores/memory.js'
import { type Connection, type RedisClient, RedisStore } from '../stores/redis.js'
import { createClient } from '../stores/redis-client.js'
import type { Store } from '../stores/store.js'
import { Hints } from './hints.js'
import { NotLoaded } from './not-loaded.js'
import { isRedisClient, type RedisSessionOptions, resolveOptions, type Settings } from './options.js'
import { checkRoute, type SessionRouteConfig } from './route-config.js'
import { checkAtStart } from './start-up.js'

declare module 'fastify' {
  interface FastifyRequest {
    // By its file: an application may declare an interface Session in this module, as other libraries tell it to.
    /** The session of this request: see the README of fastify-ioredis-session. */
    session: import('../session/session.js').Session
  }
  interface FastifyContextConfig {
    /**
     * `false`: this route has no session. `touch: false`: its requests do not keep a session alive. `onUnavailable`: as
     * the option of the plugin.
     */
    session?: import('./route-config.js').SessionRouteConfig
  }
}

/** What is registered at each server, wherever in the tree of its plugins. */
const registrations = new WeakMap<object, Registration[]>()

/**
 * Gives every request a server-side session, `request.session`.
 * @throws FST_SESSION_OPTION at start-up, naming the option.
 */
async function plugin(fastify: FastifyInstance, options: RedisSessionOptions): Promise<void> {
  const production = process.env.NODE_ENV === 'production'
  const settings = resolveOptions(options, production)
  refuseOverlap(fastify, settings)
  const { domain, name } = settings.cookie
  const why = whyUnusable(domain)
  if (why !== undefined) {
    fastify.log.warn(
      `cookie.domain ${domain} ${why}: browsers share no cookie there; leave cookie.domain out`
    )
  }
  if (options.prefix?.startsWith('/')) {
    fastify.log.info(
      `option prefix: ${keyName(options.prefix)} is taken for a prefix of routes; keys begin with ${settings.prefix}`
    )
  }
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
    ids: new SessionIds(name, settings.secrets),
    store,
    health: new Health(settings.circuitBreaker, fastify.log),
    codec,
    queue: new CommitQueue(),
    observer: undefined,
    fidelity: production ? undefined : new FidelityCheck(),
    keptReport: new KeptReport()
  }
  addHooks(fastify, settings, context, production ? undefined : new Hints())
}

function addHooks(
  fastify: FastifyInstance,
  { decorator, onUnavailable, saveOn5xx }: Settings,
  context: Context,
  hints: Hints | undefined
): void {
  const memory = new CookieMemory()
  const slot = Symbol(`fastify-ioredis-session.${decorator}`)
  type Slotted = FastifyRequest & { [slot]: RequestSession | NotLoaded | null }

  fastify.decorateRequest(slot, null)
  fastify.decorateRequest(decorator, {
    getter(this: FastifyRequest): Session {
      const request = this as Slotted
      request[slot] ??= new NotLoaded(decorator)
      return request[slot].session
    },
    setter() {
      throw new AssignError(decorator)
    }
  })
  fastify.addHook('onRoute', checkRoute)

  fastify.addHook('onRequest', (request, reply, done) => {
    const failure = (request as Slotted)[slot]?.failure
    if (failure !== undefined) {
      done(failure)
      return
    }
    const current = new RequestSession(context, memory, hints, request, reply)
    ;(request as Slotted)[slot] = current
    const received = context.ids.receive(request.headers.cookie)
    const loading = received === undefined ? undefined : current.load(received, onUnavailable)
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
class RequestSession implements Response, SessionHost {
  readonly #context: Context
  readonly memory: CookieMemory
  readonly #hints: Hints | undefined
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  #transaction: Transaction | undefined
  #session: Session | undefined
  #config: SessionRouteConfig | undefined
  #cookies: ResponseCookies | undefined
  #isAnswering = false
  #isEnding = false
  #commit: Promise<void> | undefined
  /** What the request is to fail with. */
  failure: Error | undefined

  constructor(
    context: Context,
    memory: CookieMemory,
    hints: Hints | undefined,
    request: FastifyRequest,
    reply: FastifyReply
  ) {
    this.#context = context
    this.memory = memory
    this.#hints = hints
    this.#request = request
    this.#reply = reply
  }

  /** Loads the session that these cookies lead to. A route or path without sessions loads nothing. */
  load(received: RequestCookies, onUnavailable: 'error' | 'anonymous'): Promise<void> | undefined {
    const config = this.#routeConfig
    if (config === false || this.#pathProblem !== undefined) return undefined
    return this.transaction.load(received, config.onUnavailable ?? onUnavailable)
  }

  // The browser would not send the cookie there, so a new session would replace the one of the other pages.
  get #pathProblem(): string | undefined {
    const { path } = this.#context.cookie
    if (isOnPath(this.#request.originalUrl, path)) return undefined
    return `disabled: the request is outside of cookie.path ${path}`
  }

  // Asked once: Fastify makes an object to hold it each time.
  get #routeConfig(): SessionRouteConfig {
    this.#config ??= this.#request.routeOptions.config?.session ?? {}
    return this.#config
  }

  get transaction(): Transaction {
    if (this.#transaction === undefined) {
      this.#transaction = new Transaction(this.#context, this)
      const problem = this.#pathProblem
      if (this.#routeConfig === false || problem !== undefined) this.#transaction.disable(problem)
    }
    return this.#transaction
  }

  get session(): Session {
    this.#session ??= createSession(this.transaction, this)
    return this.#session
  }

  /** Commits, or discards where the response says that the request failed. */
  end(saveOn5xx: boolean): Promise<void> | undefined {
    this.#isAnswering = true
    if (this.#session !== undefined) {
      const fields = [this.#reply.getHeader('vary') ?? []].flat().join(', ')
      this.#reply.header('vary', varyByCookie(fields))
    }
    if (this.#transaction === undefined) return undefined
    // A reply that is sent again, as an async handler easily does, must not overtake the commit and its cookie.
    if (this.#commit !== undefined) return this.#commit.catch(() => {})
    const isFailed = this.#reply.statusCode >= 500
    if (this.failure !== undefined || (isFailed && !saveOn5xx)) {
      this.#transaction.discard(
        isFailed ? `the response has status ${this.#reply.statusCode}` : 'the request failed'
      )
      if (this.failure === undefined || isFailed) return undefined
      this.#commit = Promise.reject(this.failure)
      return this.#commit
    }
    this.#isEnding = true
    const config = this.#routeConfig
    this.#commit = this.#transaction.commit(config === false || config.touch !== false)
    return this.#commit
  }

  // If the answer was to come from a callback, none would come. If it has gone, as for a socket, the log has the error.
  fail(error: Error): void {
    if (this.#isAnswered) {
      this.log.error({ err: error }, error.message)
      return
    }
    this.failure ??= error
    setImmediate(() => {
      if (!this.#isAnswered) this.#reply.send(error)
    })
  }

  get #isAnswered(): boolean {
    const reply = this.#reply
    return this.#isAnswering || reply.sent || reply.raw.headersSent
  }

  hint(name: string, advice: string): void {
    this.#hints?.give(this.log, name, advice)
  }

  get log(): Log {
    return this.#request.log
  }

  // @fastify/websocket answers an upgrade without the headers of the reply.
  get isOpen(): boolean {
    const isUpgrade = (this.#request as { ws?: unknown }).ws === true
    return !this.#reply.raw.headersSent && (this.#isEnding || !isUpgrade)
  }

  setCookie(cookie: Cookie, value: string, { maxAge, withheld }: Sending): void {
    const request = this.#request
    const { name, domain, path, partitioned, httpOnly } = cookie
    const attributes = attributesOn(request.protocol === 'https', cookie)
    if (attributes.secure && !cookie.production) warnOfPlainHttp(request)
    const header = this.#reply.server.serializeCookie(name, value, {
      ...(domain === undefined ? {} : { domain }),
      ...(maxAge === undefined ? {} : { maxAge }),
      ...(maxAge === 0 ? { expires: new Date(0) } : {}),
      path,
      partitioned,
      httpOnly,
      ...attributes
    })
    this.#cookies ??= new ResponseCookies(this.#reply.raw)
    this.#cookies.set(keyOf(cookie), name, header, withheld)
  }

  withdrawCookie(cookie: Cookie): void {
    this.#cookies?.delete(keyOf(cookie))
  }

  onceClosed(callback: () => void): void {
    const { raw } = this.#reply
    // If the client has gone away before the response, that is yet to come, and its commit with it.
    const check = () => {
      if (this.#reply.sent || raw.headersSent) callback()
    }
    if (raw.closed || raw.writableEnded) queueMicrotask(check)
    else raw.on('close', check)
  }
}

// What makes it one cookie to a browser.
function keyOf({ name, domain, path, partitioned }: Cookie): string {
  return `${name};${domain};${path};${partitioned}`
}

let hasWarned = false

// Nobody would find out: the browser drops the cookie without a word, and the next request has no session.
function warnOfPlainHttp({ headers, hostname, log, protocol }: FastifyRequest): void {
  if (hasWarned || protocol === 'https' || headers['x-forwarded-proto'] === 'https') return
  if (/^(?:(?:.+\.)?localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/i.test(hostname)) return
  hasWarned = true
  log.warn(
    "a Secure session cookie was set over plain http, where browsers drop it: set cookie: { secure: 'auto' }, or " +
      'trustProxy in Fastify if a proxy ends TLS'
  )
}

// Fastify's own error handler sends the headers of an error, another one may not.
function withHeaders(error: Error & { headers?: Record<string, number> }, reply: FastifyReply): Error {
  if (error.headers !== undefined) reply.headers(error.headers)
  return error
}

async function openStore(fastify: FastifyInstance, settings: Settings): Promise<Store> {
  const { redis, replicas, replicaTimeout, timeout } = settings
  if (settings.store !== undefined) return settings.store
  const connections = new Map<RedisClient, Connection>()
  const closing = new AbortController()
  fastify.addHook('onClose', async () => closing.abort())
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
  await checkAtStart({ ...settings, store, client, closing: closing.signal, log: fastify.log })
  return store
}

// Two kinds of sessions must not read each other's records, nor overwrite each other's cookies. Beside each other, too:
// the browser sends both cookies, whatever their domain and path, and two clients may lead to one Redis.
function refuseOverlap({ server }: FastifyInstance, { cookie, prefix }: Settings): void {
  const earlier = registrations.get(server) ?? []
  const names = PURPOSES.map((purpose) => nameFor(purpose, cookie.name))
  for (const other of earlier) {
    if (names.some((name) => other.names.includes(name)))
      throw new OptionError(
        'cookie.name',
        `${cookie.name} belongs to another registration: set decorator or cookie.name`
      )
    if (other.prefix === prefix)
      throw new OptionError('prefix', `${prefix} belongs to another registration: set decorator or prefix`)
  }
  registrations.set(server, [...earlier, { names, prefix }])
}

interface Registration {
  names: readonly string[]
  prefix: string
}

/** The Fastify plugin. Register `@fastify/cookie` first. */
export const redisSession = fp(plugin, {
  fastify: '5.x',
  name: 'fastify-ioredis-session',
  dependencies: ['@fastify/cookie']
})
