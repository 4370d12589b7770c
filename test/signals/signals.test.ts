// `session.signal`: aborted when the session ends, on whichever process, and only then.
import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { MemoryStore, type RedisSessionOptions, RedisStore } from '../../lib/index.js'
import { createApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { startCluster } from '../support/cluster.js'
import { until } from '../support/gate.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { kill, launch } from '../support/service-process.js'
import { createService } from './service.js'
import { serve, subscribers } from './stage.js'
import { Visitor } from './visitor.js'

const PROGRAM = new URL('service.js', import.meta.url)
/** An end that nothing reports is noticed by the next look: so many seconds are no timing, but a test that hangs. */
const SOON = { timeout: 120_000 }

/** Two processes of one service, or as many applications of this process. */
type Open = (t: Test) => Promise<[RedisSessionOptions, RedisSessionOptions]>

const stores: Record<string, Open> = {
  async memory(t) {
    const store = new MemoryStore()
    t.teardown(() => store.close())
    return [{ store }, { store }]
  },
  async Redis(t) {
    const { url } = await startRedis(t)
    return [{ redis: url }, { redis: url }]
  },
  'Redis with a key prefix of the client': async (t) => {
    const redis = await startRedis(t)
    const connect = () => redis.connect({ keyPrefix: 'shop:' })
    return [{ redis: connect() }, { redis: connect() }]
  },
  'Redis with a near cache': async (t) => {
    const { url } = await startRedis(t)
    return [
      { redis: url, nearCache: true },
      { redis: url, nearCache: true }
    ]
  },
  'a RedisStore of the application': async (t) => {
    const redis = await startRedis(t)
    const store = () => new RedisStore(redis.connect(), { channel: 'session:ended' })
    return [{ store: store() }, { store: store() }]
  },
  async cluster(t) {
    const { nodes } = await startCluster(t)
    const connect = () => {
      const cluster = new Cluster(nodes)
      t.teardown(() => cluster.disconnect())
      return cluster
    }
    return [{ redis: connect() }, { redis: connect() }]
  }
}

for (const [name, open] of Object.entries(stores)) {
  t.test(`signals in ${name}`, SOON, async (t) => {
    const [here, there] = await open(t)
    const app = await createService(here)
    t.teardown(() => app.close())
    const one = await app.listen({ host: '127.0.0.1', port: 0 })
    const two = await serve(t, there)

    await t.test('streams and sockets of both processes end with a logout, and are told why', async (t) => {
      const visitor = new Visitor(t)
      await visitor.get(one, '/login')
      const streams = [await visitor.listen(one), await visitor.listen(two)]
      const sockets = [await visitor.connect(one), await visitor.connect(two)]
      await visitor.get(one, '/logout?reason=signed-out')
      t.same(await Promise.all(streams.map(({ end }) => end)), [
        'data: ended signed-out',
        'data: ended signed-out'
      ])
      t.same(await Promise.all(sockets.map(({ end }) => end)), [
        [4401, 'signed-out'],
        [4401, 'signed-out']
      ])
    })

    await t.test('each way in which a session can end', async (t) => {
      const ways: Record<string, (visitor: Visitor, id: string) => Promise<unknown>> = {
        'destroy()': (visitor) => visitor.get(one, '/logout'),
        emptied: (visitor) => visitor.get(one, '/empty'),
        'sessions.end()': (_visitor, id) => app.sessions.end(id),
        'destroy() of a found session': async (_visitor, id) => (await app.sessions.find(id))?.destroy(),
        'a login that keeps no data': (visitor) => visitor.get(one, '/login'),
        'a lifetime of a second instead of a day': (visitor) => visitor.get(one, '/shorten')
      }
      for (const [way, end] of Object.entries(ways)) {
        const visitor = new Visitor(t)
        const id = await (await visitor.get(one, '/login')).text()
        const stream = await visitor.listen(two)
        await end(visitor, id)
        t.equal(await stream.end, 'data: ended', way)
      }
    })

    await t.test('a new id does not end it: the signal follows, and ends with the session', async (t) => {
      const visitor = new Visitor(t)
      await visitor.get(one, '/login')
      const bystander = new Visitor(t)
      await bystander.get(one, '/login')
      const [stream, other] = [await visitor.listen(two), await bystander.listen(two)]
      for (let moves = 0; moves < 3; moves++) await visitor.get(one, '/move')
      const late = await visitor.listen(two)
      await visitor.get(one, '/logout?reason=later')
      t.equal(await stream.end, 'data: ended later')
      t.equal(await late.end, 'data: ended later')
      t.equal(await Promise.race([other.end, Promise.resolve('open')]), 'open', 'others are not affected')
    })

    await t.test(
      'a session that has ended before is aborted from the beginning, or soon after',
      async (t) => {
        const visitor = new Visitor(t)
        const id = await (await visitor.get(one, '/login')).text()
        const first = await visitor.listen(two)
        // The request reads the session, which ends before the route asks for the signal.
        const stale = await app.sessions.find(id)
        await app.sessions.end(id)
        t.equal(stale?.signal.aborted, false)
        await new Promise((resolve) => stale?.signal.addEventListener('abort', resolve))
        t.match(stale?.signal.reason, { code: 'FST_SESSION_ENDED', statusCode: 401 })
        t.equal(await first.end, 'data: ended')
      }
    )
  })
}

t.test('expiry: told by a timer, and not before the last extension by another process', SOON, async (t) => {
  const redis = await startRedis(t)
  const options = { redis: redis.url, idleTimeout: 2, touchAfter: 0 }
  const [one, two] = [await serve(t, options), await serve(t, options)]
  const visitor = new Visitor(t)
  await visitor.get(one, '/login')
  const stream = await visitor.listen(two)
  const openedAt = Date.now()
  while (Date.now() - openedAt < 3_000) {
    await visitor.get(one, '/touch')
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  t.equal(await Promise.race([stream.end, Promise.resolve('open')]), 'open', 'it has been used meanwhile')
  t.equal(await stream.end, 'data: ended')
  t.same(await redis.client.keys('*'), [])
})

t.test('two real processes, one of which is killed: no signal of the other is lost', SOON, async (t) => {
  const redis = await startRedis(t)
  const [one, two] = await Promise.all([
    launch(PROGRAM, { redis: redis.url }),
    launch(PROGRAM, { redis: redis.url })
  ])
  t.teardown(() => Promise.all([kill(one), kill(two)]))
  const [visitor, other] = [new Visitor(t), new Visitor(t)]
  await visitor.get(one.address, '/login')
  await other.get(one.address, '/login')
  const [stream, socket] = [await visitor.listen(two.address), await other.connect(two.address)]
  await visitor.get(one.address, '/logout')
  t.equal(await stream.end, 'data: ended')
  await kill(one)
  await other.get(two.address, '/logout')
  t.same(await socket.end, [4401, ''])
})

/** A service with one open stream, and a person who can end it. */
async function stage(t: Test, redis: RedisServer, options: RedisSessionOptions = {}) {
  const app = await createService({ redis: redis.url, timeout: 1_000, ...options })
  t.teardown(() => app.close())
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const visitor = new Visitor(t)
  const id = await (await visitor.get(address, '/login')).text()
  const stream = await visitor.listen(address)
  const elsewhere = await createService({ redis: redis.url })
  t.teardown(() => elsewhere.close())
  return { app, address, visitor, id, stream, elsewhere }
}

t.test('a session that ends while the subscription is down is told as well', SOON, async (t) => {
  const redis = await startRedis(t)
  const { stream, id, elsewhere } = await stage(t, redis)
  await until(async () => (await subscribers(redis.client)).length === 1)
  const [connection = ''] = await subscribers(redis.client)
  await redis.client.multi().call('CLIENT', 'KILL', 'ID', connection).del(`session:${id}`).exec()
  t.equal(await stream.end, 'data: ended')
  const again = await stage(t, redis)
  await elsewhere.sessions.end(again.id)
  t.equal(await again.stream.end, 'data: ended', 'later ones too')
})

t.test('a subscription that is up but silent is noticed', SOON, async (t) => {
  const redis = await startRedis(t)
  const { stream, id } = await stage(t, redis)
  await until(async () => (await subscribers(redis.client)).length === 1)
  // Nothing is published of a key that the test deletes: only another subscription can find out.
  await redis.client.del(`session:${id}`)
  await redis.client.call('CLIENT', 'PAUSE', '3000', 'ALL')
  t.equal(await stream.end, 'data: ended')
})

t.test(
  'a user who may not subscribe: the log says so, and the sessions are read instead',
  SOON,
  async (t) => {
    const redis = await startRedis(t)
    await redis.client.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', '-subscribe')
    const app = await createApp(t, { redis: `redis://app:secret@127.0.0.1:${redis.port}`, signals: true })
    app.get('/login', async ({ session }) => session.set('userId', 1))
    app.get('/wait', async ({ session }) => {
      const { id, signal } = session
      await app.sessions.end(id)
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return 'ended'
    })
    const browser = new Browser(app)
    await browser.request('/login')
    t.equal((await browser.request('/wait')).body, 'ended')
    const lines = app.logLines.filter(({ msg }) => msg.startsWith('ended sessions are not reported'))
    t.match(lines, [{ level: 40, redis: 'NOPERM' }], 'once')
  }
)

t.test('a user who may not publish: found at the start, and nothing ends halfway', SOON, async (t) => {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', 'resetchannels', '+@all')
  const url = `redis://app:secret@127.0.0.1:${redis.port}`
  const denied = { code: 'FST_SESSION_STORE_DENIED' }
  await t.rejects(createApp(t, { redis: url, signals: true, startUp: 'fail' }), denied)
  const app = await createService({ redis: url })
  t.teardown(() => app.close())
  const id = (await app.inject('/login')).body
  await t.rejects(app.sessions.end(id), denied)
  await t.rejects(app.sessions.end(id, { reason: 'ended-by-user' }), denied)
  t.ok(await app.sessions.find(id), 'it is still there')
})

t.test(
  'who does not ask for a signal causes no subscription, and who asks for the first, one',
  SOON,
  async (t) => {
    const redis = await startRedis(t)
    const { address, visitor, stream } = await stage(t, redis)
    await until(async () => (await subscribers(redis.client)).length === 1)
    const others = await Promise.all([visitor.listen(address), visitor.listen(address)])
    t.equal((await subscribers(redis.client)).length, 1)
    for (const { leave } of [stream, ...others]) leave()
    await until(async () => (await subscribers(redis.client)).length === 0)
    await redis.commands()
    await visitor.get(address, '/move')
    t.notOk('subscribe' in (await redis.commands()))
    const again = await visitor.listen(address)
    await until(async () => (await subscribers(redis.client)).length === 1)
    await visitor.get(address, '/logout')
    t.equal(await again.end, 'data: ended')
  }
)

t.test('closing the application ends the subscription, and aborts nothing', SOON, async (t) => {
  const redis = await startRedis(t)
  const { app, address, visitor, id } = await stage(t, redis)
  const found = await app.sessions.find(id)
  t.equal(found?.signal.aborted, false)
  const socket = await visitor.connect(address)
  await until(async () => (await subscribers(redis.client)).length === 1)
  socket.socket.terminate()
  app.server.closeAllConnections()
  await app.close()
  await until(async () => (await subscribers(redis.client)).length === 0)
  t.equal(found?.signal.aborted, false)
})

t.test('a signal is forgotten when its response has closed', SOON, async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await createService({ store })
  t.teardown(() => app.close())
  const signals: AbortSignal[] = []
  app.get('/quick', async ({ session }) => {
    signals.push(session.signal)
    return {}
  })
  app.get('/late', ({ raw, session }, reply) => {
    reply.hijack()
    raw.on('close', () => setImmediate(() => signals.push(session.signal)))
    reply.raw.end()
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const visitor = new Visitor(t)
  await visitor.get(address, '/login')
  await (await visitor.get(address, '/quick')).text()
  await (await visitor.get(address, '/late')).text()
  await until(() => signals.length === 2)
  const stream = await visitor.listen(address)
  await visitor.get(address, '/logout')
  t.equal(await stream.end, 'data: ended')
  t.same(
    signals.map(({ aborted }) => aborted),
    [false, false]
  )
})

t.test(
  'a signal of a request without a session: it follows the session that begins there',
  SOON,
  async (t) => {
    const store = new MemoryStore()
    t.teardown(() => store.close())
    const app = await createService({ store })
    t.teardown(() => app.close())
    const ends: string[] = []
    app.get('/begin', async ({ session }, reply) => {
      const { signal } = session
      signal.addEventListener('abort', () => ends.push('the first'))
      session.userId = 1
      await session.save()
      t.equal(session.signal, signal)
      await session.destroy()
      await until(() => signal.aborted)
      t.equal(session.signal, signal, 'of the session that has ended')
      session.userId = 2
      await session.save()
      t.not(session.signal, signal)
      t.equal(session.signal.aborted, false, 'another session')
      return reply.send({})
    })
    t.equal((await app.inject('/begin')).statusCode, 200)
    t.same(ends, ['the first'])
  }
)

t.test('a session that was ended or moved by a parallel request is aborted at once', SOON, async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await createApp(t, { store, signals: true })
  app.get('/login', async ({ session }) => session.set('userId', 1))
  app.get('/move', async ({ session }) => session.regenerate())
  app.get('/look', async ({ session }) => ({ detached: session.detached, aborted: session.signal.aborted }))
  app.get('/ended', async ({ session }) => {
    await app.sessions.end(session.id, { reason: 'too-many' })
    await session.reload()
    return { aborted: session.signal.aborted, why: session.signal.reason.endedBecause }
  })
  const browser = new Browser(app)
  await browser.request('/login')
  t.same(await browser.json('/ended'), { aborted: true, why: 'too-many' })
  await browser.request('/login')
  const late = new Browser(app)
  for (const [name, value] of browser.cookies) late.cookies.set(name, value)
  await browser.request('/move')
  t.same(await late.json('/look'), { detached: 'moved', aborted: true })
  t.same(await new Browser(app).json('/look'), { aborted: false })
})

t.test('without the option, a signal is an error that names it', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await createApp(t, { store })
  app.get('/', async ({ session }) => session.signal)
  app.get('/early', { onRequest: [] }, async () => ({}))
  t.match((await app.inject('/')).json(), { code: 'FST_SESSION_OPTION', message: /^option signals: is off/ })
})

t.test('signals: what cannot be used is refused at the start', async (t) => {
  const { resolveOptions } = await import('../../lib/plugin/options.js')
  const client = { getBuffer() {}, set() {}, evalsha() {}, evalshaBuffer() {}, evalBuffer() {} }
  const store = new RedisStore(client as never)
  for (const options of [
    { signals: 1 },
    { signals: true, redis: client },
    { signals: true, store }
  ] as object[]) {
    t.throws(() => resolveOptions(options, true), {
      code: 'FST_SESSION_OPTION',
      message: /^option signals: /
    })
  }
  t.equal(resolveOptions({}, true).signals, false, 'it is off unless asked for')
})
