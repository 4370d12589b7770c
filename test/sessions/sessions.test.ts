// `app.sessions`: sessions outside a request, in every store.
import { Cluster } from 'ioredis'
import t, { type Test } from 'tap'
import { MemoryStore, type RedisSessionOptions, type SessionInfo } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { startCluster } from '../support/cluster.js'
import { HeldStore } from '../support/held-store.js'
import { startRedis } from '../support/redis-server.js'

/** An application to sign in to. */
async function deploy(t: Test, options: RedisSessionOptions): Promise<TestApp> {
  const app = await createApp(t, options)
  app.get<{ Params: { name: string } }>('/login/:name', async ({ session, params }) => {
    await session.regenerate(false)
    session.name = params.name
    return session.id
  })
  app.get('/move', async ({ session }) => {
    await session.regenerate()
    return session.id
  })
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return session.data()
  })
  app.get('/data', async ({ session }) => session.data())
  app.get('/logout', async ({ session }) => session.destroy())
  return app
}

async function list(app: TestApp): Promise<SessionInfo[]> {
  const infos: SessionInfo[] = []
  for await (const info of app.sessions.all()) infos.push(info)
  return infos.sort((a, b) => String(a.data.name).localeCompare(String(b.data.name)))
}

const stores: Record<string, (t: Test) => Promise<RedisSessionOptions>> = {
  async memory(t) {
    const store = new MemoryStore()
    t.teardown(() => store.close())
    return { store }
  },
  // No method `end()`.
  'a custom store': async (t) => {
    const store = new MemoryStore()
    t.teardown(() => store.close())
    return { store: { ...new HeldStore(store).store, keys: (prefix) => store.keys(prefix) } }
  },
  Redis: async (t) => ({ redis: (await startRedis(t)).url }),
  'Redis with a near cache': async (t) => ({ redis: (await startRedis(t)).url, nearCache: true }),
  async cluster(t) {
    const { nodes } = await startCluster(t)
    const cluster = new Cluster(nodes)
    t.teardown(() => cluster.disconnect())
    return { redis: cluster }
  }
}

