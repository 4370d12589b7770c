// Records and cookies as an application with express-session and connect-redis writes them, and an application of ours
// that adopts them.
import { createHmac } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import type { RedisSessionOptions, SessionEvent } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'

export const OLD_SECRET = 'a secret of the old application'
export const SECRET = 'a secret of the new application, long enough'

/** The cookie that the old application sends for this id. */
export function oldCookie(id: string, secret = OLD_SECRET): string {
  const signature = createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, '')
  return encodeURIComponent(`s:${id}.${signature}`)
}

export function oldRecord(data: object, cookie: object = { originalMaxAge: null, expires: null }): string {
  return JSON.stringify({ cookie, ...data })
}

/** A browser that has signed in to the old application. */
export async function signedIn(
  app: TestApp,
  client: Redis,
  { id = 'old-id', data = { name: 'Ada' } as object, seconds = 3_600 } = {}
): Promise<Browser> {
  await client.set(`sess:${id}`, oldRecord(data), 'EX', seconds)
  const browser = new Browser(app)
  browser.cookies.set('connect.sid', oldCookie(id))
  return browser
}

/** An application of ours with routes that read, change and end a session. */
export async function createNewApp(t: Test, options: RedisSessionOptions): Promise<TestApp> {
  // A real browser may hold a connection on which it has sent nothing. close() would wait for it.
  const server = { forceCloseConnections: true }
  const app = await createApp(t, { secret: SECRET, timeout: 10_000, ...options }, server)
  app.get('/who', async ({ session }) => ({ name: session.name ?? null, permanent: session.permanent }))
  app.get('/look', { config: { session: { touch: false } } }, async ({ session }) => session.data())
  app.get('/any', { config: { session: { onUnavailable: 'anonymous' } } }, async ({ session }) => {
    session.count = 1
    return { name: session.name ?? null, detached: session.detached ?? null }
  })
  app.get('/none', { config: { session: false } }, async () => ({}))
  app.get<{ Params: { name: string } }>('/name/:name', async ({ params, session }) => {
    session.name = params.name
    return {}
  })
  app.get<{ Params: { name: string } }>('/sign-in/:name', async ({ params, session }) => {
    await session.regenerate(false)
    session.name = params.name
    return {}
  })
  app.get('/empty', async ({ session }) => {
    for (const key of Object.keys(session)) session.delete(key as 'name')
    return {}
  })
  app.get('/sign-out', async ({ session }) => {
    await session.destroy()
    return {}
  })
  return app
}

/** Collects the events about adoption until the test ends. */
export function collectEvents(t: Test): SessionEvent[] {
  const events: SessionEvent[] = []
  const collect = (message: unknown) => {
    const event = message as SessionEvent
    if (event.type === 'adopted' || event.type === 'unadopted') events.push(event)
  }
  subscribe('fastify-ioredis-session', collect)
  t.teardown(() => unsubscribe('fastify-ioredis-session', collect))
  return events
}
