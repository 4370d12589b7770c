// A service with sessions that its streams and sockets watch: in a test, or as a process of its own.
import { fileURLToPath } from 'node:url'
import cookie from '@fastify/cookie'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance } from 'fastify'
import type { EndedError } from '../../lib/errors.js'
import redisSession, { type RedisSessionOptions } from '../../lib/index.js'

export async function createService(options: RedisSessionOptions): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(cookie)
  await app.register(websocket)
  await app.register(redisSession, { signals: true, cookie: { secure: 'auto' }, ...options })
  addRoutes(app)
  return app
}

export function addRoutes(app: FastifyInstance): void {
  app.get('/login', async ({ session }) => {
    await session.regenerate(false)
    session.userId = 1
    return session.id
  })
  app.get('/move', async ({ session }) => {
    await session.regenerate()
    return session.id
  })
  app.get('/touch', async ({ session }) => session.touch())
  app.get('/shorten', async ({ session }) => {
    session.lifetime = 1
    return {}
  })
  app.get('/empty', async ({ session }) => session.delete('userId'))
  app.get<{ Querystring: { reason?: string } }>('/logout', async ({ session, query: { reason } }) =>
    session.destroy(reason === undefined ? undefined : { reason })
  )
  // Tells when the session has ended, and why.
  app.get('/events', ({ session }, reply) => {
    reply.hijack()
    const { raw } = reply
    raw.writeHead(200, { 'content-type': 'text/event-stream' })
    const { signal } = session
    const end = () => raw.end(`data: ended ${(signal.reason as EndedError).endedBecause ?? ''}\n\n`)
    if (signal.aborted) end()
    else {
      raw.write('data: open\n\n')
      signal.addEventListener('abort', end)
    }
  })
  app.get('/socket', { websocket: true }, (socket, { session }) => {
    const { signal } = session
    const close = () => socket.close(4401, (signal.reason as EndedError).endedBecause)
    if (signal.aborted) close()
    else {
      signal.addEventListener('abort', close)
      socket.send('open')
    }
  })
}

// A loader for TypeScript finds service.ts under the name service.js.
const name = (file: string) => file.replace(/\.[jt]s$/, '')
if (name(fileURLToPath(import.meta.url)) === name(process.argv[1] ?? '')) {
  const app = await createService(JSON.parse(process.argv[2] ?? '{}'))
  process.send?.(await app.listen({ host: '127.0.0.1', port: 0 }))
}
