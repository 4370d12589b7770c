// Every way in which a Fastify application replies, and what happens to the session.
import { once } from 'node:events'
import { type OutgoingHttpHeaders, request } from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import redisSession, { MemoryStore } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser, sessionCookie } from '../support/browser.js'
import { gate, until } from '../support/gate.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'

type Options = Parameters<typeof createApp>[1]

interface Service {
  redis: RedisServer
  app: TestApp
  browser: Browser
}

async function createService(t: Test, options: Options = {}): Promise<Service> {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url, ...options })
  addRoutes(app)
  return { redis, app, browser: new Browser(app) }
}

function addRoutes(app: FastifyInstance): void {
  app.get('/login', async ({ session }) => {
    session.name = 'Ada'
    return {}
  })
  app.get('/logout', async ({ session }) => {
    await session.destroy()
    return {}
  })
  app.get('/data', async ({ session }) => session.data())
}

function events({ app }: Service, type: string): TestApp['logLines'] {
  return app.logLines.filter(({ session }) => (session as { type?: string } | undefined)?.type === type)
}

const HOOKS = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const

async function listen(app: FastifyInstance): Promise<string> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
}

t.test('hijacked reply', async (t) => {
  t.test('has the cookie of a session that was saved before', async (t) => {
    const service = await createService(t)
    service.app.get('/hijack', async ({ session }, reply) => {
      session.name = 'Ada'
      await session.save()
      reply.hijack()
      reply.raw.writeHead(200, reply.getHeaders() as OutgoingHttpHeaders)
      reply.raw.end('by hand')
    })
    const response = await service.browser.request('/hijack')
    t.equal(response.body, 'by hand')
    t.match(sessionCookie(response), { name: '__Host-session', httpOnly: true })
    t.equal(response.headers['cache-control'], 'no-store')
    t.same(await service.browser.json('/data'), { name: 'Ada' })
    t.same(events(service, 'unsaved'), [])
  })

  t.test('loses changes without save(), and the log says so', async (t) => {
    const service = await createService(t)
    service.app.get('/hijack', ({ session }, reply) => {
      session.name = 'Ada'
      reply.hijack()
      reply.raw.end('by hand')
    })
    t.equal(sessionCookie(await service.browser.request('/hijack')), undefined)
    await until(() => events(service, 'unsaved').length > 0)
    t.match(events(service, 'unsaved'), [{ level: 40, msg: /save\(\)/ }])
    t.equal(await service.redis.client.dbsize(), 0)
  })

  t.test('does not end the process if its changes cannot be encoded', async (t) => {
    const service = await createService(t)
    service.app.get('/hijack', ({ session }, reply) => {
      session.set('anything', 10n)
      reply.hijack()
      reply.raw.end('by hand')
    })
    await service.browser.request('/login')
    await service.browser.request('/hijack')
    await until(() => events(service, 'unsaved').length > 0)
    t.same(await service.browser.json('/data'), { name: 'Ada' })
  })

  t.test('saves an existing session after its headers were sent, but no new one', async (t) => {
    const service = await createService(t)
    service.app.get('/hijack', async ({ session }, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, reply.getHeaders() as OutgoingHttpHeaders)
      reply.raw.write('begun, ')
      session.count = 1
      const outcome = await session.save().then(
        () => 'saved',
        (error) => error.code
      )
      reply.raw.end(outcome)
    })
    t.equal((await service.browser.request('/hijack')).body, 'begun, FST_SESSION_HEADERS_SENT')
    t.equal(await service.redis.client.dbsize(), 0)
    await service.browser.request('/login')
    t.equal((await service.browser.request('/hijack')).body, 'begun, saved')
    t.same(await service.browser.json('/data'), { name: 'Ada', count: 1 })
  })
})

