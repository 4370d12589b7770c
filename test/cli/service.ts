// An application whose sessions the tests of the command line look at.
import type { Test } from 'tap'
import type { RedisSessionOptions } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'

/** A value that no output may show. */
export const SECRET = 'a value of the session'

export interface Service {
  app: TestApp
  /** Signs in with a new browser. */
  signIn(userId: number): Promise<{ browser: Browser; handle: string }>
}

export async function deploy(t: Test, redis: string, options: RedisSessionOptions = {}): Promise<Service> {
  const app = await createApp(t, { redis, user: 'userId', ...options })
  app.get<{ Params: { id: string } }>('/login/:id', async ({ params, session }) => {
    await session.regenerate(false)
    session.userId = Number(params.id)
    session.name = SECRET
    return session.id
  })
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return { count: session.count }
  })
  app.get('/move', async ({ session }) => {
    await session.regenerate()
    return session.id
  })
  app.get('/who', async ({ session }) => ({ userId: session.userId, endedBecause: session.endedBecause }))
  app.get('/data', async ({ session }) => session.data())
  return {
    app,
    async signIn(userId) {
      const browser = new Browser(app)
      return { browser, handle: (await browser.request(`/login/${userId}`)).body }
    }
  }
}
