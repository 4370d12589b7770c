// Sessions of clients without cookies: all that a session can do, with the id in a header.
import { request as send } from 'node:http'
import t, { type Test } from 'tap'
import { type RedisSessionOptions, RedisStore } from '../../lib/index.js'
import { Browser, sessionCookie } from '../support/browser.js'
import { memory } from '../support/memory.js'
import { startRedis } from '../support/redis-server.js'
import { Client } from './client.js'
import { OLD_SECRET, SECRET, serve, TRANSPORTS } from './service.js'

const STORES: Record<string, (t: Test) => Promise<RedisSessionOptions>> = {
  memory: async (t) => ({ store: memory(t) }),
  Redis: async (t) => ({ redis: (await startRedis(t)).url, serializer: 'msgpack' }),
  'Redis with a near cache': async (t) => ({ redis: (await startRedis(t)).url, nearCache: true })
}

const SIGNED = /^2[\w-]{43}\.[\w-]{43}$/

for (const [how, { names, transport }] of Object.entries(TRANSPORTS)) {
  for (const [where, open] of Object.entries(STORES)) {
    t.test(`a session begins, is used and ends: ${how}, ${where}`, async (t) => {
      const app = await serve(t, { ...(await open(t)), transport })
      const client = new Client(app, names)
      t.same(await client.json('/who'), { userId: null })
      t.equal(client.id, undefined, 'nothing is stored by reading')

      const login = await client.request('/login')
      t.match(login.headers[names.response], SIGNED)
      t.equal(login.headers['set-cookie'], undefined)
      t.equal(login.headers['cache-control'], 'no-store')
      t.ok(String(login.headers.vary).toLowerCase().split(', ').includes(names.request))
      const read = await client.request('/who')
      t.same(read.json(), { userId: 42 })
      t.equal(read.headers[names.response], undefined, 'the client has it already')
      t.equal(read.headers['cache-control'], undefined)
      t.ok(String(read.headers.vary).toLowerCase().split(', ').includes(names.request))
      t.same(await client.json('/count'), { count: 1 })
      t.same(await client.json('/count'), { count: 2 })

      const first = client.id
      await client.request('/regenerate')
      t.match(client.id, SIGNED)
      t.not(client.id, first)
      t.same(await client.json('/count'), { count: 3 })
      const old = new Client(app, names)
      old.id = String(first)
      t.match(await old.json('/state'), { detached: 'moved' }, 'the old id leads nowhere')

      const logout = await client.request('/logout')
      t.equal(logout.headers[names.response], '', 'empty: the session has ended')
      t.equal(logout.headers['cache-control'], 'no-store')
      t.equal(client.id, undefined)
      t.same(await client.json('/who'), { userId: null })
    })
  }

  t.test(`an id of an ended session: told so, once the client asks (${how})`, async (t) => {
    const app = await serve(t, { store: memory(t), transport })
    const client = new Client(app, names)
    await client.request('/login')
    const copy = new Client(app, names)
    copy.id = String(client.id)
    await client.request('/logout')
    const state = await copy.request('/state')
    t.match(state.json(), { endedBecause: 'signed-out' })
    t.equal(state.headers[names.response], '')
    t.equal(copy.id, undefined)
  })

  t.test(`an emptied session is deleted, and says so (${how})`, async (t) => {
    const store = memory(t)
    const app = await serve(t, { store, transport })
    const client = new Client(app, names)
    await client.request('/login')
    t.equal((await client.request('/empty')).headers[names.response], '')
    t.equal(store.size, 0)
  })

  t.test(`an id that was never issued is not adopted (${how})`, async (t) => {
    const app = await serve(t, { store: memory(t), transport, secret: SECRET })
    const [known, other] = [new Client(app, names), new Client(app, names)]
    await known.request('/login')
    const id = String(known.id)
    await known.request('/logout')
    other.id = id
    await other.request('/count')
    t.match(other.id, SIGNED)
    t.not(other.id, id)
  })

  t.test(`what cannot be an id costs no command, and changes nothing (${how})`, async (t) => {
    const redis = await startRedis(t)
    const app = await serve(t, { redis: redis.url, transport })
    const client = new Client(app, names)
    await client.request('/login')
    const good = String(client.id)
    const [id = '', signature = ''] = good.split('.')
    await redis.commands()
    const bad = {
      tampered: `2${id[1] === 'A' ? 'B' : 'A'}${id.slice(2)}.${signature}`,
      unsigned: id,
      foreign: 's%3Aabc.def',
      'another token': 'eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl',
      oversized: 'A'.repeat(8_000),
      'several values': `${id}, , x`,
      quoted: `"${good}"`
    }
    for (const [name, value] of Object.entries(bad)) {
      const stranger = new Client(app, names)
      stranger.id = value
      const response = await stranger.request('/who')
      t.same(response.json(), { userId: null }, name)
      t.equal(response.headers[names.response], undefined, name)
    }
    t.same(await redis.commands(), {})
    t.same(await client.json('/who'), { userId: 42 })
    t.same(await redis.commands(), { get: 1 }, 'one command, as with a cookie')
  })

  t.test(`several ids: the living one counts, and none if there are two (${how})`, async (t) => {
    const app = await serve(t, { store: memory(t), transport })
    const [one, two, dead] = [new Client(app, names), new Client(app, names), new Client(app, names)]
    for (const client of [one, two, dead]) await client.request('/login')
    const [first, second, third] = [one, two, dead].map(({ id }) => String(id))
    await dead.request('/logout')
    const bearer = names.request === 'authorization' ? 'Bearer ' : ''
    const visit = async (...ids: (string | undefined)[]) => {
      const values = ids.map((id) => bearer + id)
      const answers: unknown[] = []
      // As separate headers, and joined by a proxy.
      for (const value of [values, values.join(', ')]) {
        answers.push((await app.inject({ url: '/who', headers: { [names.request]: value } })).json().userId)
      }
      t.equal(answers[0], answers[1])
      return answers[0]
    }
    t.equal(await visit(first, first), 42)
    t.equal(await visit(third, first), 42)
    t.equal(await visit(first, third), 42)
    t.equal(await visit(first, 'x'), 42)
    t.equal(await visit(first, second), null)
    t.ok(app.logLines.some(({ msg }) => msg.startsWith('a browser sent the cookies of 2 sessions')))
    const logout = await app.inject({
      url: '/logout',
      headers: { [names.request]: [bearer + first, bearer + second] }
    })
    t.equal(logout.statusCode, 200)
    for (const client of [one, two]) t.same(await client.json('/who'), { userId: null }, 'a logout ends both')
  })

  t.test(`the rotation of secrets: signed again once, with the same id (${how})`, async (t) => {
    const store = memory(t)
    const client = new Client(await serve(t, { store, transport, secret: OLD_SECRET }), names)
    await client.request('/login')
    const before = client.id
    client.visit(await serve(t, { store, transport, secret: [SECRET, OLD_SECRET] }))
    t.same(await client.json('/who'), { userId: 42 })
    t.not(client.id, before)
    t.equal(client.id?.slice(0, 44), before?.slice(0, 44))
    t.equal((await client.request('/who')).headers[names.response], undefined, 'once')
    await client.request('/regenerate')
    t.ok(client.held.has(`${names.response}-next`), 'a late response may still bring the old id')
    client.visit(await serve(t, { store, transport, secret: [SECRET] }))
    t.same(await client.json('/who'), { userId: 42 })
  })

  t.test(`a companion leads from the old id to the new one (${how})`, async (t) => {
    const store = memory(t)
    const client = new Client(await serve(t, { store, transport, secret: [SECRET, OLD_SECRET] }), names)
    await client.request('/login')
    const old = String(client.id)
    await client.request('/regenerate')
    const current = client.id
    client.id = old
    t.same(await client.json('/who'), { userId: 42 })
    t.equal(client.id, current, 'and the response restores it')
    await client.request('/logout')
    t.equal(client.held.size, 0, 'a logout clears both')
  })

  t.test(`a permanent session: renewals change nothing for the client (${how})`, async (t) => {
    const app = await serve(t, { store: memory(t), transport, touchAfter: 0 })
    const client = new Client(app, names)
    await client.request('/login')
    const start = Date.now()
    let offset = 0
    t.intercept(Date, 'now', { value: () => start + offset, configurable: true })
    t.equal((await client.request('/permanent')).headers[names.response], undefined)
    for (let day = 1; day <= 60; day += 20) {
      offset = day * 86_400_000
      const response = await client.request('/who')
      t.same(response.json(), { userId: 42 }, 'it is extended by use')
      t.equal(response.headers[names.response], undefined)
      t.equal(response.headers['cache-control'], undefined)
    }
    offset += 32 * 86_400_000
    t.equal((await client.request('/who')).headers[names.response], '')
  })

  t.test(`detectRollback: a lost commit is noticed (${how})`, async (t) => {
    const redis = await startRedis(t)
    const app = await serve(t, { redis: redis.url, transport, detectRollback: true, prefix: 's:' })
    const client = new Client(app, names)
    await client.request('/login')
    const [key = ''] = await redis.client.keys('s:*')
    const record = await redis.client.getBuffer(key)
    await client.request('/count')
    t.equal(client.held.size, 2)
    t.match(await client.json('/state'), { rolledBack: false })
    await redis.client.set(key, record as Buffer)
    t.match(await client.json('/state'), { rolledBack: true })
    t.ok(app.logLines.some(({ msg }) => msg.includes('has lost commits')))
  })

  t.test(
    `requests in flight during a new id: whichever answer comes last, the client stays (${how})`,
    async (t) => {
      const app = await serve(t, { store: memory(t), transport, secret: [SECRET, OLD_SECRET] })
      let release = () => {}
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      app.get('/slow', async ({ session }) => {
        session.options({ sameSite: 'strict' })
        await released
        return {}
      })
      const client = new Client(app, names)
      await client.request('/login')
      const slow = client.request('/slow')
      await new Promise((resolve) => setImmediate(resolve))
      await client.request('/regenerate')
      const current = client.id
      release()
      await slow
      t.equal(client.id, current)
      t.same(await client.json('/who'), { userId: 42 })
    }
  )

  t.test(`a request that fails stores nothing and gives no id (${how})`, async (t) => {
    const store = memory(t)
    const app = await serve(t, { store, transport })
    const response = await new Client(app, names).request('/fails')
    t.equal(response.statusCode, 500)
    t.equal(response.headers[names.response], undefined)
    t.equal(store.size, 0)
  })

  t.test(`neither the log nor an error shows an id (${how})`, async (t) => {
    const app = await serve(t, { store: memory(t), transport, maxRecordBytes: 200 })
    app.get('/large', async ({ session }) => session.set('name', 'x'.repeat(300)))
    const client = new Client(app, names)
    await client.request('/login')
    const values = [String(client.id)]
    await client.request('/large')
    await client.request('/regenerate')
    values.push(String(client.id))
    await client.request('/logout')
    const text = JSON.stringify(app.logLines)
    t.match(text, /FST_SESSION_TOO_LARGE/)
    for (const value of values) t.notOk(text.includes(value.slice(0, 44)))
  })
}

