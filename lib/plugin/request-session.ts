// The session of one request, and the response as its transaction sees it.
import '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { setImmediate } from '../clock.js'
import { attributesOn, type Cookie, type DomainBy, isOnPath } from '../cookies/cookie.js'
import { ResponseCookies, VARY, varyBy } from '../cookies/response-cookies.js'
import type { CookieMemory, Sending } from '../cookies/session-cookie.js'
import type { RequestCookies } from '../cookies/session-id.js'
import { NotBoundError } from '../errors.js'
import type { Log } from '../events.js'
import type { DeviceBinding, DeviceResponse } from '../request/devices.js'
import type { Origin } from '../request/origin.js'
import type { Context } from '../request/parts.js'
import { type Response, Transaction } from '../request/transaction.js'
import { createSession, type Session, type SessionHost } from '../session/session.js'
import { warnOfPlainHttp, warnOfReturnedDomain } from './cookie-warnings.js'
import type { Hints } from './hints.js'
import type { SessionRouteConfig } from './route-config.js'

const NO_COOKIES: RequestCookies = {
  ids: [],
  next: undefined,
  came: false,
  nextCame: false,
  seenCame: false
}

export class RequestSession implements Response, DeviceResponse, SessionHost {
  readonly #context: Context
  readonly memory: CookieMemory
  /** The response header in the place of cookies, if the client uses that. */
  header: Cookie | undefined
  /** Undefined without the option `deviceBound`. */
  readonly device: DeviceBinding | undefined
  readonly #hints: Hints | undefined
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  #transaction: Transaction | undefined
  #session: Session | undefined
  #config: SessionRouteConfig | undefined
  #cookies: ResponseCookies | undefined
  /** The onSend hook has begun. */
  #isAnswering = false
  /** The commit of the onSend hook has begun. */
  #isEnding = false
  #commit: Promise<void> | undefined
  /** The error that the request fails with. */
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
    this.device = context.devices?.receive(request.headers, this)
  }

  /**
   * Loads the session that the request leads to, by our cookies or headers or the cookies of another library. A route or
   * path without sessions loads nothing.
   */
  load(onUnavailable: 'error' | 'anonymous'): Promise<void> | undefined {
    const { ids, origins, transport } = this.#context
    const { cookie } = this.#request.headers
    let received: RequestCookies | undefined
    if (transport !== undefined) {
      received = transport.receive(this.#request.raw, ids)
      if (received !== undefined || transport.isOnly) this.header = transport.cookie
    }
    // A browser adds cookies by itself. Where only headers count, another site must not sign anybody in by an old cookie.
    const isAsked = this.header === undefined || received !== undefined
    const origin = isAsked ? origins?.receive(cookie) : undefined
    if (this.header === undefined) received = ids.receive(cookie)
    return received === undefined && origin === undefined
      ? undefined
      : this.#load(received, origin, onUnavailable)
  }

  #load(
    received: RequestCookies = NO_COOKIES,
    origin: Origin | undefined,
    onUnavailable: 'error' | 'anonymous'
  ): Promise<void> | undefined {
    const config = this.#routeConfig
    if (config === false || this.#pathProblem !== undefined) return undefined
    const { fresh = false } = config
    const { devices } = this.#context
    const loading = this.transaction.load(received, config.onUnavailable ?? onUnavailable, fresh, origin)
    return devices === undefined ? loading : this.#admit(loading, config.bound ?? devices.onMissing)
  }

  // Whichever way its id came: a stolen one may come in a header.
  async #admit(loading: Promise<void> | undefined, onMissing: 'error' | 'anonymous'): Promise<void> {
    await loading
    const { state } = this.transaction
    const { handle, stored } = state
    if (stored === undefined || this.device?.admit(handle, stored.header.binding) !== false) return
    if (this.#context.devices?.isOwnRoute(this.#request.routeOptions.url)) return
    // It must not be used or extended, nor shown by an error handler.
    state.reset()
    if (onMissing === 'error') throw new NotBoundError(handle)
  }

  // The browser sends no cookie there, so a new session would replace the one of the other pages.
  get #pathProblem(): string | undefined {
    const { path } = this.#context.cookie
    if (this.header !== undefined || isOnPath(this.#request.originalUrl, path)) return undefined
    return `disabled: the request is outside of cookie.path ${path}`
  }

  // Read once: Fastify makes a new object on every access to `routeOptions`.
  get #routeConfig(): SessionRouteConfig {
    this.#config ??= this.#request.routeOptions.config?.session ?? {}
    return this.#config
  }

  get transaction(): Transaction {
    if (this.#transaction === undefined) {
      this.#transaction = new Transaction(this.#context, this)
      const why = this.#pathProblem
      if (this.#routeConfig === false || why !== undefined) this.#transaction.state.detach('disabled', why)
    }
    return this.#transaction
  }

  get session(): Session {
    this.#session ??= createSession(this.transaction, this)
    return this.#session
  }

  /** Commits the session, or discards its changes if the request failed. */
  end(saveOn5xx: boolean): Promise<void> | undefined {
    this.#isAnswering = true
    if (this.#session !== undefined) {
      this.#reply.header('vary', varyBy(this.#vary, this.#reply.getHeader('vary')))
    }
    if (this.#transaction === undefined) return undefined
    // Async handlers sometimes send a reply twice. The second one must not overtake the commit and its cookie.
    const { statusCode } = this.#reply
    const isError = statusCode >= 400
    if (this.#commit !== undefined) return this.#commit.catch((error) => this.#refuseToHide(error, isError))
    const isFailed = statusCode >= 500
    if (this.failure !== undefined || (isFailed && !saveOn5xx)) {
      this.#transaction.discard(isFailed ? `the response has status ${statusCode}` : 'the request failed')
      if (this.failure === undefined || isFailed) return undefined
      this.#commit = Promise.reject(this.failure)
      return this.#commit
    }
    this.#isEnding = true
    const config = this.#routeConfig
    const commit = this.#transaction.commit(config === false || config.touch !== false, isError)
    this.#commit = isError ? commit?.catch((error) => this.#failAgain(error)) : commit
    return this.#commit
  }

  // Fastify keeps the status of an error that it has answered with before.
  #failAgain(error: { statusCode?: number } | undefined): never {
    this.#reply.code(error?.statusCode ?? 500)
    throw error
  }

  // An error handler may answer a failed commit as it likes. A failed destroy() or regenerate() must not look like a success.
  #refuseToHide(error: unknown, isError: boolean): void {
    if (!isError && (error === this.#transaction?.failure || error === this.failure)) throw error
  }

  // Sends the error, since a route that waits for a callback would never answer. If the response has already been sent,
  // as for a WebSocket, the error goes to the log.
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

  get address(): string {
    return this.#request.ip
  }

  // @fastify/websocket answers an upgrade without the reply's headers, so only a refused upgrade can set a cookie.
  get isOpen(): boolean {
    const isUpgrade = (this.#request as { ws?: unknown }).ws === true
    return !this.#reply.raw.headersSent && (this.#isEnding || !isUpgrade)
  }

  domainBy(option: DomainBy): unknown {
    return option(this.#request as never)
  }

  setCookie(cookie: Cookie, value: string, sending: Sending): void {
    const { maxAge, withheld } = sending
    if (cookie.isHeader) {
      this.#send(cookie, value, withheld)
      return
    }
    // The session of this cookie has ended.
    if (value === '' && cookie.name === this.#context.cookie.name) this.device?.clear(sending)
    const request = this.#request
    const { name, domain, path, partitioned, priority, httpOnly } = cookie
    const attributes = attributesOn(request.protocol === 'https', cookie)
    if (attributes.secure && !cookie.production) warnOfPlainHttp(request)
    if (this.#context.cookie.domainBy !== undefined) warnOfReturnedDomain(domain, this.log)
    const header = this.#reply.server.serializeCookie(name, value, {
      ...(domain === undefined ? {} : { domain }),
      ...(priority === undefined ? {} : { priority }),
      ...(maxAge === undefined ? {} : { maxAge }),
      ...(maxAge === 0 ? { expires: new Date(0) } : {}),
      path,
      partitioned,
      httpOnly,
      ...attributes
    })
    this.#send(cookie, header, withheld)
  }

  #send(cookie: Cookie, value: string, withheld: Sending['withheld']): void {
    const { isHeader = false, name } = cookie
    this.#cookies ??= new ResponseCookies(this.#reply.raw, this.#vary)
    this.#cookies.set(keyOf(cookie), { name, value, isHeader, withheld })
  }

  get #vary(): string {
    return this.#context.transport?.vary ?? VARY
  }

  withdrawCookie(cookie: Cookie): void {
    this.#cookies?.delete(keyOf(cookie))
  }

  setHeader(name: string, value: string): void {
    this.#reply.raw.setHeader(name, value)
  }

  get isSecure(): boolean {
    return this.#request.protocol === 'https'
  }

  onceClosed(callback: () => void): void {
    const { raw } = this.#reply
    // If the client disconnected early, the response and its commit are still to come.
    const check = () => {
      if (this.#reply.sent || raw.headersSent) callback()
    }
    if (raw.closed || raw.writableEnded) queueMicrotask(check)
    else raw.on('close', check)
  }

  onceOver(callback: () => void): void {
    const { raw } = this.#reply
    if (raw.closed) callback()
    else raw.on('close', callback)
  }
}

// To a browser, cookies that agree in all of these are one cookie.
function keyOf({ name, domain, path, partitioned }: Cookie): string {
  return `${name};${domain};${path};${partitioned}`
}