t.test('streamed reply', async (t) => {
  t.test('starts after the session is stored', async (t) => {
    const service = await createService(t)
    let stored = 0
    service.app.get('/stream', async ({ session }, reply) => {
      session.name = 'Ada'
      async function* chunks(): AsyncGenerator<string> {
        stored = await service.redis.client.dbsize()
        yield 'one'
      }
      return reply.send(Readable.from(chunks()))
    })
    const response = await service.browser.request('/stream')
    t.equal(response.body, 'one')
    t.equal(stored, 1)
    t.ok(sessionCookie(response))
  })

  t.test('may call save() for changes while it runs', async (t) => {
    const service = await createService(t)
    service.app.get('/stream', async ({ session }, reply) => {
      async function* chunks(): AsyncGenerator<string> {
        yield 'one'
        session.count = 1
        await session.save()
        yield 'two'
      }
      return reply.send(Readable.from(chunks()))
    })
    await service.browser.request('/login')
    t.equal((await service.browser.request('/stream')).body, 'onetwo')
    t.same(await service.browser.json('/data'), { name: 'Ada', count: 1 })
    t.same(events(service, 'unsaved'), [])
  })

  t.test('logs changes that it did not save', async (t) => {
    const service = await createService(t)
    service.app.get('/stream', async ({ session }, reply) => {
      async function* chunks(): AsyncGenerator<string> {
        yield 'one'
        session.count = 1
      }
      return reply.send(Readable.from(chunks()))
    })
    await service.browser.request('/login')
    await service.browser.request('/stream')
    await until(() => events(service, 'unsaved').length > 0)
    t.same(await service.browser.json('/data'), { name: 'Ada' })
  })

  t.test('a fetch Response keeps its own cookies beside ours', async (t) => {
    const service = await createService(t)
    service.app.get('/response', async ({ session }) => {
      session.name = 'Ada'
      return new Response('text', { status: 201, headers: [['set-cookie', 'theme=dark']] })
    })
    const response = await service.browser.request('/response')
    t.equal(response.statusCode, 201)
    t.same([...service.browser.cookies.keys()].sort(), ['__Host-session', 'theme'])
    t.same(await service.browser.json('/data'), { name: 'Ada' })
  })
})

t.test('reply sent twice', async (t) => {
  const ways: Record<string, (app: FastifyInstance) => void> = {
    'by an async handler that does not return it': (app) => {
      app.get('/', async ({ session }, reply) => {
        session.name = 'Ada'
        reply.send({ first: true })
      })
    },
    'by a handler that calls send() twice': (app) => {
      app.get('/', ({ session }, reply) => {
        session.name = 'Ada'
        reply.send({ first: true })
        reply.send({ first: false })
      })
    },
    'by a hook and by the handler': (app) => {
      app.get(
        '/',
        {
          preHandler: async ({ session }, reply) => {
            session.name = 'Ada'
            reply.send({ first: true })
          }
        },
        async () => ({ first: false })
      )
    }
  }
  for (const [way, addRoute] of Object.entries(ways)) {
    t.test(way, async (t) => {
      const { app, browser } = await createService(t)
      addRoute(app)
      const address = await listen(app)
      const response = await fetch(address)
      t.same(await response.json(), { first: true })
      const [cookie = ''] = response.headers.getSetCookie()
      t.match(cookie, /^__Host-session=/)
      const next = await fetch(`${address}/data`, { headers: { cookie: cookie.split(';', 1)[0] ?? '' } })
      t.same(await next.json(), { name: 'Ada' }, 'the session is stored')
      t.equal((await browser.request('/data')).statusCode, 200, 'the process is alive')
    })
  }

  t.test('an error after the first reply keeps its session', async (t) => {
    const service = await createService(t)
    service.app.get('/', async ({ session }, reply) => {
      session.name = 'Ada'
      reply.send({})
      throw new Error('too late')
    })
    const address = await listen(service.app)
    const response = await fetch(address)
    t.equal(response.status, 500)
    t.equal(response.headers.getSetCookie().length, await service.redis.client.dbsize())
  })
})

t.test('app.inject(): accepts the cookie that an earlier response set', async (t) => {
  const { app } = await createService(t)
  const { cookies } = await app.inject('/login')
  const [cookie] = cookies
  t.equal(cookies.length, 1)
  const response = await app.inject({ url: '/data', cookies: { [cookie?.name ?? '']: cookie?.value ?? '' } })
  t.same(response.json(), { name: 'Ada' })
})

