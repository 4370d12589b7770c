// The option `transport`, and what it means for registrations, adoption and the tests of an application.
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { expressSession } from '../../lib/adopt/index.js'
import redisSession, { type RedisSessionOptions } from '../../lib/index.js'
import { sessionOf, signedIn } from '../../lib/testing/index.js'
import { createNewApp, OLD_SECRET, oldCookie, oldRecord } from '../adopt/old-application.js'
import { sessionCookie } from '../support/browser.js'
import { memory } from '../support/memory.js'
import { startRedis } from '../support/redis-server.js'
import { SECRET, serve, TRANSPORTS } from './service.js'

async function register(t: Test, ...registrations: RedisSessionOptions[]) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cookie)
  for (const options of registrations) await app.register(redisSession, { store: memory(t), ...options })
  return app
}

t.test('what cannot be used stops the start, and is named', async (t) => {
  const refused: [unknown, string, RegExp][] = [
    ['header', 'transport', /must be 'cookie', \{ header: 'x-session' \} or a list of both/],
    [null, 'transport', /must be 'cookie'/],
    [[], 'transport', /must be 'cookie', one header, or a list of both/],
    [['cookie', 'cookie'], 'transport', /a list of both/],
    [[{ header: 'x-a' }, { header: 'x-b' }], 'transport', /one header/],
    [[undefined], 'transport', /must be 'cookie'/],
    [{ header: 'x-a', name: 'x' }, 'transport.name', /is not one of header, responseHeader/],
    [{}, 'transport.header', /must be the name of a header, such as 'x-session'/],
    [{ header: '' }, 'transport.header', /must be the name/],
    [{ header: 'x session' }, 'transport.header', /must be the name/],
    [{ header: 'x-a\r\nx-b: c' }, 'transport.header', /must be the name/],
    [{ header: 'Cookie' }, 'transport.header', /cookie has another meaning: use one such as x-session/],
    [{ header: 'host' }, 'transport.header', /another meaning/],
    [{ header: 'x-a', responseHeader: 'Set-Cookie' }, 'transport.responseHeader', /another meaning/],
    [{ header: 'x-a', responseHeader: 7 }, 'transport.responseHeader', /must be the name/],
    [{ header: 'x-a', responseHeader: 'authorization' }, 'transport.responseHeader', /is for requests/]
  ]
  for (const [transport, option, message] of refused) {
    await t.rejects(
      register(t, { transport: transport as 'cookie' }),
      { code: 'FST_SESSION_OPTION', message: new RegExp(`^option ${option}: .*${message.source}`) },
      JSON.stringify(transport)
    )
  }
})

t.test("'cookie', alone or in a list, is the default", async (t) => {
  for (const transport of ['cookie', ['cookie']] as const) {
    const app = await serve(t, { store: memory(t), transport })
    const login = await app.inject({ url: '/login', headers: { 'x-session': '' } })
    t.ok(sessionCookie(login))
    t.equal(login.headers.vary, 'Cookie')
    t.equal(login.headers['x-session'], undefined)
  }
})

t.test('two registrations share no header', async (t) => {
  const staff = { decorator: 'staff' }
  const taken = (name: string) => ({
    code: 'FST_SESSION_OPTION',
    message: `option transport: ${name} belongs to another registration: choose another header`
  })
  await t.rejects(
    register(t, { transport: { header: 'authorization' } }, { ...staff, transport: { header: 'X-Session' } }),
    taken('x-session')
  )
  await t.rejects(
    register(t, { transport: { header: 'x-a' } }, { ...staff, transport: { header: 'x-a-next' } }),
    taken('x-a-next')
  )
  await register(t, { transport: { header: 'x-a' } }, { ...staff, transport: { header: 'x-b' } })
})

for (const [how, { names, transport }] of Object.entries(TRANSPORTS)) {
  t.test(`signedIn() and sessionOf(): ${how}`, async (t) => {
    const app = await serve(t, { store: memory(t), transport, detectRollback: true })
    const headers = await signedIn(app, { count: 7 }, { transport: 'header' })
    t.ok(headers[names.request])
    t.ok(headers[`${names.response}-seen`])
    t.strictSame(await sessionOf(app, headers), { count: 7 })
    const counted = await app.inject({ url: '/count', headers })
    t.same(counted.json(), { count: 8 })
    t.strictSame(await sessionOf(app, counted), { count: 8 })
    const moved = await app.inject({ url: '/login', headers })
    t.strictSame(await sessionOf(app, moved), { userId: 42 })
    const logout = await app.inject({
      url: '/logout',
      headers: await signedIn(app, { count: 1 }, { transport: 'header' })
    })
    t.equal(await sessionOf(app, logout), undefined)
    t.equal(await sessionOf(app, await app.inject('/plain')), undefined)
  })
}

t.test('signedIn(): where the id travels by default, and what cannot be', async (t) => {
  const [header, both, cookies] = await Promise.all([
    serve(t, { store: memory(t), transport: { header: 'x-session' } }),
    serve(t, { store: memory(t), transport: ['cookie', { header: 'x-session' }] }),
    serve(t, { store: memory(t) })
  ])
  t.same(Object.keys(await signedIn(header, { count: 1 })), ['x-session'])
  t.same(Object.keys(await signedIn(both, { count: 1 })), ['cookie'])
  t.strictSame(await sessionOf(both, await signedIn(both, { count: 1 })), { count: 1 })
  t.same(Object.keys(await signedIn(cookies, { count: 1 })), ['cookie'])
  const code = 'FST_SESSION_OPTION'
  await t.rejects(signedIn(cookies, { count: 1 }, { transport: 'header' }), {
    code,
    message: /has no header/
  })
  await t.rejects(signedIn(header, { count: 1 }, { transport: 'cookie' }), { code, message: /has no cookie/ })
})

t.test('adopt: an old cookie leads to a session in the header, if the client asks for one', async (t) => {
  const redis = await startRedis(t)
  const adopt = [expressSession({ secret: OLD_SECRET })]
  const app = await createNewApp(t, {
    redis: redis.url,
    secret: SECRET,
    adopt,
    transport: { header: 'x-session' }
  })
  await redis.client.set('sess:old-id', oldRecord({ name: 'Ada' }))
  const old = `connect.sid=${oldCookie('old-id')}`
  const forged = await app.inject({ url: '/who', headers: { cookie: old } })
  t.equal(forged.json().name, null, 'a browser adds the cookie by itself, so it does not count alone')
  t.equal(forged.headers['x-session'], undefined)
  const adopted = await app.inject({ url: '/who', headers: { cookie: old, 'x-session': '' } })
  t.equal(adopted.json().name, 'Ada')
  const id = String(adopted.headers['x-session'])
  t.equal((await app.inject({ url: '/who', headers: { 'x-session': id } })).json().name, 'Ada')
  const logout = await app.inject({ url: '/sign-out', headers: { cookie: old, 'x-session': id } })
  t.equal(logout.headers['x-session'], '')
  t.match(String(logout.headers['set-cookie']), /^connect\.sid=;/, 'the cookie of the old library is cleared')
})
