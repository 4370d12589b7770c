// Sessions of another library continue here: once, in one session, and never after they have ended.
import t from 'tap'
import { type Adopter, expressSession } from '../../lib/adopt/index.js'
import { MemoryStore } from '../../lib/index.js'
import { Browser, sessionCookie } from '../support/browser.js'
import { HeldStore } from '../support/held-store.js'
import { startRedis } from '../support/redis-server.js'
import { collectEvents, createNewApp, OLD_SECRET, oldCookie, oldRecord, signedIn } from './old-application.js'

const DAY = 86_400
const adopt = [expressSession({ secret: OLD_SECRET })]

t.test('adopt: somebody who is signed in there is signed in here', async (t) => {
  const redis = await startRedis(t)
  const events = collectEvents(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const browser = await signedIn(app, redis.client, { data: { name: 'Ada', cart: { items: ['x'] } } })
  await redis.commands()
  const first = await browser.request('/look')
  t.same(first.json(), { name: 'Ada', cart: { items: ['x'] } }, 'without the attributes of the cookie')
  t.match(sessionCookie(first), { name: '__Host-session', httpOnly: true, secure: true, sameSite: 'Lax' })
  t.same(await redis.commands(), { get: 3, pttl: 2, eval: 1, set: 2 })
  t.match(events, [{ type: 'adopted', library: 'express-session' }])

  await browser.request('/look')
  t.same(await redis.commands(), { get: 1 }, 'from then on it is a session like any other')
  await browser.request('/name/Grace')
  t.match(await browser.json('/who'), { name: 'Grace' })
  t.equal(events.length, 1)
  t.match(
    JSON.parse((await redis.client.get('sess:old-id')) ?? ''),
    { name: 'Ada' },
    'the old one is left alone'
  )
  t.equal((await redis.client.keys('session:*')).length, 2, 'the session, and the mark that it was adopted')
})

t.test('adopt: a browser that lost our cookie is led to the same session', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const browser = await signedIn(app, redis.client)
  const id = sessionCookie(await browser.request('/name/Grace'))?.value
  browser.cookies.delete('__Host-session')
  const again = await browser.request('/who')
  t.match(again.json(), { name: 'Grace' })
  t.equal(sessionCookie(again)?.value, id)
})

t.test('adopt: parallel requests with the old cookie end up in one session', async (t) => {
  const redis = await startRedis(t)
  const events = collectEvents(t)
  const apps = await Promise.all([1, 2].map(() => createNewApp(t, { redis: redis.url, adopt })))
  const [app] = apps
  if (app === undefined) throw new Error('no application')
  const browser = await signedIn(app, redis.client)
  const headers = { cookie: `connect.sid=${browser.cookies.get('connect.sid')}` }
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) => (apps[n % 2] ?? app).inject({ url: '/who', headers }))
  )
  t.equal(answers.filter((answer) => answer.json().name === 'Ada').length, 50)
  t.equal(new Set(answers.map((answer) => sessionCookie(answer)?.value)).size, 1)
  t.equal((await redis.client.keys('session:*')).length, 2)
  t.equal(events.length, 1)
})

t.test('adopt: a request that looked before a parallel one adopted the session finds it', async (t) => {
  for (const ended of [false, true]) {
    const { client } = await startRedis(t)
    const held = new HeldStore(new MemoryStore())
    const app = await createNewApp(t, {
      store: held.store,
      adopt: [expressSession({ secret: OLD_SECRET, redis: client })]
    })
    const browser = await signedIn(app, client)
    const parallel = new Browser(app)
    for (const [name, value] of browser.cookies) parallel.cookies.set(name, value)
    const looking = held.hold('read', 'after')
    const late = browser.json('/who')
    const release = await looking
    t.match(await parallel.json('/who'), { name: 'Ada' })
    if (ended) await client.del('sess:old-id')
    release()
    t.match(await late, { name: 'Ada' })
  }
})