t.test('redirect: sent after the session is stored', async (t) => {
  const { app, browser } = await createService(t)
  app.get('/redirect', async ({ session }, reply) => {
    session.count = 1
    return reply.redirect('/data')
  })
  t.equal((await browser.request('/redirect')).headers.location, '/data')
  t.same(await browser.json('/data'), { count: 1 })
})

t.test('HTTP/2', async (t) => {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url }, { http2: true } as object)
  addRoutes(app)
  app.get('/hijack', async ({ session }, reply) => {
    session.count = 1
    await session.save()
    reply.hijack()
    const { connection, ...headers } = reply.getHeaders()
    reply.raw.writeHead(200, headers as OutgoingHttpHeaders)
    reply.raw.end('{}')
  })
  const client = http2.connect(await listen(app))
  t.teardown(() => client.close())
  async function get(path: string, cookies: string[] = []): Promise<{ cookies: string[]; body: unknown }> {
    const stream = client.request({ ':path': path, ...(cookies.length === 0 ? {} : { cookie: cookies }) })
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    const body = await new globalThis.Response(Readable.toWeb(stream) as ReadableStream).json()
    return { cookies: headers['set-cookie'] ?? [], body }
  }
  const [cookie = ''] = (await get('/login')).cookies
  t.match(cookie, /^__Host-session=.*; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  const pair = cookie.split(';', 1)[0] ?? ''
  t.same(await get('/data', [pair]), { cookies: [], body: { name: 'Ada' } })
  t.same(
    (await get('/data', ['other=1', pair, 'more=2'])).body,
    { name: 'Ada' },
    'cookies in separate fields'
  )
  t.same((await get('/hijack', [pair])).body, {})
  t.same((await get('/data', [pair])).body, { name: 'Ada', count: 1 })
  t.match((await get('/logout', [pair])).cookies, [/^__Host-session=; Max-Age=0;/])
  t.equal(await redis.client.dbsize(), 0)
})

t.test('HTTP/2: with the id in a header', async (t) => {
  const options = { store: new MemoryStore(), transport: { header: 'x-session' } }
  t.teardown(() => options.store.close())
  const app = await createApp(t, options, { http2: true } as object)
  addRoutes(app)
  const client = http2.connect(await listen(app))
  t.teardown(() => client.close())
  async function get(path: string, id?: string) {
    const stream = client.request({ ':path': path, ...(id === undefined ? {} : { 'x-session': id }) })
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    const body = await new globalThis.Response(Readable.toWeb(stream) as ReadableStream).json()
    return { id: headers['x-session'], body }
  }
  const { id } = await get('/login')
  t.type(id, 'string')
  t.same(await get('/data', String(id)), { id: undefined, body: { name: 'Ada' } })
  t.equal((await get('/logout', String(id))).id, '', 'empty: the session has ended')
  t.same((await get('/data', String(id))).body, {})
})

t.test('HEAD request', async (t) => {
  t.test('of a GET route is handled like GET', async (t) => {
    const { browser } = await createService(t)
    const response = await browser.request('/login', { method: 'HEAD' })
    t.equal(response.body, '')
    t.ok(sessionCookie(response))
    t.same(await browser.json('/data'), { name: 'Ada' })
  })

  t.test('of a HEAD route stores its changes', async (t) => {
    const { app, browser } = await createService(t)
    app.head('/own', async ({ session }, reply) => {
      session.count = 1
      return reply.send()
    })
    await browser.request('/own', { method: 'HEAD' })
    t.same(await browser.json('/data'), { count: 1 })
  })
})