t.test(
  'only headers count: neither a cookie, a query nor a body holds an id, and no cookie is set',
  async (t) => {
    const redis = await startRedis(t)
    const app = await serve(t, { redis: redis.url, transport: { header: 'x-session' } })
    app.post('/body', async ({ session }) => ({ userId: session.get('userId') ?? null }))
    const client = new Client(app, { request: 'x-session', response: 'x-session' })
    await client.request('/login')
    const id = String(client.id)
    await redis.commands()
    const cookie = `__Host-session=${id}; session=${id}; x-session=${id}`
    for (const options of [
      { url: '/who', headers: { cookie } },
      { url: `/who?x-session=${id}&session=${id}&access_token=${id}` },
      { method: 'POST', url: '/body', payload: { 'x-session': id, access_token: id } }
    ] as const) {
      const response = await app.inject(options)
      t.same(response.json(), { userId: null })
      t.equal(response.headers['set-cookie'], undefined)
    }
    t.same(await redis.commands(), {})
    const login = await app.inject('/login')
    t.match(login.headers['x-session'], SIGNED, 'a client that sends nothing gets a header, too')
    t.equal(login.headers['set-cookie'], undefined)
  }
)

t.test('a client of both: browsers get cookies, and a header asks for a header', async (t) => {
  const app = await serve(t, { store: memory(t), transport: [{ header: 'x-session' }, 'cookie'] })
  const names = { request: 'x-session', response: 'x-session' }
  const browser = new Browser(app)
  const login = await browser.request('/login')
  t.match(sessionCookie(login), { name: '__Host-session', httpOnly: true, secure: true })
  t.equal(login.headers['x-session'], undefined)
  t.equal(login.headers.vary, 'Cookie, x-session', 'it shows another session to a client with the header')
  t.same(await browser.json('/who'), { userId: 42 })

  const client = new Client(app, names)
  const asked = await client.request('/login')
  t.match(asked.headers['x-session'], SIGNED)
  t.equal(asked.headers['set-cookie'], undefined)

  t.test('if both come, the header counts alone', async (t) => {
    const cookie = `__Host-session=${browser.cookies.get('__Host-session')}`
    const state = async (headers: Record<string, string>) =>
      (await app.inject({ url: '/state', headers })).json().id as string
    const [ofCookie, ofHeader] = [await state({ cookie }), await state(client.headers)]
    t.not(ofCookie, ofHeader)
    t.equal(await state({ cookie, ...client.headers }), ofHeader)
    for (const value of ['', 'nonsense']) {
      const response = await app.inject({ url: '/who', headers: { cookie, 'x-session': value } })
      t.same(response.json(), { userId: null }, 'also if it is empty or worthless')
    }
    const logout = await app.inject({ url: '/logout', headers: { cookie, ...client.headers } })
    t.equal(logout.headers['x-session'], '')
    t.equal(logout.headers['set-cookie'], undefined)
    t.same(await browser.json('/who'), { userId: 42 }, 'a logout by the header leaves the cookie alone')
  })
})