for (const [name, open] of Object.entries(stores)) {
  t.test(`sessions in ${name}`, async (t) => {
    const app = await deploy(t, { touchAfter: 10, idleTimeout: 1_000, ...(await open(t)) })
    const browser = new Browser(app)

    await t.test('find(): what it changes is there in the next request', async (t) => {
      const { body: id } = await browser.request('/login/Ada')
      const found = await app.sessions.find(id)
      t.match(found, { id, name: 'Ada', isNew: false, detached: undefined })
      if (found === undefined) return
      found.count = 7
      t.same(await browser.json('/data'), { name: 'Ada' }, 'nothing is stored without save()')
      await found.save()
      t.same(await browser.json('/data'), { name: 'Ada', count: 7 })
    })

    await t.test('find(): a change is merged with those of requests', async (t) => {
      const { body: id } = await browser.request('/login/Ada')
      const found = await app.sessions.find(id)
      await browser.request('/count')
      found?.set('userId', 5)
      await found?.save()
      t.same(await browser.json('/data'), { name: 'Ada', count: 1, userId: 5 })
    })

    await t.test('find(): does not bring back a session that has ended meanwhile', async (t) => {
      const { body: id } = await browser.request('/login/Ada')
      const found = await app.sessions.find(id)
      await browser.request('/logout')
      found?.set('userId', 5)
      await t.rejects(async () => found?.save(), { code: 'FST_SESSION_DETACHED' })
      t.equal(found?.destroyed, true)
      t.equal(await app.sessions.find(id), undefined)
    })

    await t.test('find(): destroy() ends it, and an id cannot be had', async (t) => {
      const { body: id } = await browser.request('/login/Ada')
      const found = await app.sessions.find(id)
      await found?.regenerate()
      await t.rejects(async () => found?.save(), { code: 'FST_SESSION_HEADERS_SENT' })
      t.same(await browser.json('/data'), { name: 'Ada' })
      await (await app.sessions.find(id))?.destroy()
      t.same(await browser.json('/data'), {})
    })

    await t.test('find(): not under an old handle, which may have been of somebody else', async (t) => {
      const { body: old } = await browser.request('/login/Ada')
      const { body: id } = await browser.request('/login/Eve')
      t.equal(await app.sessions.find(old), undefined)
      t.match(await app.sessions.find(id), { name: 'Eve' })
    })

    await t.test('find() and save() do not count as use', async (t) => {
      const { body: id } = await browser.request('/login/Ada')
      const { now } = Date
      const [before] = (await list(app)).filter((info) => info.id === id)
      t.teardown(() => {
        Date.now = now
      })
      Date.now = () => now() + 100_000
      const found = await app.sessions.find(id)
      found?.set('count', 1)
      await found?.save()
      const [after] = (await list(app)).filter((info) => info.id === id)
      t.equal(after?.lastUsedAt, before?.lastUsedAt)
      t.equal(after?.data.count, 1)
    })

    await t.test('end(): the session is gone, and only the first call found it alive', async (t) => {
      const { body: id } = await browser.request('/login/Ada')
      t.equal(await app.sessions.end(id), true)
      t.same(await browser.json('/data'), {})
      t.equal(browser.cookies.size, 0, 'the browser has no cookie any more')
      t.equal(await app.sessions.end(id), false)
      t.equal((await browser.request('/logout')).statusCode, 200)
    })

    await t.test('end(): follows a session to its new id', async (t) => {
      const { body: id } = await browser.request('/login/Ada')
      await browser.request('/move')
      const { body: last } = await browser.request('/move')
      t.equal(await app.sessions.end(id), true)
      t.same(await browser.json('/data'), {})
      t.equal(await app.sessions.end(last), false)
      t.equal(await app.sessions.end(id), false)
    })

    await t.test('all(): each living session once, with what is in it', async (t) => {
      for (const { id } of await list(app)) await app.sessions.end(id)
      t.same(await list(app), [])
      const from = Date.now()
      const people = Array.from({ length: 300 }, (_, index) => `person ${1_000 + index}`)
      const ids = await Promise.all(
        people.map(async (name) => (await new Browser(app).request(`/login/${name}`)).body)
      )
      const [moved, ended] = [new Browser(app), new Browser(app)]
      await moved.request('/login/moved')
      const { body: movedTo } = await moved.request('/move')
      await ended.request('/login/ended')
      await ended.request('/logout')
      const to = Date.now()
      const infos = await list(app)
      t.same(
        infos.map(({ data }) => data.name),
        ['moved', ...people]
      )
      t.same(new Set(infos.map(({ id }) => id)), new Set([movedTo, ...ids]))
      for (const { createdAt, lastUsedAt, expiresAt, permanent } of infos) {
        if (createdAt < from || createdAt > to || lastUsedAt < createdAt) t.fail('instants are wrong')
        if (expiresAt !== lastUsedAt + 1_000_000 || permanent) t.fail('its end is wrong')
      }
    })

    await t.test('a cookie, an id or something else is no handle', async (t) => {
      const { body: handle } = await browser.request('/login/Ada')
      const [cookie = ''] = browser.cookies.values()
      for (const wrong of [cookie, '', '*', `${handle}=`, undefined, null, 5, [handle]] as string[]) {
        for (const method of ['find', 'end'] as const) {
          await t.rejects(async () => app.sessions[method](wrong), {
            code: 'FST_SESSION_HANDLE',
            statusCode: 400,
            message: `sessions.${method}() needs the handle of a session: pass its session.id`
          })
        }
      }
      t.same(await browser.json('/data'), { name: 'Ada' })
    })
  })
}