t.test('not found', async (t) => {
  t.test('the handler has a session, and its changes are stored', async (t) => {
    const { app, browser } = await createService(t)
    app.setNotFoundHandler(async ({ session }, reply) => {
      session.count = (session.count ?? 0) + 1
      return reply.code(404).send({ visitor: session.name ?? null })
    })
    await browser.request('/login')
    const response = await browser.request('/nowhere')
    t.equal(response.statusCode, 404)
    t.same(response.json(), { visitor: 'Ada' })
    t.same(await browser.json('/data'), { name: 'Ada', count: 1 })
  })

  t.test('reply.callNotFound() stores changes too', async (t) => {
    const { app, browser } = await createService(t)
    app.get('/hidden', ({ session }, reply) => {
      session.count = 1
      reply.callNotFound()
    })
    t.equal((await browser.request('/hidden')).statusCode, 404)
    t.same(await browser.json('/data'), { count: 1 })
  })
})

t.test('error handling', async (t) => {
  async function createFailing(t: Test, options: Options = {}): Promise<Service> {
    const service = await createService(t, options)
    service.app.setErrorHandler(async (error: Error & { statusCode?: number }, { session }, reply) => {
      session.name = `seen: ${error.message}`
      return reply.code(error.statusCode ?? 500).send({ count: session.count ?? null })
    })
    service.app.get('/fail/:status', async ({ session, params }) => {
      session.count = 1
      throw Object.assign(new Error('failed'), { statusCode: Number((params as { status: string }).status) })
    })
    return service
  }

  t.test('4xx: commits, including changes of the error handler', async (t) => {
    const { browser } = await createFailing(t)
    const response = await browser.request('/fail/422')
    t.same([response.statusCode, response.json()], [422, { count: 1 }])
    t.same(await browser.json('/data'), { count: 1, name: 'seen: failed' })
  })

  t.test('5xx: discards, including changes of the error handler', async (t) => {
    const service = await createFailing(t)
    const { browser, redis } = service
    const response = await browser.request('/fail/500')
    t.same([response.statusCode, response.json()], [500, { count: 1 }])
    t.equal(sessionCookie(response), undefined)
    t.equal(await redis.client.dbsize(), 0)
    await browser.request('/login')
    await browser.request('/fail/503')
    t.same(await browser.json('/data'), { name: 'Ada' })
    const reasons = events(service, 'unsaved').map(({ msg }) => msg.replace(/^.*: /, ''))
    const cure = 'call save() for changes that an error must not undo'
    t.same(
      reasons,
      [`the response has status 500; ${cure}`, `the response has status 503; ${cure}`],
      'the log says so'
    )
  })

  t.test('saveOn5xx: true commits on 5xx', async (t) => {
    const { browser } = await createFailing(t, { saveOn5xx: true })
    t.equal((await browser.request('/fail/500')).statusCode, 500)
    t.same(await browser.json('/data'), { count: 1, name: 'seen: failed' })
  })

  t.test('an error in a later hook discards', async (t) => {
    const service = await createService(t)
    const { app, browser, redis } = service
    for (const hook of HOOKS) {
      app.route({
        method: 'GET',
        url: `/${hook}`,
        [hook]: async (request: { session: { count: number } }) => {
          request.session.count = 1
          throw new Error('failed')
        },
        handler: async () => ({})
      })
    }
    for (const hook of HOOKS) {
      const response = await browser.request(`/${hook}`)
      t.equal(response.statusCode, 500, hook)
      t.equal(sessionCookie(response), undefined)
    }
    t.equal(await redis.client.dbsize(), 0)
  })

  t.test('an error in serialization of the reply discards', async (t) => {
    const { app, browser, redis } = await createService(t)
    app.get('/cyclic', async ({ session }) => {
      session.count = 1
      const cyclic: Record<string, unknown> = {}
      cyclic.self = cyclic
      return cyclic
    })
    t.equal((await browser.request('/cyclic')).statusCode, 500)
    t.equal(await redis.client.dbsize(), 0)
  })

  t.test('an error in onSend after the commit keeps the cookie of the stored session', async (t) => {
    const { app, browser, redis } = await createService(t)
    app.get(
      '/late',
      {
        onSend: async (_request, reply) => {
          if (reply.statusCode < 500) throw new Error('failed')
        }
      },
      async ({ session }) => {
        session.count = 1
        return {}
      }
    )
    const response = await browser.request('/late')
    t.equal(response.statusCode, 500)
    t.equal(await redis.client.dbsize(), 1)
    t.same(await browser.json('/data'), { count: 1 })
  })

  t.test('an error of the session itself is reported once and sets no cookie', async (t) => {
    const service = await createService(t, { maxRecordBytes: 200 })
    const { app, browser, redis } = service
    app.get('/large', async ({ session }) => {
      session.name = 'x'.repeat(1000)
      return {}
    })
    const response = await browser.request('/large')
    t.match(response.json(), { statusCode: 500, code: 'FST_SESSION_TOO_LARGE' })
    t.equal(sessionCookie(response), undefined)
    t.equal(await redis.client.dbsize(), 0)
    await browser.request('/login')
    t.match((await browser.request('/large')).json(), { statusCode: 500, code: 'FST_SESSION_TOO_LARGE' })
    t.same(await browser.json('/data'), { name: 'Ada' })
    t.same(events(service, 'unsaved'), [], 'the error is the report')
  })
})