t.test(
  'Authorization: other schemes are left to others, and Bearer may be written in any case',
  async (t) => {
    const app = await serve(t, { store: memory(t), transport: ['cookie', { header: 'Authorization' }] })
    const login = await app.inject({ url: '/login', headers: { authorization: 'Bearer' } })
    const id = String(login.headers['x-session'])
    const who = async (authorization: string) =>
      (await app.inject({ url: '/who', headers: { authorization } })).json().userId as unknown
    for (const scheme of ['Bearer', 'bearer', 'BEARER', 'Bearer  ']) t.equal(await who(`${scheme} ${id}`), 42)
    for (const value of [id, `Basic ${id}`, `Bearer${id}`, `Token Bearer ${id}`])
      t.equal(await who(value), null)
    const basic = await app.inject({ url: '/login', headers: { authorization: 'Basic dTpw' } })
    t.equal(basic.headers['x-session'], undefined)
    t.ok(sessionCookie(basic), 'such a client gets a cookie')
  }
)

t.test('over a real connection: two Authorization headers are two ids', async (t) => {
  const app = await serve(t, { store: memory(t), transport: { header: 'authorization' } })
  const address = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const ids = [
    (await app.inject('/login')).headers['x-session'],
    (await app.inject('/login')).headers['x-session']
  ]
  const who = (headers: Record<string, string[]>) =>
    new Promise<unknown>((resolve, reject) => {
      const request = send(
        { host: address.hostname, port: address.port, path: '/who', headers },
        (response) => {
          let body = ''
          response.on('data', (chunk) => {
            body += chunk
          })
          response.on('end', () => resolve(JSON.parse(body).userId))
        }
      )
      request.on('error', reject).end()
    })
  t.equal(await who({ authorization: [`Bearer ${ids[0]}`] }), 42)
  t.equal(await who({ Authorization: ids.map((id) => `Bearer ${id}`) }), null, 'none of them is preferred')
  t.equal(await who({ authorization: [`Bearer ${ids[0]}`, 'Bearer x'] }), 42)
  t.equal(await who({ authorization: ['Basic x', `Bearer ${ids[1]}`] }), 42)
})

