// Sessions that end with a reason: who still comes with the cookie is told why, and finds nothing else.
import t, { type Test } from 'tap'
import { MemoryStore, type RedisSessionOptions } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { HeldStore } from '../support/held-store.js'
import { startRedis } from '../support/redis-server.js'

/** An application whose processes share what the options name. */
async function deploy(t: Test, options: RedisSessionOptions): Promise<TestApp> {
  const app = await createApp(t, options)
  app.get('/login', async ({ session }) => {
    await session.regenerate(false)
    session.userId = 1
    return session.id
  })
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return {}
  })
  app.get('/set', async ({ session }) => {
    if (session.userId !== undefined) session.count = 1
    return { destroyed: session.destroyed, detached: session.detached ?? null, id: session.id }
  })
  app.get('/why', async ({ session }) => ({ why: session.endedBecause ?? null, data: session.data() }))
  app.get<{ Querystring: { reason?: string } }>('/logout', async ({ session, query }) =>
    session.destroy(query.reason === undefined ? undefined : { reason: query.reason })
  )
  app.get('/move', async ({ session }) => {
    await session.regenerate()
    return session.id
  })
  return app
}

/** A second browser with the same cookies, as a request that is sent before the response to the first. */
function copyOf(browser: Browser, app: TestApp): Browser {
  const copy = new Browser(app)
  for (const [name, value] of browser.cookies) copy.cookies.set(name, value)
  return copy
}

const stores: Record<string, (t: Test) => Promise<RedisSessionOptions>> = {
  async memory(t) {
    const store = new MemoryStore()
    t.teardown(() => store.close())
    return { store }
  },
  'a custom store': async (t) => {
    const store = new MemoryStore()
    t.teardown(() => store.close())
    return { store: new HeldStore(store).store }
  },
  Redis: async (t) => ({ redis: (await startRedis(t)).url }),
  'Redis with signals': async (t) => ({ redis: (await startRedis(t)).url, signals: true }),
  'Redis with replicas': async (t) => {
    const primary = await startRedis(t)
    await startRedis(t, '--replicaof', '127.0.0.1', String(primary.port), '--repl-diskless-sync-delay', '0')
    while (!(await primary.client.info('replication')).includes('state=online'))
      await new Promise(setImmediate)
    return { redis: primary.url, replicas: 1, timeout: 10_000, replicaTimeout: 5_000 }
  }
}

for (const [name, open] of Object.entries(stores)) {
  t.test(`reasons in ${name}`, async (t) => {
    const app = await deploy(t, await open(t))

    await t.test(
      'destroy({ reason }): the next request is told, once, and its cookie is cleared',
      async (t) => {
        const browser = new Browser(app)
        await browser.request('/login')
        const other = copyOf(browser, app)
        t.equal((await browser.request('/logout?reason=signed-out')).statusCode, 200)
        t.equal(browser.cookies.size, 0)
        t.same(await other.json('/why'), { why: 'signed-out', data: {} })
        t.equal(other.cookies.size, 0)
        t.same(await other.json('/why'), { why: null, data: {} }, 'it has no cookie any more')
      }
    )

    await t.test('sessions.end(id, { reason }): the same, and the session has ended for good', async (t) => {
      const browser = new Browser(app)
      const { body: id } = await browser.request('/login')
      const late = Array.from({ length: 6 }, () => copyOf(browser, app)) as [
        Browser,
        Browser,
        Browser,
        Browser,
        Browser,
        Browser
      ]
      t.equal(await app.sessions.end(id, { reason: 'ended-by-administrator' }), true)
      t.equal(await app.sessions.end(id, { reason: 'too-many' }), false)
      t.equal(await app.sessions.end(id), false)
      t.equal(await app.sessions.find(id), undefined)
      t.same(
        await browser.json('/why'),
        { why: 'ended-by-administrator', data: {} },
        'the first reason stays'
      )
      const [writes, leaves, signsIn, moves] = late
      await writes.request('/count')
      t.same(
        await writes.json('/why'),
        { why: null, data: { count: 1 } },
        'what it writes begins another session'
      )
      t.equal((await leaves.request('/logout')).statusCode, 200, 'who signs out again succeeds')
      t.equal((await leaves.request('/logout?reason=signed-out')).statusCode, 200)
      const { body: newId } = await signsIn.request('/login')
      t.not(newId, id)
      t.same(await signsIn.json('/why'), { why: null, data: { userId: 1 } })
      t.equal((await moves.request('/move')).statusCode, 200)
      t.same(await moves.json('/why'), { why: null, data: {} })
      t.equal(await app.sessions.end(id), false, 'nothing of that has brought it back')
    })

    await t.test('a text of the application, of any script', async (t) => {
      const browser = new Browser(app)
      const { body: id } = await browser.request('/login')
      const reason = '🎉ž'.repeat(50)
      await app.sessions.end(id, { reason })
      t.match(await browser.json('/why'), { why: reason })
    })
  })
}