t.test('client disconnects', async (t) => {
  t.test('the changes of its request are still stored', async (t) => {
    const service = await createService(t)
    const { app, browser } = service
    const [started, gone] = [gate(), gate()]
    app.get('/slow', async ({ session }, reply) => {
      session.count = 1
      reply.raw.once('close', () => gone.open())
      started.open()
      await gone.passed
      return {}
    })
    await browser.request('/login')
    const address = await listen(app)
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join()
    const client = request(`${address}/slow`, { headers: { cookie }, agent: false })
    client.on('error', () => {})
    client.end()
    await started.passed
    client.destroy()
    await until(async () => (await browser.json<{ count?: number }>('/data')).count === 1)
    t.same(events(service, 'unsaved'), [])
  })

  t.test('changes that cannot be stored do not end the process', async (t) => {
    const service = await createService(t, { maxRecordBytes: 200 })
    const { app, browser } = service
    const [started, gone] = [gate(), gate()]
    app.get('/slow', async ({ session }, reply) => {
      session.set('anything', 'x'.repeat(1000))
      reply.raw.once('close', () => gone.open())
      started.open()
      await gone.passed
      return {}
    })
    await browser.request('/login')
    const address = await listen(app)
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join()
    const client = request(`${address}/slow`, { headers: { cookie }, agent: false })
    client.on('error', () => {})
    client.end()
    await started.passed
    client.destroy()
    await gone.passed
    t.same(await browser.json('/data'), { name: 'Ada' })
  })
})

t.test('onSend hooks of the application', async (t) => {
  t.test('before ours: may still change the session', async (t) => {
    const redis = await startRedis(t)
    const app = Fastify()
    t.teardown(() => app.close())
    app.addHook('onSend', async (request) => {
      if (request.url === '/count') request.session.count = 1
    })
    await app.register(cookie)
    await app.register(redisSession, { redis: redis.url })
    addRoutes(app)
    app.get('/count', async () => ({}))
    const browser = new Browser(app)
    await browser.request('/count')
    t.same(await browser.json('/data'), { count: 1 })
  })

  t.test('after ours: changes come too late, and the log says so', async (t) => {
    const service = await createService(t)
    const { app, browser } = service
    app.get(
      '/count',
      {
        onSend: async ({ session }) => {
          session.count = 1
        }
      },
      async ({ session }) => ({ name: session.name ?? null })
    )
    await browser.request('/login')
    await browser.request('/count')
    await until(() => events(service, 'unsaved').length > 0)
    t.match(events(service, 'unsaved'), [{ level: 40, msg: /save\(\)/ }])
    t.same(await browser.json('/data'), { name: 'Ada' })
  })

  t.test('after ours: may call save()', async (t) => {
    const service = await createService(t)
    const { app, browser } = service
    app.get(
      '/count',
      {
        onSend: async ({ session }) => {
          session.count = 1
          await session.save()
        }
      },
      async () => ({})
    )
    t.ok(sessionCookie(await browser.request('/count')), 'even for a new session')
    t.same(await browser.json('/data'), { count: 1 })
    t.same(events(service, 'unsaved'), [])
  })
})