t.test('cookie.path and cookie.domain concern cookies alone', async (t) => {
  let calls = 0
  const domain = () => {
    calls++
    return 'not a domain'
  }
  const app = await serve(t, {
    store: memory(t),
    transport: ['cookie', { header: 'x-session' }],
    cookie: { path: '/elsewhere', domain }
  })
  const client = new Client(app, { request: 'x-session', response: 'x-session' })
  await client.request('/login')
  t.same(await client.json('/who'), { userId: 42 })
  t.equal((await client.request('/logout')).headers['x-session'], '')
  t.equal(calls, 0)
  t.match((await app.inject('/login')).json(), { code: 'FST_SESSION_DETACHED' }, 'a browser has none here')
})

t.test('caches: a response with an id is not stored, whatever the route says', async (t) => {
  const app = await serve(t, { store: memory(t), transport: { header: 'x-session' } })
  app.get('/public', async ({ session }, reply) => {
    session.userId = 42
    reply.header('cache-control', 'public, max-age=60').header('vary', 'Accept')
    return {}
  })
  app.get('/page', async (_request, reply) => reply.header('cache-control', 'public, max-age=60').send({}))
  const { headers } = await app.inject('/public')
  t.match(headers['x-session'], SIGNED)
  t.equal(headers['cache-control'], 'no-store')
  t.equal(headers.vary, 'Accept, x-session')
  const dead = String(headers['x-session'])
  await app.inject({ url: '/logout', headers: { 'x-session': dead } })
  const page = await app.inject({ url: '/page', headers: { 'x-session': dead } })
  t.equal(page.headers['x-session'], undefined, 'the end of a session can wait for the next response')
  t.equal(page.headers['cache-control'], 'public, max-age=60')
})