t.test('a request that has read the session cannot write to it after its end', async (t) => {
  const inner = new MemoryStore()
  t.teardown(() => inner.close())
  for (const [route, operation] of [
    ['/count', 'update'],
    ['/move', 'update']
  ] as const) {
    const held = new HeldStore(inner)
    const app = await deploy(t, { store: held.store })
    const direct = await deploy(t, { store: inner })
    const browser = new Browser(app)
    const { body: id } = await browser.request('/login')
    const stopped = held.hold(operation)
    const other = copyOf(browser, app)
    const writing = other.request(route)
    const release = await stopped
    t.equal(await direct.sessions.end(id, { reason: 'ended-by-user' }), true)
    release()
    t.equal((await writing).statusCode, 200)
    t.same(await browser.json('/why'), { why: 'ended-by-user', data: {} })
    t.notOk(app.logLines.some(({ level }) => level >= 50))
    t.match(
      app.logLines.filter(({ session }) => session !== undefined).map(({ session }) => session),
      route === '/count'
        ? [
            { type: 'destroyed', handle: id },
            { type: 'unsaved', handle: id }
          ]
        : [{ type: 'destroyed', handle: id }]
    )
    t.equal(inner.size, 1, 'only the mark is left')
    await inner.close()
  }
})

t.test('save() and reload() of a session that has ended meanwhile tell why', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await deploy(t, { store })
  const methods = ['save', 'reload'] as const
  for (const method of methods) {
    app.get(`/${method}`, async ({ session }) => {
      await app.sessions.end(session.id, { reason: 'too-many' })
      session.count = 5
      await session[method]().catch(() => {})
      return { why: session.endedBecause, destroyed: session.destroyed }
    })
  }
  for (const method of methods) {
    const browser = new Browser(app)
    await browser.request('/login')
    t.same(await browser.json(`/${method}`), { why: 'too-many', destroyed: true })
  }
})

t.test('the mark lasts graceAfterRegenerate, and then nothing is left', async (t) => {
  const redis = await startRedis(t)
  const app = await deploy(t, { redis: redis.url, graceAfterRegenerate: 10 })
  const browser = new Browser(app)
  const { body: id } = await browser.request('/login')
  await app.sessions.end(id, { reason: 'ended-by-user' })
  const left = await redis.client.pttl(`session:${id}`)
  t.ok(left > 0 && left <= 10_000)
  t.notMatch((await redis.client.get(`session:${id}`)) ?? '', /userId/, 'no data in it')
  while ((await redis.client.exists(`session:${id}`)) === 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
  t.same(await browser.json('/why'), { why: null, data: {} })
})

t.test('without a reason the commands are those of before, and nothing stays', async (t) => {
  const redis = await startRedis(t)
  const app = await deploy(t, { redis: redis.url })
  const browser = new Browser(app)
  for (const round of ['the first loads the scripts', 'the second']) {
    await browser.request('/login')
    await redis.commands()
    await browser.request('/logout')
    const commands = await redis.commands()
    if (round !== 'the second') continue
    t.same(commands, { get: 1, evalsha: 1, getrange: 1, del: 1 })
  }
  const { body: id } = await browser.request('/login')
  await redis.commands()
  await app.sessions.end(id)
  t.same(await redis.commands(), { evalsha: 1, getrange: 1, del: 1 })
  t.same(await redis.client.keys('*'), [])
})

t.test('a reason that cannot be used is refused, and the response says so', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await deploy(t, { store })
  const wrong: unknown[] = ['', 'a'.repeat(101), 'a\nb', '\ud800', 5, null].map((reason) => ({ reason }))
  wrong.push('signed-out', null, 5, { because: 'x' }, { reason: 'x', more: 1 })
  let next: unknown
  app.get('/wrong', async ({ session }) => {
    session.destroy(next as object).catch(() => {})
    return {}
  })
  const browser = new Browser(app)
  const { body: id } = await browser.request('/login')
  for (next of wrong) {
    t.match((await browser.request('/wrong')).json(), { statusCode: 500, code: 'FST_SESSION_REASON' })
    await t.rejects(app.sessions.end(id, next as object), {
      code: 'FST_SESSION_REASON',
      message: /^sessions\.end\(\) cannot/
    })
  }
  t.same(await browser.json('/why'), { why: null, data: { userId: 1 } }, 'nothing has ended')
  next = { reason: undefined }
  t.equal((await browser.request('/wrong')).statusCode, 200)
  t.same(await browser.json('/why'), { why: null, data: {} })
})
