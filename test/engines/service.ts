// An application with a route for each step of a session, and requests that go through them.
import type { LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import { mergeRules, type RedisSessionOptions } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser, sessionCookie } from '../support/browser.js'

export async function createService(t: Test, options: RedisSessionOptions): Promise<TestApp> {
  const app = await createApp(t, {
    secret: 'engines'.repeat(8),
    merge: { count: mergeRules.sum },
    ...options
  })
  app.post('/login', async ({ session }) => {
    await session.regenerate()
    session.userId = 1
    session.count = 0
    return {}
  })
  app.post('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return { count: session.count }
  })
  app.post('/touch', async ({ session }) => {
    session.touch()
    return {}
  })
  app.post('/regenerate', async ({ session }) => {
    await session.regenerate()
    return {}
  })
  app.post('/logout', async ({ session }) => {
    await session.destroy()
    return {}
  })
  app.get('/', async ({ session }) => session.data())
  return app
}

export function post(browser: Browser, url: string): Promise<LightMyRequestResponse> {
  return browser.request(url, { method: 'POST' })
}

/** The status of a response and the code of its error. */
export function failure(response: LightMyRequestResponse): [status: number, code: string | undefined] {
  return [response.statusCode, response.json().code]
}

export async function login(t: Test, app: TestApp): Promise<Browser> {
  const browser = new Browser(app)
  const response = await post(browser, '/login')
  t.same(failure(response), [200, undefined], 'sign-in')
  return browser
}

/** Sign-in, changes, a new id, sign-out: uses every command of the store. */
export async function liveWholeLife(t: Test, app: TestApp): Promise<void> {
  const browser = await login(t, app)
  const requests = ['/count', '/touch', '/regenerate', '/count']
  for (const url of requests) t.same(failure(await post(browser, url)), [200, undefined], url)
  t.same(await browser.json('/'), { userId: 1, count: 2 })
  const cookies = new Map(browser.cookies)
  t.same(failure(await post(browser, '/logout')), [200, undefined], '/logout')
  for (const [name, value] of cookies) browser.cookies.set(name, value)
  t.same(await browser.json('/'), {}, 'the session has ended')
}

/** An error response sets no cookie, and has Retry-After if a retry may help. */
export function isHarmless(
  t: Test,
  response: LightMyRequestResponse,
  status: number,
  code: string | RegExp
): void {
  t.match(failure(response), [status, code])
  t.equal(response.headers['retry-after'], status === 503 ? '1' : undefined)
  t.equal(sessionCookie(response), undefined, 'no cookie')
}

/** The commands that sessions need. */
export const COMMANDS = ['get', 'mget', 'set', 'eval', 'evalsha', 'getrange', 'setrange', 'pexpire', 'del']

/** Commands that clients and the startup check use if they may. */
export const OPTIONAL_COMMANDS = ['info', 'time', 'client|setinfo', 'client|setname']

/** The fields of a reply by name. RESP2 lists names and values; RESP3 has maps. */
export function fields(entry: unknown): Record<string, unknown> {
  if (!Array.isArray(entry)) return entry as Record<string, unknown>
  return Object.fromEntries(
    entry.flatMap((name, index) => (index % 2 === 0 ? [[name, entry[index + 1]]] : []))
  )
}
