// Sessions that a test creates and reads, as requests of the application would.
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Cookie } from '../cookies/cookie.js'
import { CookieMemory } from '../cookies/session-cookie.js'
import { OptionError } from '../errors.js'
import { contextOf } from '../plugin/registrations.js'
import type { Context } from '../request/parts.js'
import { type Response, Transaction } from '../request/transaction.js'
import type { SessionData } from '../session/session.js'
import type { HeaderTransport } from '../transport/header.js'

export interface TestOptions {
  /**
   * The option `decorator` of the registration.
   * @default 'session'
   */
  decorator?: string
}

export interface SignedInOptions extends TestOptions {
  /**
   * Whether the session outlives the browser, as `session.permanent`.
   * @default false
   */
  permanent?: boolean
  /**
   * Where the id travels, if the option `transport` of the registration allows both.
   * @default 'cookie', if it is allowed
   */
  transport?: 'cookie' | 'header'
}

/**
 * Stores a session with this data, and returns the headers of a client that has it. Starts the application if that
 * has not happened, so add routes before.
 * @throws FST_SESSION_OPTION if the application has no such sessions, or there is no data; every error of a commit
 * @example
 * const headers = await signedIn(app, { userId: 42 })
 * const response = await app.inject({ url: '/', headers })
 */
export async function signedIn<Data extends object = SessionData>(
  app: FastifyInstance,
  data: Partial<Data>,
  { decorator = 'session', permanent = false, transport }: SignedInOptions = {}
): Promise<Record<string, string>> {
  await app.ready()
  const context = contextOf(app, decorator)
  const carrier = carrierOf(context, transport)
  const cookies = new Map<string, string>()
  const transaction = new Transaction(context, responseWith(app, cookies, carrier?.cookie))
  const { draft } = transaction.state
  for (const [key, value] of Object.entries(data)) draft.set(key, value)
  draft.permanent = permanent
  await transaction.commit(false)
  if (cookies.size === 0)
    throw new OptionError(
      'data',
      'has no keys, and a session without keys is not stored: set one, or sign nobody in'
    )
  return carrier === undefined ? { cookie: headerOf(cookies) } : carrier.requestHeaders(cookies)
}

function carrierOf({ transport }: Context, asked: SignedInOptions['transport']): HeaderTransport | undefined {
  if (transport === undefined && asked === 'header')
    throw new OptionError('transport', 'of the application has no header: add one, or leave it out here')
  if (transport?.isOnly === true && asked === 'cookie')
    throw new OptionError('transport', 'of the application has no cookie: add it, or leave it out here')
  return asked === 'header' || transport?.isOnly === true ? transport : undefined
}

/**
 * What the store holds for the client that got this response; `undefined` if it has no session. Changing it changes
 * nothing in the store.
 * @param response A response of `app.inject()`, or the headers of `signedIn()`.
 * @throws FST_SESSION_OPTION if the application has no such sessions; FST_SESSION_UNAVAILABLE
 * @example
 * const response = await app.inject({ method: 'POST', url: '/login', payload })
 * assert.deepEqual(await sessionOf(app, response), { userId: 42 })
 */
export async function sessionOf<Data extends object = SessionData>(
  app: FastifyInstance,
  response: LightMyRequestResponse | Record<string, string>,
  { decorator = 'session' }: TestOptions = {}
): Promise<Partial<Data> | undefined> {
  await app.ready()
  const context = contextOf(app, decorator)
  const { ids, transport } = context
  const headers = isResponse(response) ? headersAfter(response, transport) : response
  const carried = transport?.receive({ headers, rawHeaders: Object.entries(headers).flat() }, ids)
  const received = carried ?? (transport?.isOnly === true ? undefined : ids.receive(headers.cookie))
  if (received === undefined) return undefined
  const transaction = new Transaction(context, responseWith(app, new Map()))
  await transaction.load(received, 'error', true)
  // Decoding may show that there is no session.
  const data = { ...transaction.state.draft.all() } as Partial<Data>
  return transaction.state.isNew || transaction.state.detached !== undefined ? undefined : data
}

function isResponse(
  response: LightMyRequestResponse | Record<string, string>
): response is LightMyRequestResponse {
  return typeof response.statusCode === 'number'
}

/** The headers of the next request of this client. */
function headersAfter(
  response: LightMyRequestResponse,
  transport: HeaderTransport | undefined
): Record<string, string> {
  const headers = { cookie: cookiesAfter(response) }
  if (transport === undefined) return headers
  const sent = transport.names.map((name) => [name, response.raw.req.headers[name]])
  const got = transport.names.map((name) => [name, response.headers[name]])
  const isGiven = ([, value]: unknown[]) => typeof value === 'string'
  const answered = transport.requestHeaders(new Map(got.filter(isGiven) as [string, string][]))
  return { ...headers, ...Object.fromEntries(sent.filter(isGiven)), ...answered }
}

/** The Cookie header of the next request of this browser. */
function cookiesAfter({ cookies: set, raw }: LightMyRequestResponse): string {
  const sent = raw.req.headers.cookie?.split('; ') ?? []
  const cookies = new Map(sent.map((pair) => pair.split(/=(.*)/s) as [string, string]))
  for (const { name, value, maxAge } of set) {
    if (maxAge === 0) cookies.delete(name)
    else cookies.set(name, value)
  }
  return headerOf(cookies)
}

function headerOf(cookies: ReadonlyMap<string, string>): string {
  return [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
}

/** The response of a request that never was. */
function responseWith(app: FastifyInstance, cookies: Map<string, string>, header?: Cookie): Response {
  return {
    header,
    log: app.log,
    isOpen: true,
    memory: new CookieMemory(),
    domainBy: nothing,
    setCookie: ({ name }: Cookie, value: string) => void cookies.set(name, value),
    withdrawCookie: nothing,
    onceClosed: nothing,
    onceOver: nothing
  }
}

function nothing(): void {}