t.test('responses of later hooks and of writeHead() have the header, too', async (t) => {
  const app = await serve(t, { store: memory(t), transport: { header: 'x-session' } })
  app.get('/raw', async ({ session }, reply) => {
    session.userId = 42
    await session.save()
    reply.hijack()
    reply.raw.writeHead(200, { 'X-Session': 'overwritten' })
    reply.raw.end()
  })
  t.match((await app.inject('/raw')).headers['x-session'], SIGNED)
})

t.test('an unanswered regenerate(): the companion leads to the new id, if there is one', async (t) => {
  const redis = await startRedis(t)
  const names = { request: 'x-session', response: 'x-session' }
  const store = new RedisStore(redis.connect())
  let isLossy = false
  const update = store.update.bind(store)
  store.update = async (...args) => {
    const outcome = await update(...args)
    if (isLossy) throw Object.assign(new Error('the answer was lost'), { statusCode: 503 })
    return outcome
  }
  const app = await serve(t, { store, transport: { header: 'x-session' } })
  const client = new Client(app, names)
  await client.request('/login')
  const old = client.id
  isLossy = true
  t.equal((await client.request('/regenerate')).statusCode, 503)
  isLossy = false
  t.equal(client.id, old)
  t.ok(client.held.has('x-session-next'))
  t.same(await client.json('/who'), { userId: 42 })
  t.not(client.id, old)
})

t.test('many clients at once: no answer reaches another client', async (t) => {
  const redis = await startRedis(t)
  const app = await serve(t, { redis: redis.url, transport: { header: 'x-session' } })
  const clients = Array.from(
    { length: 20 },
    () => new Client(app, { request: 'x-session', response: 'x-session' })
  )
  await Promise.all(clients.map((client) => client.request('/login')))
  await Promise.all(
    clients.map(async (client, index) => {
      for (let count = 0; count <= index; count++) await client.request('/count')
    })
  )
  const counts = await Promise.all(clients.map((client) => client.json<{ count: number }>('/count')))
  t.same(
    counts.map(({ count }) => count),
    clients.map((_, index) => index + 2)
  )
  t.equal(new Set(clients.map(({ id }) => id)).size, clients.length)
})