t.test('all(): skips what is no session, also with a key prefix of the client', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect({ keyPrefix: 'a[1]*:' })
  const app = await deploy(t, { redis: client, prefix: 's?:' })
  await new Browser(app).request('/login/Ada')
  const [{ id = '' } = {}] = await list(app)
  // Handles of the same length that are not its own.
  const [A, B, C] = [...'ABCD'].filter((first) => first !== id[0]).map((first) => first + id.slice(1))
  await redis.client.set(`a[1]*:s?:${A}`, 'a foreign value')
  await redis.client.hset(`a[1]*:s?:${B}`, 'a', 'hash')
  await redis.client.zadd('a[1]*:s?:user:somebody', 1, id)
  await redis.client.set('a[1]*:s?:start-up', 'x')
  await redis.client.copy(`a[1]*:s?:${id}`, `a1:sx:${C}`)
  t.match(await list(app), [{ id, data: { name: 'Ada' } }])
})

t.test('all(): never KEYS, and a page at a time', async (t) => {
  const redis = await startRedis(t)
  const app = await deploy(t, { redis: redis.url })
  const records = await app.sessions.all().next()
  t.equal(records.done, true)
  const { body: id } = await new Browser(app).request('/login/Ada')
  const record = (await redis.client.getBuffer(`session:${id}`)) ?? ''
  for (let index = 0; index < 2_000; index++) {
    await redis.client.set(`session:${id.slice(0, 38)}${1_000 + index}A`, record)
  }
  await redis.commands()
  const pages = app.sessions.all()
  await pages.next()
  const { scan = 0, keys, mget = 0 } = await redis.commands()
  t.ok(scan >= 1 && scan < 4, 'the first session needs few pages')
  t.equal(keys, undefined)
  t.ok(mget <= 12, 'reads share commands')
  await pages.return()
  t.same(await redis.commands(), {}, 'who stops looking causes no more commands')
  t.equal((await list(app)).length, 2_001)
})

t.test('all(): a record that cannot be decoded is listed without data, and reported', async (t) => {
  const redis = await startRedis(t)
  const app = await deploy(t, { redis: redis.url })
  const { body: id } = await new Browser(app).request('/login/Ada')
  await redis.client.setrange(`session:${id}`, 32, '!')
  t.match(await list(app), [{ id, data: {} }])
  t.match(
    app.logLines.filter(({ level }) => level >= 50),
    [{ session: { type: 'undecodable', handle: id } }]
  )
  t.equal((await app.sessions.find(id))?.detached, 'undecodable')
  await redis.client.setrange(`session:${id}`, 1, '\x09')
  t.equal((await app.sessions.find(id))?.detached, 'undecodable', 'a layout of a later version')
  t.same(await list(app), [])
})

t.test('all(): a store without keys() is named', async (t) => {
  const inner = new MemoryStore()
  t.teardown(() => inner.close())
  const app = await deploy(t, { store: new HeldStore(inner).store })
  await t.rejects(app.sessions.all().next(), {
    code: 'FST_SESSION_OPTION',
    message: 'option store: needs a method keys() for sessions.all()'
  })
})

t.test('a session that its absolute timeout has ended is not alive', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await deploy(t, { store })
  const { body: id } = await new Browser(app).request('/login/Ada')
  const strict = await deploy(t, { store, absoluteTimeout: 1 })
  const { now } = Date
  t.teardown(() => {
    Date.now = now
  })
  Date.now = () => now() + 2_000
  t.equal(await strict.sessions.find(id), undefined)
  t.same(await list(strict), [])
})

t.test('Redis that does not answer: an error within the timeout', async (t) => {
  const redis = await startRedis(t)
  const app = await deploy(t, { redis: redis.url, timeout: 2_000 })
  const { body: id } = await new Browser(app).request('/login/Ada')
  await redis.client.call('CLIENT', 'PAUSE', '100000', 'ALL')
  const unavailable = { code: 'FST_SESSION_UNAVAILABLE', statusCode: 503 }
  await t.rejects(app.sessions.find(id), unavailable)
  await t.rejects(app.sessions.end(id), { code: 'FST_SESSION_UNCERTAIN' })
  await t.rejects(app.sessions.all().next(), unavailable)
})