t.test('adopt: a cookie that does not verify costs no command', async (t) => {
  const redis = await startRedis(t)
  const events = collectEvents(t)
  const throwing: Adopter = {
    name: 'throwing',
    cookie: { name: 'other' },
    verify: () => {
      throw new Error('not expected')
    },
    keyOf: (id) => id,
    decode: () => ({ data: {} })
  }
  const app = await createNewApp(t, { redis: redis.url, adopt: [...adopt, throwing] })
  await redis.client.set('sess:old-id', oldRecord({ name: 'Ada' }))
  await redis.commands()
  const send = async (cookie: string) => (await app.inject({ url: '/who', headers: { cookie } })).json().name
  for (const value of [oldCookie('old-id', 'another secret'), 'old-id', 's:old-id.', '%', '']) {
    t.equal(await send(`connect.sid=${value}`), null, value)
  }
  t.equal(await send('other=value'), null)
  t.equal(await send(`connect.sid=${oldCookie('old-id')}; connect.sid=${oldCookie('other')}`), null)
  t.same(await redis.commands(), {})
  const refused = (reason: string, library = 'express-session') => ({ type: 'unadopted', library, reason })
  t.same(events, [
    ...Array.from({ length: 5 }, () => refused('signature')),
    refused('signature', 'throwing'),
    refused('ambiguous')
  ])
  t.equal(await send(`connect.sid="${oldCookie('old-id')}"`), 'Ada', 'a value may be in quotes')
})

t.test('adopt: a cookie is verified once, together with those that belong to it', async (t) => {
  const redis = await startRedis(t)
  let verified = 0
  const twoCookies: Adopter = {
    name: 'two cookies',
    cookie: { name: 'sid', also: ['sid.sig'] },
    verify(value, values) {
      verified++
      return values('sid.sig').includes(`signed ${value}`) && values('theme').length === 0 ? value : undefined
    },
    keyOf: (id) => `old:${id}`,
    decode: (bytes) => ({ data: { name: bytes.toString() } })
  }
  const app = await createNewApp(t, { redis: redis.url, adopt: [twoCookies] })
  await redis.client.mset('old:1', 'Ada', 'old:2', 'Grace')
  const send = async (id: string, signature: string) => {
    const cookie = `sid=${id}; theme=dark; sid.sig=${signature}`
    return (await app.inject({ url: '/who', headers: { cookie } })).json().name
  }
  for (let round = 0; round < 3; round++) {
    t.equal(await send('1', 'signed 1'), 'Ada')
    t.equal(await send('2', 'signed 2'), 'Grace')
  }
  t.equal(verified, 2)
  t.equal(await send('2', 'signed 1'), null)
  t.equal(await send('1', ''), null)
})

t.test('adopt: without an old cookie, and on a route without sessions, it costs no command', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const browser = await signedIn(app, redis.client)
  await redis.commands()
  await browser.request('/none')
  await new Browser(app).request('/who')
  await app.inject({ url: '/who', headers: { cookie: 'theme=dark' } })
  t.same(await redis.commands(), {})
})

t.test('keepOld: the old record lives on for that long at most', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, {
    redis: redis.url,
    adopt: [expressSession({ secret: OLD_SECRET, keepOld: 100 })]
  })
  for (const [id, seconds, most] of [
    ['long', 5_000, 100],
    ['short', 50, 50]
  ] as const) {
    await (await signedIn(app, redis.client, { id, seconds })).request('/who')
    const left = await redis.client.ttl(`sess:${id}`)
    t.ok(left > most - 30 && left <= most, `${id}: ${left}`)
  }
  const browser = await signedIn(app, redis.client, { id: 'endless' })
  await redis.client.persist('sess:endless')
  await browser.request('/who')
  t.ok((await redis.client.ttl('sess:endless')) > 60)
})

t.test('adopt: the rest of the idle time and `permanent` come along', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, {
    redis: redis.url,
    adopt,
    idleTimeout: 1_000,
    permanentLifetime: 7 * DAY
  })
  const timeToLive = async () => {
    const keys = await redis.client.keys('session:*')
    const records = await Promise.all(
      keys.map(async (key) => [await redis.client.strlen(key), await redis.client.ttl(key)])
    )
    return records.find(([length = 0]) => length > 32)?.[1] ?? 0
  }
  const near = (actual: number, expected: number) =>
    t.ok(actual > expected - 60 && actual <= expected, `${actual}`)
  await (await signedIn(app, redis.client, { id: 'a', seconds: 300 })).request('/look')
  near(await timeToLive(), 300)
  await redis.client.flushall()
  await (await signedIn(app, redis.client, { id: 'b', seconds: 5_000 })).request('/look')
  near(await timeToLive(), 1_000)
  await redis.client.flushall()

  const browser = await signedIn(app, redis.client, { id: 'c', seconds: 5 * DAY })
  const until = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString()
  const cookie = { originalMaxAge: 1, expires: until(3_000) }
  await redis.client.set('sess:c', oldRecord({ name: 'Ada' }, cookie), 'KEEPTTL')
  const answer = await browser.request('/look')
  near(await timeToLive(), 3_000)
  near(sessionCookie(answer)?.maxAge ?? 0, 3_000)
  t.match(await browser.json('/who'), { permanent: true })

  await redis.client.set('sess:d', oldRecord({ name: 'Ada' }, { ...cookie, expires: until(-1) }))
  browser.cookies.clear()
  browser.cookies.set('connect.sid', oldCookie('d'))
  t.match(await browser.json('/who'), { name: null }, 'expired by what the record says')
})

