import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { createApp, type TestApp } from '../support/app.js'
import { Browser, sessionCookie } from '../support/browser.js'
import { until } from '../support/gate.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'

interface Service {
  redis: RedisServer
  app: TestApp
  browser: Browser
  /** Opens a socket with the browser's cookies. */
  open(path: string): WebSocket
}

/** Actions that a client may request over the socket. The reply is `ok`, an error code or data. */
const actions: Record<string, (request: FastifyRequest) => unknown> = {
  count: ({ session }) => {
    session.count = (session.count ?? 0) + 1
  },
  save: ({ session }) => session.save(),
  reload: ({ session }) => session.reload(),
  destroy: ({ session }) => session.destroy(),
  regenerate: async ({ session }) => {
    await session.regenerate()
    await session.save()
  },
  data: ({ session }) => session.data()
}

async function createService(t: Test): Promise<Service> {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url })
  await app.register(websocket)
  app.get('/socket', { websocket: true }, (socket, request) => {
    socket.on('message', async (action) => {
      try {
        socket.send(JSON.stringify((await actions[String(action)]?.(request)) ?? 'ok'))
      } catch (error) {
        socket.send(JSON.stringify((error as { code?: string }).code))
      }
    })
    socket.send(JSON.stringify({ name: request.session.name ?? null }))
  })
  app.get(
    '/members',
    {
      websocket: true,
      preValidation: async ({ session }, reply) => {
        if (session.name !== undefined) return
        session.set('anything', 'turned away')
        await reply.code(401).send({ error: 'sign in first' })
      }
    },
    (socket) => socket.send(JSON.stringify('welcome'))
  )
  app.get('/login', async ({ session }) => {
    session.name = 'Ada'
    return {}
  })
  app.get('/logout', async ({ session }) => {
    await session.destroy()
    return {}
  })
  app.get('/data', async ({ session }) => session.data())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const browser = new Browser(app)
  return {
    redis,
    app,
    browser,
    open(path) {
      const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, {
        headers: cookie === '' ? {} : { cookie }
      })
      t.teardown(() => socket.terminate())
      return socket
    }
  }
}

async function received(socket: WebSocket): Promise<unknown> {
  const [message] = await once(socket, 'message')
  return JSON.parse(String(message))
}

async function ask(socket: WebSocket, action: string): Promise<unknown> {
  const answer = received(socket)
  socket.send(action)
  return answer
}

async function close(socket: WebSocket): Promise<void> {
  const closed = once(socket, 'close')
  socket.close()
  await closed
}

function events({ app }: Service, type: string): TestApp['logLines'] {
  return app.logLines.filter(({ session }) => (session as { type?: string } | undefined)?.type === type)
}

t.test('websocket: the session is loaded when the socket opens', async (t) => {
  const service = await createService(t)
  await service.browser.request('/login')
  await service.redis.commands()
  t.same(await received(service.open('/socket')), { name: 'Ada' })
  t.same(await service.redis.commands(), { get: 1 })
})

t.test('websocket: save() makes changes visible to the next request, again and again', async (t) => {
  const service = await createService(t)
  const { browser } = service
  await browser.request('/login')
  const socket = service.open('/socket')
  await received(socket)
  for (let count = 1; count <= 3; count++) {
    t.equal(await ask(socket, 'count'), 'ok')
    t.equal(await ask(socket, 'save'), 'ok')
    t.same(await browser.json('/data'), { name: 'Ada', count })
  }
  await close(socket)
  t.same(events(service, 'unsaved'), [])
})

t.test('websocket: save() of two sockets loses no changes of either', async (t) => {
  const service = await createService(t)
  await service.browser.request('/login')
  const [one, other] = [service.open('/socket'), service.open('/socket')]
  await Promise.all([received(one), received(other)])
  await service.browser.request('/data')
  await ask(one, 'count')
  t.equal(await ask(one, 'save'), 'ok')
  t.equal(await ask(other, 'reload'), 'ok')
  t.same(await ask(other, 'data'), { name: 'Ada', count: 1 })
  await ask(other, 'count')
  t.equal(await ask(other, 'save'), 'ok')
  t.same(await service.browser.json('/data'), { name: 'Ada', count: 2 })
})

t.test('websocket: save() of a new session is an error, since its cookie cannot be sent', async (t) => {
  const service = await createService(t)
  const socket = service.open('/socket')
  t.same(await received(socket), { name: null })
  await ask(socket, 'count')
  t.equal(await ask(socket, 'save'), 'FST_SESSION_HEADERS_SENT')
  t.equal(await service.redis.client.dbsize(), 0)
})

t.test('websocket: regenerate() is an error, since the new cookie cannot be sent', async (t) => {
  const service = await createService(t)
  await service.browser.request('/login')
  const socket = service.open('/socket')
  await received(socket)
  t.equal(await ask(socket, 'regenerate'), 'FST_SESSION_HEADERS_SENT')
  t.equal(await service.redis.client.dbsize(), 1)
  t.same(await service.browser.json('/data'), { name: 'Ada' })
})

t.test('websocket: save() does not revive a session that has ended', async (t) => {
  const service = await createService(t)
  await service.browser.request('/login')
  const socket = service.open('/socket')
  await received(socket)
  await service.browser.request('/logout')
  await ask(socket, 'count')
  t.equal(await ask(socket, 'save'), 'FST_SESSION_DETACHED')
  t.equal(await ask(socket, 'save'), 'FST_SESSION_DETACHED')
  t.equal(await service.redis.client.dbsize(), 0)
  t.match(events(service, 'destroyed'), [{ session: { type: 'destroyed' } }])
})

t.test('websocket: destroy() ends the session everywhere', async (t) => {
  const service = await createService(t)
  await service.browser.request('/login')
  const socket = service.open('/socket')
  await received(socket)
  t.equal(await ask(socket, 'destroy'), 'ok')
  t.equal(await service.redis.client.dbsize(), 0)
  t.same(await service.browser.json('/data'), {})
})

t.test('websocket: changes without save() are logged when the socket closes', async (t) => {
  const service = await createService(t)
  await service.browser.request('/login')
  const socket = service.open('/socket')
  await received(socket)
  await ask(socket, 'count')
  await close(socket)
  await until(() => events(service, 'unsaved').length > 0)
  t.match(events(service, 'unsaved'), [{ level: 40, session: { reason: /without a commit/ } }])
  t.same(await service.browser.json('/data'), { name: 'Ada' })
})

t.test('websocket: a refused upgrade is an ordinary response with its cookie', async (t) => {
  const service = await createService(t)
  const socket = service.open('/members')
  const [, response] = await once(socket, 'unexpected-response')
  t.equal(response.statusCode, 401)
  t.match(response.headers['set-cookie'], [/^__Host-session=/])
  t.equal(await service.redis.client.dbsize(), 1)
  socket.on('error', () => {})
})

t.test('websocket: an accepted upgrade has the session of the signed-in user', async (t) => {
  const service = await createService(t)
  t.ok(sessionCookie(await service.browser.request('/login')))
  t.equal(await received(service.open('/members')), 'welcome')
})
