// Reads sessions in every place that Fastify allows: hooks, log serializers and error handlers, before and after the
// plugin.
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import redisSession, { MemoryStore, type Session } from '../../lib/index.js'
import { Browser } from '../support/browser.js'
import { gate } from '../support/gate.js'
import { HeldStore } from '../support/held-store.js'

/** All ways to read a session without changing it. */
function look(session: Session): unknown[] {
  return [
    session.get('name'),
    session.name,
    Reflect.get(session, 'cookie'),
    session.has('name'),
    'name' in session,
    session.data(),
    { ...session },
    JSON.stringify(session),
    `${session}`,
    session.id,
    session.sessionId,
    session.isNew,
    session.permanent,
    session.destroyed,
    session.rolledBack,
    session.detached,
    session.isModified(),
    session.isSaved()
  ]
}

type Place = (request: FastifyRequest, where: string) => void

/** Adds every request hook, each of which calls `act`. */
function addEveryHook(app: FastifyInstance, order: string, act: Place): void {
  app.addHook('onRequest', async (request) => act(request, `${order} onRequest`))
  app.addHook('preParsing', async (request) => act(request, `${order} preParsing`))
  app.addHook('preValidation', async (request) => act(request, `${order} preValidation`))
  app.addHook('preHandler', async (request) => act(request, `${order} preHandler`))
  app.addHook('preSerialization', async (request) => act(request, `${order} preSerialization`))
  app.addHook('onError', async (request) => act(request, `${order} onError`))
  app.addHook('onSend', async (request) => act(request, `${order} onSend`))
  app.addHook('onResponse', async (request) => act(request, `${order} onResponse`))
  app.addHook('onTimeout', async (request) => act(request, `${order} onTimeout`))
  app.addHook('onRequestAbort', async (request) => act(request, `${order} onRequestAbort`))
}

/** An application that calls `act` in every hook and serializer. */
async function everywhere(t: Test, act: Place, server: FastifyServerOptions = {}) {
  const memory = new MemoryStore()
  const { operations, store } = new HeldStore(memory)
  const lines: string[] = []
  const serializer = (request: FastifyRequest, where: string) => {
    act(request, where)
    return {}
  }
  const app = Fastify({
    ...server,
    logger: {
      level: 'trace',
      stream: { write: (line: string) => void lines.push(line) },
      serializers: {
        req: (request) => serializer(request as FastifyRequest, 'req'),
        res: (reply) => serializer((reply as unknown as { request: FastifyRequest }).request, 'res')
      }
    }
  })
  t.teardown(async () => {
    await app.close()
    memory.close()
  })
  await app.register(cookie)
  addEveryHook(app, 'before', act)
  app.addHook('onRequest', async ({ url }) => {
    if (url === '/refused') throw Object.assign(new Error('too many'), { statusCode: 429 })
  })
  await app.register(redisSession, { store })
  addEveryHook(app, 'after', act)
  app.setErrorHandler<Error & { statusCode?: number; code?: string }>(async (error, request, reply) => {
    act(request, 'error handler')
    return reply.code(error.statusCode ?? 500).send({ message: error.message, code: error.code })
  })
  app.setNotFoundHandler(async (request, reply) => {
    act(request, '404 handler')
    return reply.code(404).send({})
  })
  app.get('/', async () => ({}))
  app.get('/login', async ({ session }) => {
    session.name = 'Ada'
    return {}
  })
  app.get('/refused', async () => ({}))
  app.get('/none', { config: { session: false } }, async () => ({}))
  app.get('/broken', async () => {
    throw new Error('broken')
  })
  return { app, lines, operations }
}

t.test('request.session: reading it is no error in any hook, serializer or handler', async (t) => {
  const places = new Set<string>()
  const failures: unknown[] = []
  const { app, lines, operations } = await everywhere(t, (request, where) => {
    places.add(where)
    try {
      look(request.session)
    } catch (error) {
      failures.push([where, error])
    }
  })
  const browser = new Browser(app)
  const routes = { '/refused': 429, '/missing': 404, '/none': 200, '/broken': 500, '/': 200 }
  const visitAll = async () => {
    for (const [url, status] of Object.entries(routes)) {
      const response = await browser.request(url)
      t.equal(response.statusCode, status, url)
      t.same(response.cookies, [])
    }
  }
  await visitAll()
  t.same(operations, [], 'reading creates nothing')
  await browser.request('/login')
  await visitAll()
  t.equal(operations.filter((operation) => operation !== 'read').length, 1, 'only the sign-in writes')
  t.same(failures, [])
  t.notMatch(lines.join(''), /FST_SESSION/)
  const expected = ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization', 'onError']
  for (const hook of [...expected, 'onSend', 'onResponse']) {
    t.ok(places.has(`before ${hook}`), `before ${hook}`)
    t.ok(places.has(`after ${hook}`), `after ${hook}`)
  }
  for (const place of ['req', 'res', 'error handler', '404 handler']) t.ok(places.has(place), place)
})

