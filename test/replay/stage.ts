// An application that watches for replayed ids, a clock that only the test advances, and what was reported.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Test } from 'tap'
import type { RedisSessionOptions, SessionEvent } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'

/** Seconds: a grace period, and by how much the clocks of processes may differ. */
export const GRACE = 30
export const SKEW = 10
export const COOKIE = '__Host-session'

/** The events of these types from now on. */
export function listen(t: Test, ...types: SessionEvent['type'][]): SessionEvent[] {
  const events: SessionEvent[] = []
  const hear = (message: unknown) => {
    const event = message as SessionEvent
    if (types.includes(event.type)) events.push(event)
  }
  subscribe('fastify-ioredis-session', hear)
  t.teardown(() => unsubscribe('fastify-ioredis-session', hear))
  return events
}

export async function deploy(t: Test, options: RedisSessionOptions): Promise<TestApp> {
  const app = await createApp(t, { graceAfterRegenerate: GRACE, ...options })
  app.get('/login', async ({ session }) => {
    await session.regenerate(false)
    session.userId = 1
    return session.id
  })
  app.get('/visit', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return session.id
  })
  app.get('/move', async ({ session }) => {
    await session.regenerate()
    await session.save()
    return session.id
  })
  app.get('/look', async ({ session }) => ({
    data: session.data(),
    detached: session.detached ?? null,
    why: session.endedBecause ?? null
  }))
  app.get('/logout', async ({ session }) => {
    await session.destroy()
    return {}
  })
  return app
}

/** Another client with the cookies that this browser has now, as a thief or a backup has them. */
export function copyOf(browser: Browser, app: TestApp): Browser {
  const copy = new Browser(app)
  for (const [name, value] of browser.cookies) copy.cookies.set(name, value)
  return copy
}

export interface Look {
  data: Record<string, unknown>
  detached: string | null
  why: string | null
}

/** What a route sees that changes nothing. */
export function look(browser: Browser): Promise<Look> {
  return browser.json<Look>('/look')
}

/** The lines of the log that speak of replays. */
export function warnings(app: TestApp): string[] {
  return app.logLines.filter(({ msg }) => msg.includes('came back')).map(({ msg }) => msg)
}
