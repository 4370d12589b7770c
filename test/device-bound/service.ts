// A service whose sessions are bound to devices, and a clock that its tests turn on.
import type { Test } from 'tap'
import type { RedisSessionOptions } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'

export const SECRET = 'a secret of at least thirty-two characters'

/** @param prepare Called before the routes are added. */
export async function serve(
  t: Test,
  options: RedisSessionOptions,
  prepare?: (app: TestApp) => unknown
): Promise<TestApp> {
  const app = await createApp(t, { secret: SECRET, deviceBound: true, ...options }, { trustProxy: true })
  await prepare?.(app)
  app.get('/login', async ({ session }) => {
    await session.regenerate(['count'])
    session.userId = 42
    return { id: session.id }
  })
  app.get('/renew', async ({ session }) => session.regenerate())
  app.get('/logout', async ({ session }) => session.destroy())
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return { count: session.count }
  })
  const state = { userId: 0, deviceBound: '' }
  const stateOf = ({ session }: { session: Pick<TestSession, 'userId' | 'deviceBound'> }): typeof state =>
    ({ userId: session.userId ?? null, deviceBound: session.deviceBound ?? null }) as typeof state
  app.get('/who', async (request) => stateOf(request))
  const config = { session: { bound: 'anonymous' } } as const
  app.get('/public', { config }, async (request) => stateOf(request))
  app.get('/public/login', { config }, async ({ session }) => {
    await session.regenerate(false)
    session.userId = 43
    return {}
  })
  app.get('/public/logout', { config }, async ({ session }) => session.destroy())
  return app
}

type TestSession = import('../../lib/index.js').Session

/** Seconds that the clock of the test is ahead. */
export function turnableClock(t: Test): { ahead: number } {
  const clock = { ahead: 0 }
  const { now } = Date
  t.intercept(Date, 'now', { value: () => now() + clock.ahead * 1000, configurable: true })
  return clock
}