t.test(
  'before loading: the session is empty, the same object each time, and changes no header',
  async (t) => {
    const seen: unknown[] = []
    const { app, operations } = await everywhere(t, (request, where) => {
      if (request.url !== '/') return
      if (where === 'req') seen.push(request.session)
      if (where === 'before onRequest') seen.push(look(request.session), request.session)
    })
    const browser = new Browser(app)
    await browser.request('/login')
    operations.length = 0
    const response = await browser.request('/')
    const [atLog, answers, inHook] = seen
    t.equal(atLog, inHook)
    t.same(answers, [
      undefined,
      undefined,
      undefined,
      false,
      false,
      {},
      {},
      '{}',
      'Session ',
      '',
      '',
      true,
      false,
      false,
      false,
      'not loaded',
      false,
      false
    ])
    t.equal(response.headers.vary, undefined)
    t.same(operations, ['read'])
  }
)

const changes: Record<string, (session: Session) => unknown> = {
  set: (session) => session.set('name', 'Eve'),
  assign: (session) => {
    session.name = 'Eve'
  },
  permanent: (session) => {
    session.permanent = true
  },
  touch: (session) => session.touch(),
  options: (session) => session.options({ sameSite: 'strict' }),
  regenerate: (session) => session.regenerate(),
  save: (session) => session.save(),
  reload: (session) => session.reload(),
  destroy: (session) => session.destroy()
}

for (const [name, change] of Object.entries(changes)) {
  t.test(`before loading: ${name} is an error of the request, awaited or not`, async (t) => {
    const memory = new MemoryStore()
    const app = Fastify()
    t.teardown(async () => {
      await app.close()
      memory.close()
    })
    await app.register(cookie)
    app.addHook('onRequest', async (request) => {
      if (request.url === '/awaited') await change(request.session)
    })
    app.addHook('onRequest', (request, _reply, done) => {
      if (request.url === '/ignored') change(request.session)
      done()
    })
    await app.register(redisSession, { store: memory })
    for (const url of ['/awaited', '/ignored']) app.get(url, async () => ({}))
    app.get('/late', async ({ session }) => session.data())
    const browser = new Browser(app)
    for (const url of ['/awaited', '/ignored']) {
      const response = await browser.request(url)
      t.match(response.json(), {
        statusCode: 500,
        code: 'FST_SESSION_NOT_LOADED',
        message: /^request\.session is not loaded yet/
      })
      t.same(response.cookies, [])
    }
    t.same(await browser.json('/late'), {})
  })
}

t.test('before loading: a callback is refused, and the hook that passed it gets the error', async (t) => {
  const memory = new MemoryStore()
  const app = Fastify()
  t.teardown(async () => {
    await app.close()
    memory.close()
  })
  await app.register(cookie)
  app.addHook('onRequest', (request, _reply, done) => {
    Reflect.apply(request.session.save, request.session, ['more', done])
  })
  await app.register(redisSession, { store: memory })
  app.get('/', async () => ({}))
  t.match(await new Browser(app).json('/'), { statusCode: 500, code: 'FST_SESSION_CALLBACK' })
})

t.test('log serializers: reading a session that cannot be decoded does not end the process', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const store = {
    ...new HeldStore(memory).store,
    read: async () => Buffer.from('no record at all, though long enough to have a header')
  }
  const lines: string[] = []
  const res = ({ request }: { request: FastifyRequest }) => ({ userId: request.session.userId })
  const app = Fastify({
    logger: {
      stream: { write: (line: string) => void lines.push(line) },
      serializers: { res: res as never }
    }
  })
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(redisSession, { store, onUndecodable: 'error' })
  app.get('/', async () => ({}))
  app.get('/look', async ({ session }) => ({ name: session.name }))
  // A real connection, since an injected request would hide an exception after the response.
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const headers = { cookie: `__Host-session=${'A'.repeat(43)}` }
  for (const [path, status] of [
    ['/', 200],
    ['/look', 500]
  ] as const) {
    const response = await fetch(address + path, { headers })
    t.equal(response.status, status)
    await response.text()
  }
  await app.close()
  t.equal(lines.filter((line) => line.includes('request completed')).length, 2)
  t.equal(
    lines.filter((line) => line.includes('"type":"undecodable"')).length,
    2,
    'reported once per request'
  )
})

t.test('before loading: delete() of a missing key returns false', async (t) => {
  const { app } = await everywhere(t, (request, where) => {
    if (where === 'before onRequest') t.equal(request.session.delete('name'), false)
  })
  t.equal((await new Browser(app).request('/')).statusCode, 200)
})

t.test('onTimeout and onRequestAbort: the session can be read there', async (t) => {
  const places = new Map<string, unknown>()
  const { app } = await everywhere(t, ({ session }, where) => void places.set(where, look(session)), {
    connectionTimeout: 200
  })
  const handling = gate()
  const release = gate()
  app.get('/slow', async () => {
    handling.open()
    await release.passed
    return {}
  })
  const over = gate()
  app.addHook('onTimeout', async () => over.open())
  const gone = gate()
  app.addHook('onRequestAbort', async (_request) => gone.open())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  socket.write('GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await handling.passed
  await over.passed
  socket.destroy()
  await gone.passed
  release.open()
  for (const hook of ['onTimeout', 'onRequestAbort']) {
    t.ok(places.has(`before ${hook}`), hook)
    t.ok(places.has(`after ${hook}`), hook)
  }
})

t.test('before loading: session.signal is an error that says so', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onRequest', async ({ session }) => void session.signal)
  const store = new MemoryStore()
  t.teardown(() => store.close())
  await app.register(cookie)
  await app.register(redisSession, { store, signals: true })
  app.get('/', async () => 'ok')
  t.match((await app.inject('/')).json(), { statusCode: 500, code: 'FST_SESSION_NOT_LOADED' })
})