t.test('Redis that refuses SCAN: an error that says so', async (t) => {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', '-scan')
  const app = await deploy(t, { redis: `redis://app:secret@127.0.0.1:${redis.port}` })
  await t.rejects(app.sessions.all().next(), { code: 'FST_SESSION_STORE_DENIED', message: /SCAN/ })
})

t.test('end(): gives up with an error if requests keep changing or moving the session', async (t) => {
  const inner = new MemoryStore()
  t.teardown(() => inner.close())
  const store = new HeldStore(inner).store
  const app = await deploy(t, { store })
  const browser = new Browser(app)
  const { body: id } = await browser.request('/login/Ada')
  await browser.request('/move')
  const tombstone = (await inner.read(`session:${id}`)) as Buffer
  // No real browser is that fast.
  const moving = await deploy(t, { store: { ...store, end: async () => tombstone } })
  await t.rejects(moving.sessions.end(id), { code: 'FST_SESSION_CONFLICT', message: /keeps moving/ })
  const living = Buffer.from(tombstone)
  living[3] = 0
  const changing = await deploy(t, { store: { ...store, destroy: async () => living } })
  await t.rejects(changing.sessions.end(id), { code: 'FST_SESSION_CONFLICT', message: /keep changing/ })
})

t.test('end(): a tombstone of version 0.1.0, or of a later version, names no successor', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await deploy(t, { store })
  const browser = new Browser(app)
  const { body: id } = await browser.request('/login/Ada')
  await browser.request('/move')
  const tombstone = (await store.read(`session:${id}`)) as Buffer
  const replace = async (record: Buffer) => {
    await store.update(`session:${id}`, tombstone.subarray(14, 32), record, Date.now() + 10_000)
    t.equal(await app.sessions.end(id), false)
  }
  const old = Buffer.from(tombstone.subarray(0, 32))
  old[1] = 1
  old[3] = 2
  await replace(old)
  await replace(tombstone.subarray(0, 32))
})

t.test('end() and a request that is moving the session: it ends under both ids', async (t) => {
  const inner = new MemoryStore()
  t.teardown(() => inner.close())
  const held = new HeldStore(inner)
  const app = await deploy(t, { store: held.store })
  const browser = new Browser(app)
  const { body: id } = await browser.request('/login/Ada')
  const stopped = held.hold('update')
  const moving = browser.request('/move')
  const release = await stopped
  t.equal(await app.sessions.end(id), true)
  release()
  await moving
  t.same(await browser.json('/data'), {})
  t.equal(inner.size, 0)
})

t.test('another decorator has a property of its own', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await deploy(t, { store })
  const { default: redisSession } = await import('../../lib/index.js')
  const staffStore = new MemoryStore()
  t.teardown(() => staffStore.close())
  await app.register(redisSession, { store: staffStore, decorator: 'staff' })
  const { staffs } = app as unknown as { staffs: TestApp['sessions'] }
  const { body: id } = await new Browser(app).request('/login/Ada')
  t.match(await app.sessions.find(id), { name: 'Ada' })
  t.equal(await staffs.find(id), undefined)
})

t.test('misuse outside a request is logged', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await deploy(t, { store, rolling: false })
  const { body: id } = await new Browser(app).request('/login/Ada')
  const found = (await app.sessions.find(id)) as unknown as { save(callback: () => void): Promise<void> }
  found.save(() => {})
  t.match(
    app.logLines.filter(({ level }) => level >= 50),
    [{ err: { code: 'FST_SESSION_CALLBACK' } }]
  )
  const named = await app.sessions.find(id)
  Object.assign(named ?? {}, { permanent: true })
  named?.touch()
  t.equal(
    app.logLines.filter(({ msg }) => msg.startsWith('touch() extends')).length,
    1,
    'advice as in a request'
  )
})
