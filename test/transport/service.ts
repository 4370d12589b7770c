// A service whose clients keep their sessions in headers, cookies or both.
import type { Test } from 'tap'
import type { RedisSessionOptions } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import type { Names } from './client.js'

export const SECRET = 'a secret of at least thirty-two characters'
export const OLD_SECRET = 'another secret of at least 32 characters'

type Transport = NonNullable<RedisSessionOptions['transport']>

/** Each way to have ids in headers, and the headers of a client. */
export const TRANSPORTS: Record<string, { transport: Transport; names: Names }> = {
  'a header': { transport: { header: 'X-Session' }, names: { request: 'x-session', response: 'x-session' } },
  'Authorization: Bearer': {
    transport: [{ header: 'authorization' }],
    names: { request: 'authorization', response: 'x-session' }
  },
  'a header or a cookie': {
    transport: ['cookie', { header: 'session-id', responseHeader: 'next-session-id' }],
    names: { request: 'session-id', response: 'next-session-id' }
  }
}

export async function serve(t: Test, options: RedisSessionOptions): Promise<TestApp> {
  const app = await createApp(t, { secret: SECRET, ...options })
  app.get('/login', async ({ session }) => {
    await session.regenerate(false)
    session.userId = 42
    return { id: session.id }
  })
  app.get('/permanent', async ({ session }) => {
    session.permanent = true
    return {}
  })
  app.get('/who', async ({ session }) => ({ userId: session.get('userId') ?? null }))
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return { count: session.count }
  })
  app.get('/state', async ({ session }) => ({
    id: session.id,
    detached: session.detached ?? null,
    destroyed: session.destroyed,
    rolledBack: session.rolledBack,
    endedBecause: session.endedBecause ?? null
  }))
  app.get('/regenerate', async ({ session }) => session.regenerate())
  app.get('/empty', async ({ session }) => {
    session.delete('userId')
    session.delete('count')
    return {}
  })
  app.get('/logout', async ({ session }) => session.destroy({ reason: 'signed-out' }))
  app.get('/plain', async () => ({}))
  app.get('/fails', async ({ session }) => {
    session.userId = 43
    throw new Error('after a change')
  })
  return app
}