t.test('response headers', async (t) => {
  t.test('Set-Cookie: cookies of the application stay beside ours', async (t) => {
    const { app, browser } = await createService(t)
    app.get('/cookies', async ({ session }, reply) => {
      reply.header('set-cookie', 'one=1')
      reply.header('set-cookie', ['two=2; Path=/', 'session=mine'])
      reply.setCookie('three', '3')
      session.name = 'Ada'
      await session.save()
      reply.setCookie('four', '4')
      reply.header('set-cookie', 'five=5')
      return {}
    })
    const response = await browser.request('/cookies')
    t.same(response.cookies.map(({ name }) => name).sort(), [
      '__Host-session',
      'five',
      'four',
      'one',
      'session',
      'three',
      'two'
    ])
    t.equal([response.headers['set-cookie']].flat().length, 7, 'each once')
  })

  t.test('Set-Cookie: the list of the application is not modified', async (t) => {
    const { app, browser } = await createService(t)
    const cookies = ['one=1', 'two=2']
    app.get('/cookies', async ({ session }, reply) => {
      reply.header('set-cookie', cookies)
      session.name = 'Ada'
      return {}
    })
    await browser.request('/cookies')
    t.same(cookies, ['one=1', 'two=2'])
  })

  t.test('Set-Cookie: several commits in one request leave one cookie', async (t) => {
    const { app, browser, redis } = await createService(t)
    app.get('/all', async ({ session }) => {
      session.name = 'Ada'
      await session.save()
      await session.regenerate()
      await session.save()
      session.count = 1
      return {}
    })
    const response = await browser.request('/all')
    t.equal(response.cookies.length, 1)
    t.same(await browser.json('/data'), { name: 'Ada', count: 1 })
    await browser.request('/logout')
    t.equal(browser.cookies.size, 0)
    t.ok((await redis.client.dbsize()) <= 1, 'at most the tombstone of the old id')
  })

  t.test('Cache-Control: that of the application stays; no-store is the default with a cookie', async (t) => {
    const { app, browser } = await createService(t)
    app.get('/private', async ({ session }, reply) => {
      reply.header('cache-control', 'private, max-age=5')
      session.name = 'Ada'
      return {}
    })
    t.equal((await browser.request('/private')).headers['cache-control'], 'private, max-age=5')
    t.equal((await new Browser(app).request('/login')).headers['cache-control'], 'no-store')
    t.equal((await browser.request('/data')).headers['cache-control'], undefined, 'none without a cookie')
  })

  t.test('Vary: that of the application stays; Cookie is added if the session was read', async (t) => {
    const { app, browser } = await createService(t)
    const varies = {
      none: undefined,
      origin: 'Origin',
      cookie: 'Accept, cookie',
      all: '*',
      like: 'Cookie-Policy'
    }
    for (const [name, vary] of Object.entries(varies)) {
      app.get(`/vary/${name}`, async ({ session }, reply) => {
        if (vary !== undefined) reply.header('vary', vary)
        return { name: session.name ?? null }
      })
    }
    app.get('/public', async () => ({}))
    const vary = async (url: string) => (await browser.request(url)).headers.vary
    t.equal(await vary('/vary/none'), 'Cookie')
    t.equal(await vary('/vary/origin'), 'Origin, Cookie')
    t.equal(await vary('/vary/cookie'), 'Accept, cookie')
    t.equal(await vary('/vary/all'), '*')
    t.equal(await vary('/vary/like'), 'Cookie-Policy, Cookie')
    t.equal(await vary('/public'), undefined)
  })

  t.test('Vary: a list of fields stays too', async (t) => {
    const { app, browser } = await createService(t)
    app.get('/vary', async ({ session }, reply) => {
      reply.header('vary', ['Origin', 'Accept'])
      return { name: session.name ?? null }
    })
    t.match(String((await browser.request('/vary')).headers.vary), /Origin,\s?Accept, Cookie/)
  })
})
