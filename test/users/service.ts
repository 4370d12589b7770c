// An application whose sessions have users, for tests.
import type { Test } from 'tap'
import type { RedisSessionOptions, Store } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'

/** One process of the service. */
export async function createService(
  t: Test,
  store: Store,
  options: Omit<RedisSessionOptions, 'store'> = { user: 'userId' }
): Promise<TestApp> {
  const app = await createApp(t, { store, timeout: 5_000, ...options })
  app.get('/login/:user', async ({ params, session }) => {
    await session.regenerate(false)
    session.userId = Number((params as { user: string }).user)
    return { id: session.id }
  })
  app.get('/become/:user', async ({ params, session }) => {
    session.userId = Number((params as { user: string }).user)
    return { id: session.id }
  })
  app.get('/confirm/:user', async ({ params, session }) => {
    await session.regenerate(['count'])
    session.userId = Number((params as { user: string }).user)
    return { id: session.id }
  })
  app.get('/cart', async ({ session }) => {
    session.cart = { items: ['tea'] }
    return {}
  })
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return {}
  })
  app.get('/move', async ({ session }) => {
    await session.regenerate()
    return { id: session.id }
  })
  app.get('/renew', async ({ session }) => {
    await session.regenerate(['userId'])
    return { id: session.id }
  })
  app.get('/forget', async ({ session }) => {
    session.delete('userId')
    return {}
  })
  app.get('/leave', async ({ session }) => {
    await session.regenerate(['cart'])
    return {}
  })
  app.get('/logout', async ({ session }) => {
    await session.destroy()
    return {}
  })
  app.get('/me', async ({ session }) => {
    const { detached, endedBecause } = session
    return { user: session.get('userId'), detached, endedBecause }
  })
  return app
}

/** A browser that has signed in, and the handle of its session. */
export async function signedIn(app: TestApp, user: number): Promise<{ browser: Browser; id: string }> {
  const browser = new Browser(app)
  const { id } = await browser.json<{ id: string }>(`/login/${user}`)
  return { browser, id }
}

/** The handles of a user's sessions. */
export async function idsOf(app: TestApp, user: number): Promise<string[]> {
  return (await app.sessions.of(user)).map(({ id }) => id)
}

/** Who the browser is signed in as. */
export async function userOf(browser: Browser): Promise<number | undefined> {
  return (await browser.json<{ user?: number }>('/me')).user
}

let users = 0

/** A user that no other test has. */
export function newUser(): number {
  return ++users
}