t.test('adopt: an old session without data, or that is gone, begins nothing here', async (t) => {
  const redis = await startRedis(t)
  const events = collectEvents(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const browser = await signedIn(app, redis.client, { data: {} })
  for (const isGone of [false, true]) {
    if (isGone) await redis.client.del('sess:old-id')
    const answer = await browser.request('/who')
    t.match(answer.json(), { name: null })
    t.same(answer.cookies, [])
  }
  t.same(await redis.client.keys('session:*'), [])
  t.same(events, [])
})

t.test('destroy(): ends the old session, too', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const browser = await signedIn(app, redis.client)
  const cookie = `connect.sid=${browser.cookies.get('connect.sid')}`
  await browser.request('/who')
  const answer = await browser.request('/sign-out')
  t.match(answer.cookies, [
    { name: 'connect.sid', value: '', maxAge: 0, path: '/' },
    { name: '__Host-session', value: '', maxAge: 0 }
  ])
  t.equal(await redis.client.exists('sess:old-id'), 0)
  t.match((await app.inject({ url: '/who', headers: { cookie } })).json(), { name: null })

  const other = await signedIn(app, redis.client, { id: 'at-once' })
  await other.request('/sign-out')
  t.equal(await redis.client.exists('sess:at-once'), 0, 'in the first request')
  t.match(await other.json('/who'), { name: null })
})

t.test('destroy(): without the old cookie, the old record leads nobody back in', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const browser = await signedIn(app, redis.client)
  await browser.request('/who')
  const old = browser.cookies.get('connect.sid') ?? ''
  browser.cookies.delete('connect.sid')
  await browser.request('/sign-out')
  browser.cookies.set('connect.sid', old)
  t.match(await browser.json('/who'), { name: null })
  t.equal(await redis.client.exists('sess:old-id'), 1)
})

t.test(
  'adopt: a session that ended here is adopted again only if the old application has used it',
  async (t) => {
    const redis = await startRedis(t)
    const app = await createNewApp(t, { redis: redis.url, adopt })
    const browser = await signedIn(app, redis.client)
    const endHere = async () => {
      for (const key of await redis.client.keys('session:*')) {
        if ((await redis.client.strlen(key)) > 32) await redis.client.del(key)
      }
    }
    await browser.request('/who')
    for (let round = 0; round < 2; round++) {
      await endHere()
      t.match(await browser.json('/who'), { name: null })
      t.match(await browser.json('/who'), { name: null }, 'without our cookie, too')
      const extended = 5_000 + round * 5_000
      await redis.client.set('sess:old-id', oldRecord({ name: `Grace ${round}` }), 'EX', extended)
      t.match(await browser.json('/who'), { name: `Grace ${round}` })
    }
    await endHere()
    await redis.client.set('sess:old-id', oldRecord({ name: 'Joan' }))
    t.match(await browser.json('/who'), { name: 'Joan' }, 'a record without an end is a new one')
  }
)

t.test('regenerate(): afterwards the old id leads nowhere, here and there', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const browser = await signedIn(app, redis.client)
  const cookie = `connect.sid=${browser.cookies.get('connect.sid')}`
  const answer = await browser.request('/sign-in/Grace')
  t.match(answer.cookies, [{ name: 'connect.sid', maxAge: 0 }, { name: '__Host-session' }])
  t.equal(await redis.client.exists('sess:old-id'), 0)
  t.match(await browser.json('/who'), { name: 'Grace' })
  const moved = await app.inject({ url: '/any', headers: { cookie } })
  t.same(moved.json(), { name: null, detached: 'moved' }, 'as with an old id of ours')
})

t.test('adopt: a session that was emptied is deleted there, too', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const browser = await signedIn(app, redis.client)
  await browser.request('/empty')
  t.equal(await redis.client.exists('sess:old-id'), 0)
  t.equal(browser.cookies.size, 0)
})

