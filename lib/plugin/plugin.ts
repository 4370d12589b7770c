// The plugin: decorators and hooks. Only this folder knows Fastify.
import '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { CookieMemory } from '../cookies/session-cookie.js'
import { keyName } from '../data/key-names.js'
import { AssignError } from '../errors.js'
import type { Log } from '../events.js'
import type { Context } from '../request/parts.js'
import type { Session, SessionHost } from '../session/session.js'
import { Sessions } from '../sessions/sessions.js'
import { MemoryStore } from '../stores/memory.js'
import { createContext } from './context.js'
import { warnOfDomain } from './cookie-warnings.js'
import { Hints } from './hints.js'
import { NotLoaded } from './not-loaded.js'
import { openDevices } from './open-device-bound.js'
import { openOrigins } from './open-origins.js'
import { openStore } from './open-store.js'
import { openTransport } from './open-transport.js'
import { type RedisSessionOptions, resolveOptions, type Settings } from './options.js'
import { keepContext, refuseOverlap } from './registrations.js'
import { RequestSession } from './request-session.js'
import { checkRoute } from './route-config.js'

declare module 'fastify' {
  interface FastifyRequest {
    // Imported by its file: the application may declare an interface Session in this module, as other libraries ask.
    /** The session of this request, by fastify-ioredis-session. */
    session: import('../session/session.js').Session
  }
  interface FastifyInstance {
    /** The sessions of fastify-ioredis-session, outside a request. */
    sessions: import('../sessions/sessions.js').Sessions
  }
  interface FastifyContextConfig {
    /**
     * `false`: this route has no session. `touch: false`: its requests do not extend a session. `onUnavailable`:
     * overrides the option of the plugin. `fresh: true`: its requests read Redis, never the near cache. `bound`: overrides
     * the option `deviceBound.onMissing`.
     */
    session?: import('./route-config.js').SessionRouteConfig
  }
}

async function plugin(fastify: FastifyInstance, options: RedisSessionOptions): Promise<void> {
  const production = process.env.NODE_ENV === 'production'
  const settings = resolveOptions(options, production)
  const transport = await openTransport(settings)
  refuseOverlap(fastify, settings, transport?.names ?? [])
  warnOfDomain(settings.cookie.domain, fastify.log)
  if (options.prefix?.startsWith('/')) {
    fastify.log.info(
      `option prefix: ${keyName(options.prefix)} is a route prefix, so keys begin with ${settings.prefix}; ` +
        'to set another key prefix, use one that does not begin with /'
    )
  }
  const { client, store } = await openStore(fastify, settings)
  if (production && settings.store instanceof MemoryStore) {
    fastify.log.warn(
      'sessions are kept in memory: they end with this process, and other processes cannot read them; ' +
        'set the option redis'
    )
  }
  const context = await createContext(settings, store, fastify.log, production)
  context.transport = transport
  context.origins = await openOrigins(settings, client, context.ids)
  keepContext(fastify, settings, context)
  if (settings.signals && store.watch !== undefined) {
    const { Signals } = await import('../signals/signals.js')
    const signals = new Signals(context, store.watch.bind(store), fastify.log)
    context.signals = signals
    fastify.addHook('onClose', async () => signals.close())
  }
  const hints = production ? undefined : new Hints()
  fastify.decorate(
    `${settings.decorator}s`,
    new Sessions({ context, log: fastify.log, host: hostOf(fastify.log, hints) })
  )
  const sessionOf = addHooks(fastify, settings, context, hints)
  context.devices = await openDevices(fastify, settings, context, sessionOf)
}

function addHooks(
  fastify: FastifyInstance,
  { decorator, onUnavailable, saveOn5xx }: Settings,
  context: Context,
  hints: Hints | undefined
): (request: FastifyRequest) => RequestSession {
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
    const loading = current.load(onUnavailable)
    if (loading === undefined) done()
    else {
      loading.then(
        () => done(),
        (error) => done(withHeaders(error, reply))
      )
    }
  })

  // Fastify gets the promise: it handles the error even if a reply is sent twice.
  fastify.addHook('onSend', (request, _reply, _payload, done) => {
    const work = (request as Slotted)[slot]?.end(saveOn5xx)
    if (work === undefined) done()
    return work
  })
  return (request) => (request as Slotted)[slot] as RequestSession
}

// Outside a request there is no response to fail.
function hostOf(log: Log, hints: Hints | undefined): SessionHost {
  return {
    fail: (error) => log.error({ err: error }, error.message),
    hint: (name, advice) => hints?.give(log, name, advice)
  }
}

// Fastify's default error handler sends the headers of an error; a custom one may not.
function withHeaders(error: Error & { headers?: Record<string, number> }, reply: FastifyReply): Error {
  if (error.headers !== undefined) reply.headers(error.headers)
  return error
}

/**
 * The Fastify plugin: gives every request a server-side session, `request.session`. Register `@fastify/cookie` first.
 * @throws FST_SESSION_OPTION at start-up, naming the option that cannot be used. With `startUp: 'fail'` also the error
 * of a store that cannot be used: FST_SESSION_UNAVAILABLE, FST_SESSION_STORE_DENIED, FST_SESSION_STORE_BROKEN, ….
 *
 * @example
 * await app.register(cookie)
 * await app.register(redisSession, { redis: 'redis://localhost:6379', secret: process.env.SESSION_SECRET })
 * app.get('/', async ({ session }) => ({ userId: session.userId }))
 */
export const redisSession = fp(plugin, {
  fastify: '5.x',
  name: 'fastify-ioredis-session',
  dependencies: ['@fastify/cookie']
})
