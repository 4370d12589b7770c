// The options `user` and `maxPerUser`: what is refused, when, and how the message names it.
import t from 'tap'
import { MemoryStore, type RedisClient, type RedisSessionOptions, type Store } from '../../lib/index.js'
import { resolveOptions } from '../../lib/plugin/options.js'
import { checkAtStart } from '../../lib/plugin/start-up.js'
import type { SessionIndex } from '../../lib/stores/session-index.js'
import { createApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { startRedis } from '../support/redis-server.js'
import { createService, newUser, signedIn } from './service.js'

t.test('user, maxPerUser: unusable values are refused by name', (t) => {
  const refused: [object, string][] = [
    [{ user: '' }, 'user'],
    [{ user: 1 }, 'user'],
    [{ maxPerUser: { limit: 1, onFull: 'refuse' } }, 'maxPerUser'],
    [{ user: 'userId', maxPerUser: 5 }, 'maxPerUser'],
    [{ user: 'userId', maxPerUser: null }, 'maxPerUser'],
    [{ user: 'userId', maxPerUser: { limit: 0, onFull: 'refuse' } }, 'maxPerUser.limit'],
    [{ user: 'userId', maxPerUser: { limit: 1.5, onFull: 'refuse' } }, 'maxPerUser.limit'],
    [{ user: 'userId', maxPerUser: { limit: 1_001, onFull: 'refuse' } }, 'maxPerUser.limit'],
    [{ user: 'userId', maxPerUser: { limit: 1 } }, 'maxPerUser.onFull']
  ]
  for (const [options, name] of refused) {
    t.throws(() => resolveOptions(options as RedisSessionOptions, true), {
      code: 'FST_SESSION_OPTION',
      message: new RegExp(`^option ${name}: `)
    })
  }
  const { maxPerUser, user } = resolveOptions(
    { user: 'userId', maxPerUser: { limit: 1_000, onFull: 'refuse' } },
    true
  )
  t.same([user, maxPerUser], ['userId', { limit: 1_000, onFull: 'refuse' }])
  t.same(resolveOptions({}, true).user, undefined)
  t.end()
})

t.test('user: a store without an index is refused at the start', async (t) => {
  const { read, create, update, touch, destroy, end, openIndex } = MemoryStore.prototype
  const basic: Store = { read, create, update, touch, destroy }
  const error = {
    code: 'FST_SESSION_OPTION',
    message: /^option user: needs a store with end\(\) and openIndex\(\)/
  }
  await t.rejects(createApp(t, { store: basic, user: 'userId' }), error)
  await t.rejects(createApp(t, { store: { ...basic, end }, user: 'userId' }), error)
  const inner = new MemoryStore()
  t.teardown(() => inner.close())
  await t.rejects(
    createApp(t, { store: { ...basic, openIndex: openIndex.bind(inner) }, user: 'userId' }),
    error
  )
  await createApp(t, { store: basic })
})

t.test('user: what is no user fails the login, and stores nothing', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await createApp(t, { store, user: 'anything' })
  let value: unknown
  app.get('/login', async ({ session }) => {
    session.anything = value
    session.count = 1
    return {}
  })
  for (const [given, what] of [
    [{ id: 1 }, 'a value of type object'],
    [['a'], 'a list'],
    [true, 'a value of type boolean']
  ] as const) {
    value = given
    const browser = new Browser(app)
    const response = await browser.request('/login')
    t.match(response.json(), { statusCode: 500, code: 'FST_SESSION_USER' })
    t.match(response.json().message, `${what} is no user: let the option user lead to`)
    t.equal(store.size, 0)
  }
  for (const nobody of [undefined, null, '']) {
    value = nobody
    const response = await new Browser(app).request('/login')
    t.equal(response.statusCode, 200)
  }
  t.equal(store.size, 3)
})

t.test('of(), endAllOf(): what is no user or no handle is refused', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await createService(t, store)
  for (const nobody of [undefined, null, '', {}, Number.NaN]) {
    const error = { code: 'FST_SESSION_USER', message: /^\S.* is no user: / }
    await t.rejects(app.sessions.of(nobody as string), error)
    await t.rejects(app.sessions.endAllOf(nobody as string), error)
  }
  const user = newUser()
  const { browser, id } = await signedIn(app, user)
  const secret = [...browser.cookies.values()][0] as string
  const error = { code: 'FST_SESSION_HANDLE', message: /^sessions\.endAllOf\(\) needs the handle/ }
  await t.rejects(app.sessions.endAllOf(user, { except: secret }), error)
  await t.rejects(app.sessions.endAllOf(user, { except: [id, secret] }), error)
  t.equal(await app.sessions.endAllOf(user, { except: [id] }), 0)
})

// A fake, since real logins make room for each other.
t.test('maxPerUser: a login whose room others keep taking is answered with a 409', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const index = await store.openIndex()
  let tries = 0
  index.enter = async () => {
    tries++
    return []
  }
  const app = await createService(t, store, {
    user: 'userId',
    maxPerUser: { limit: 1, onFull: 'end-oldest' }
  })
  const response = await new Browser(app).request(`/login/${newUser()}`)
  t.match(response.json(), {
    statusCode: 409,
    code: 'FST_SESSION_CONFLICT',
    message: /its user signed in elsewhere/
  })
  t.equal(tries, 200)
  t.equal(store.size, 0)
})

t.test('startup check: an index that answers wrongly is reported before the first request', async (t) => {
  const broken: [what: string, index: Partial<SessionIndex>][] = [
    ['enter did not add a session', { enter: async () => 'refused' }],
    ['enter did not refuse one more', { enter: async () => 'entered' }],
    ['list did not return the sessions', { list: async () => [] }],
    ['revoke did not return the sessions', { revoke: async () => [] }],
    ['leave did not remove a session', { leave: async () => undefined }]
  ]
  for (const [what, wrong] of broken) {
    const store = new MemoryStore()
    const index = await store.openIndex()
    const methods = ['enter', 'list', 'leave', 'revoke'] as const
    const right = Object.fromEntries(methods.map((name) => [name, index[name].bind(index)]))
    store.openIndex = async () => ({ ...right, ...wrong }) as SessionIndex
    const lines: string[] = []
    const line = (_details: object, message: string) => void lines.push(message)
    await checkAtStart({
      ...{ store, client: {} as RedisClient, prefix: 'session:', replicas: 0, timeout: 1_000, startUp: 'go' },
      ...{
        user: 'userId',
        closing: new AbortController().signal,
        log: { error: line, warn: line, info: line }
      }
    })
    t.match(lines.join('\n'), `the session store answers wrongly: ${what};`)
    await store.close()
  }
})

t.test('startup check: leaves nothing in Redis', async (t) => {
  const redis = await startRedis(t)
  await createApp(t, { redis: redis.url, user: 'userId', startUp: 'fail' })
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.same(
    (await redis.client.keys('*')).filter((key) => !key.startsWith('session:user:start-up:')),
    [],
    'but a mark, for five seconds'
  )
})