t.test('adopt: after another sign-in at the old application, that one counts', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const browser = await signedIn(app, redis.client)
  await browser.request('/who')
  // Rolled back: Ada signs out, Grace signs in on the same machine. Then forward again.
  await redis.client.del('sess:old-id')
  const cookie = { originalMaxAge: 1, expires: new Date(Date.now() + 1_000_000).toISOString() }
  await redis.client.set('sess:of-grace', oldRecord({ name: 'Grace' }, cookie), 'EX', 1_000)
  browser.cookies.set('connect.sid', oldCookie('of-grace'))
  const answer = await browser.request('/who')
  t.match(answer.json(), { name: 'Grace' })
  const names = answer.cookies.map(({ name }) => name)
  t.same(names, ['__Host-session', '__Host-session-next'], 'a late answer cannot bring Ada back')
  t.match(await browser.json('/who'), { name: 'Grace' })
  browser.cookies.set('connect.sid', oldCookie('of-nobody'))
  t.match(await browser.json('/who'), { name: 'Grace' }, 'an old session that is gone changes nothing')
})

t.test('adopt: a sign-in here counts, whatever the old application begins', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const browser = await signedIn(app, redis.client)
  await browser.request('/sign-in/Grace')
  await redis.client.set('sess:anonymous', oldRecord({ returnTo: '/' }), 'EX', 1_000)
  browser.cookies.set('connect.sid', oldCookie('anonymous'))
  await redis.commands()
  t.match(await browser.json('/who'), { name: 'Grace' })
  t.same(await redis.commands(), { get: 1 })
})

t.test('adopt: two sessions of ours in one request stay ambiguous', async (t) => {
  const redis = await startRedis(t)
  const app = await createNewApp(t, { redis: redis.url, adopt })
  const cookies = []
  for (const name of ['a', 'b']) {
    const cookie = sessionCookie(await app.inject(`/name/${name}`))
    cookies.push(`${cookie?.name}=${cookie?.value}`)
  }
  const browser = await signedIn(app, redis.client)
  const cookie = [...cookies, `connect.sid=${browser.cookies.get('connect.sid')}`].join('; ')
  t.match((await app.inject({ url: '/who', headers: { cookie } })).json(), { name: null })
})

t.test('adopt: several libraries, of which the first that knows the session counts', async (t) => {
  const redis = await startRedis(t)
  const library = (name: string): Adopter => ({
    name,
    cookie: { name },
    verify: (value) => value,
    keyOf: (id) => `${name}:${id}`,
    decode: (bytes) => ({ data: { name: bytes.toString() } })
  })
  const app = await createNewApp(t, { redis: redis.url, adopt: [library('first'), library('second')] })
  await redis.client.set('second:id', 'Ada')
  const browser = new Browser(app)
  browser.cookies.set('first', 'id').set('second', 'id')
  t.match(await browser.json('/who'), { name: 'Ada' })
  await browser.request('/sign-out')
  t.equal(await redis.client.exists('second:id'), 0)
  t.equal(browser.cookies.size, 0)
})

t.test('adopt: a hash, in a Redis of its own, beside a store that is none', async (t) => {
  const old = await startRedis(t)
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const hashes: Adopter = {
    name: 'hashes',
    cookie: { name: 'sid', also: ['sid.sig'], domain: 'example.org', path: '/app' },
    verify: (value, values) => (values('sid.sig')[0] === `signed ${value}` ? value : undefined),
    keyOf: (id) => `hash:${id}`,
    fields: ['name', 'until', 'none'],
    decode: (name, until, none) => ({
      data: { name: name.toString(), anything: none?.length },
      expiresAt: Number(until)
    }),
    redis: old.client
  }
  const app = await createNewApp(t, { store, adopt: [hashes], cookie: { domain: 'example.com' } })
  await old.client.hset('hash:1', { name: 'Ada', until: String(Date.now() + 60_000) })
  const browser = new Browser(app)
  browser.cookies.set('sid', '1').set('sid.sig', 'signed 1').set('theme', 'dark')
  t.same(await browser.json('/look'), { name: 'Ada', anything: 0 })
  const { cookies } = await browser.request('/sign-out')
  const cleared = cookies.filter(({ name }) => name.startsWith('sid'))
  t.match(
    cleared,
    ['sid', 'sid.sig'].map((name) => ({ name, maxAge: 0, domain: 'example.org', path: '/app' }))
  )
  t.equal(await old.client.exists('hash:1'), 0)
})
