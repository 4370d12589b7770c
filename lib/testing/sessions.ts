// Sessions that a test creates and reads, as requests of the application would.
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Cookie } from '../cookies/cookie.js'
import { CookieMemory } from '../cookies/session-cookie.js'
import { OptionError } from '../errors.js'
import { contextOf } from '../plugin/registrations.js'
import { type Response, Transaction } from '../request/transaction.js'
import type { SessionData } from '../session/session.js'

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
}

/**
 * Stores a session with this data, and returns the headers of a browser that has it. Starts the application if that
 * has not happened, so add routes before.
 * @throws FST_SESSION_OPTION if the application has no such sessions, or there is no data; every error of a commit
 * @example
 * const headers = await signedIn(app, { userId: 42 })
 * const response = await app.inject({ url: '/', headers })
 */
export async function signedIn<Data extends object = SessionData>(
  app: FastifyInstance,
  data: Partial<Data>,
  { decorator = 'session', permanent = false }: SignedInOptions = {}
): Promise<{ cookie: string }> {
  await app.ready()
  const cookies = new Map<string, string>()
  const transaction = new Transaction(contextOf(app, decorator), responseWith(app, cookies))
  const { draft } = transaction.state
  for (const [key, value] of Object.entries(data)) draft.set(key, value)
  draft.permanent = permanent
  await transaction.commit(false)
  if (cookies.size === 0)
    throw new OptionError(
      'data',
      'has no keys, and a session without keys is not stored: set one, or sign nobody in'
    )
  return { cookie: headerOf(cookies) }
}

/**
 * What the store holds for the browser that got this response; `undefined` if it has no session. Changing it changes
 * nothing in the store.
 * @param response A response of `app.inject()`, or the headers of `signedIn()`.
 * @throws FST_SESSION_OPTION if the application has no such sessions; FST_SESSION_UNAVAILABLE
 * @example
 * const response = await app.inject({ method: 'POST', url: '/login', payload })
 * assert.deepEqual(await sessionOf(app, response), { userId: 42 })
 */
export async function sessionOf<Data extends object = SessionData>(
  app: FastifyInstance,
  response: LightMyRequestResponse | { cookie: string },
  { decorator = 'session' }: TestOptions = {}
): Promise<Partial<Data> | undefined> {
  await app.ready()
  const context = contextOf(app, decorator)
  const received = context.ids.receive('cookie' in response ? response.cookie : cookiesAfter(response))
  if (received === undefined) return undefined
  const transaction = new Transaction(context, responseWith(app, new Map()))
  await transaction.load(received, 'error', true)
  // Decoding may show that there is no session.
  const data = { ...transaction.state.draft.all() } as Partial<Data>
  return transaction.state.isNew || transaction.state.detached !== undefined ? undefined : data
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
function responseWith(app: FastifyInstance, cookies: Map<string, string>): Response {
  return {
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
