// Old records that are not adopted, old stores that fail, and options that cannot be used.
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { type Adopter, expressSession, flaskSession } from '../../lib/adopt/index.js'
import { MemoryStore, type RedisSessionOptions, RedisStore, type Store } from '../../lib/index.js'
import { resolveOptions } from '../../lib/plugin/options.js'
import { openRecord } from '../../lib/records/record.js'
import { Browser } from '../support/browser.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { collectEvents, createNewApp, OLD_SECRET, oldCookie, oldRecord, signedIn } from './old-application.js'

const adopt = [expressSession({ secret: OLD_SECRET })]

const refused: [reason: string, record: Buffer | string, message: RegExp][] = [
  ['pickle', Buffer.from('8004952e000000000000007d94288c0a5f7065726d616e656e7494882e', 'hex'), /a pickle/],
  ['pickle', Buffer.from('8002', 'hex'), /a pickle/],
  ['java', Buffer.from('aced0005737200', 'hex'), /a serialized Java object/],
  ['size', oldRecord({ name: 'x'.repeat(3_000) }), /raise maxRecordBytes/],
  ['size', oldRecord({ list: Array.from({ length: 1_025 }, () => 0) }), /raise maxRecordBytes/],
  ['format', '(dp0\nVuser\np1\n', /cannot be decoded/],
  ['format', '{"name":"Ada"}', /cannot be decoded/],
  ['format', '{"cookie":{},"__proto__":{"isAdmin":true}}', /cannot be decoded/],
  ['format', Buffer.from([0xf5, 1, 1, 0]), /cannot be decoded/]
]

t.test(
  'adopt: what cannot or must not be read is refused by its first bytes, its size or its content',
  async (t) => {
    const redis = await startRedis(t)
    const events = collectEvents(t)
    const options = { redis: redis.url, adopt, maxRecordBytes: 2_900 }
    for (const [reason, record, message] of refused) {
      const [app, strict] = [
        await createNewApp(t, options),
        await createNewApp(t, { ...options, onUndecodable: 'error' })
      ]
      const browser = await signedIn(app, redis.client)
      await redis.client.set('sess:old-id', record)
      t.match(await browser.json('/who'), { name: null })
      t.match(await browser.json('/who'), { name: null })
      t.match(
        events.splice(0),
        [1, 2].map(() => ({ type: 'unadopted', library: 'express-session', reason }))
      )
      const lines = app.logLines.filter(({ msg }) => msg.includes('cannot be adopted'))
      t.equal(lines.length, 1, 'the log has it once a minute')
      t.match(lines[0]?.msg, message)
      t.match(await browser.visit(strict).json('/who'), { code: 'FST_SESSION_NOT_ADOPTED', message })
      t.equal(await redis.client.ttl('sess:old-id'), -1, 'the record stays as it is')
      await browser.visit(app).request('/name/Grace')
      t.match(await browser.json('/who'), { name: 'Grace' }, 'what is written begins another session')
      t.equal(await redis.client.exists('sess:old-id'), 1)
      events.splice(0)
    }
  }
)

t.test('adopt: a key of another type, and data that the serializer refuses', async (t) => {
  const redis = await startRedis(t)
  const events = collectEvents(t)
  const app = await createNewApp(t, {
    redis: redis.url,
    prefix: 'ours:',
    adopt: [...adopt, flaskSession({ unsigned: true })]
  })
  const browser = new Browser(app)
  browser.cookies.set('connect.sid', oldCookie('old-id'))
  await redis.client.hset('sess:old-id', { name: 'Ada' })
  t.match(await browser.json('/who'), { name: null })
  t.match(events, [{ library: 'express-session', reason: 'type' }])
  browser.cookies.clear()
  const id = 'x'.repeat(43)
  browser.cookies.set('session', id)
  // {'n': 2**63}: JSON has no bigint.
  await redis.client.set(`session:${id}`, Buffer.from('81a16ecf8000000000000000', 'hex'))
  t.match(await browser.json('/who'), { name: null })
  t.match(events[1], { library: 'flask-session', reason: 'format' })
})

t.test(
  'adopt: while the old Redis is down, nobody gets another session in place of the old one',
  async (t) => {
    const [redis, old] = [await startRedis(t), await startRedis(t)]
    const client = old.connect({ enableOfflineQueue: false })
    const app = await createNewApp(t, {
      redis: redis.url,
      adopt: [expressSession({ secret: OLD_SECRET, redis: client })]
    })
    const browser = await signedIn(app, old.client)
    await old.stop()
    const answer = await browser.request('/name/Grace')
    t.match(answer.json(), { statusCode: 503, code: 'FST_SESSION_UNAVAILABLE' })
    t.ok(answer.headers['retry-after'])
    t.same(await browser.json('/any'), { name: null, detached: 'unavailable' })
    t.same(await redis.client.keys('session:*'), [])
    await old.restart()
    if (client.status !== 'ready') await once(client, 'ready')
    await signedIn(app, old.client)
    t.match(await browser.json('/who'), { name: 'Ada' })
    await old.stop()
    t.match(
      await browser.json('/sign-out'),
      { statusCode: 503 },
      'a logout that leaves the old session fails'
    )
    t.match(await browser.json('/who'), { name: 'Ada' })
  }
)

t.test('adopt: an old Redis that does not answer fails the request within its timeout', async (t) => {
  const redis = await startRedis(t)
  const silent = Object.assign(redis.connect(), { pttl: () => new Promise<never>(() => {}) })
  const app = await createNewApp(t, {
    redis: redis.url,
    timeout: 2_000,
    adopt: [expressSession({ secret: OLD_SECRET, redis: silent })]
  })
  const browser = await signedIn(app, redis.client)
  t.match(await browser.json('/who'), {
    code: 'FST_SESSION_UNAVAILABLE',
    message: /GET failed with no answer/
  })
})

t.test('adopt: while our Redis is down, nobody is anonymous by mistake', async (t) => {
  const [redis, old] = [await startRedis(t), await startRedis(t)]
  const app = await createNewApp(t, {
    redis: redis.url,
    timeout: 2_000,
    adopt: [expressSession({ secret: OLD_SECRET, redis: old.client })]
  })
  const browser = await signedIn(app, old.client)
  await redis.stop()
  t.match(await browser.json('/who'), { code: 'FST_SESSION_UNAVAILABLE' })
  t.same(await browser.json('/any'), { name: null, detached: 'unavailable' })
  t.match(await old.client.get('sess:old-id'), /Ada/)
})

/** Does something before an operation of the store. */
function interrupted(
  store: Store,
  before: (operation: string, key: string, bytes?: Uint8Array) => Promise<unknown>
): Store {
  return new Proxy(store, {
    get(target, name: keyof Store) {
      const method = target[name] as ((...args: unknown[]) => unknown) | undefined
      if (name !== 'create' && name !== 'update') return method?.bind(target)
      return async (key: string, ...rest: unknown[]) => {
        await before(name, key, (name === 'create' ? rest[0] : rest[1]) as Uint8Array)
        return method?.call(target, key, ...rest)
      }
    }
  })
}

async function interruptedApp(
  t: Test,
  before: (redis: RedisServer, isMark: boolean, key: string) => Promise<unknown>
) {
  const redis = await startRedis(t)
  const store = interrupted(new RedisStore(redis.client), (_operation, key, bytes) =>
    before(redis, bytes !== undefined && openRecord(bytes).header.moved, key)
  )
  const app = await createNewApp(t, {
    store,
    adopt: [expressSession({ secret: OLD_SECRET, redis: redis.client })]
  })
  return { app, redis }
}

t.test('adopt: a session that a parallel request adopts and ends meanwhile stays ended', async (t) => {
  for (const marked of [false, true]) {
    const { app, redis } = await interruptedApp(t, async ({ client }, isMark, key) => {
      if (!isMark || (await client.exists('interrupted')) === 1) return
      // The parallel request has marked the session.
      await client.set('interrupted', 1)
      await client.set(key, `${(await client.get(key)) ?? ''}another mark, longer than a header`)
    })
    const browser = await signedIn(app, redis.client)
    if (marked) {
      await redis.client.set('interrupted', 1)
      await browser.request('/who')
      for (const key of await redis.client.keys('session:*')) {
        if ((await redis.client.strlen(key)) > 32) await redis.client.del(key)
      }
      await redis.client.del('interrupted')
      await redis.client.persist('sess:old-id')
      browser.cookies.delete('__Host-session')
    }
    t.match(await browser.json('/who'), { name: null })
    t.equal((await redis.client.keys('session:*')).length, 1, 'only the mark')
  }
})

t.test('adopt: an old session that ends while it is read is not adopted', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect()
  const { eval: run } = client
  Object.assign(client, {
    eval: async (...args: Parameters<typeof run>) => {
      await redis.client.del('sess:old-id')
      return run.apply(client, args)
    }
  })
  const app = await createNewApp(t, {
    redis: redis.url,
    adopt: [expressSession({ secret: OLD_SECRET, redis: client })]
  })
  const browser = await signedIn(app, redis.client)
  t.match(await browser.json('/who'), { name: null })
  t.same(await redis.client.keys('session:*'), [])
})

t.test('adopt: options that cannot be used stop the start, by name', async (t) => {
  const redis = await startRedis(t)
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const adopter: Adopter = {
    name: 'own',
    cookie: { name: 'sid' },
    verify: (value) => value,
    keyOf: (id) => `own:${id}`,
    decode: () => ({ data: {} })
  }
  const cases: [RedisSessionOptions, RegExp][] = [
    [{ adopt: {} as never }, /^option adopt: must be a list/],
    [{ adopt, secret: undefined as never }, /^option secret: is undefined/],
    [
      { adopt: [{ ...adopter, verify: 5 as never }] },
      /^option adopt: each adopter needs a method verify\(\)/
    ],
    [{ adopt: [undefined as never] }, /^option adopt: each adopter needs a method verify\(\)/],
    [{ adopt: [{ ...adopter, name: 5 as never }] }, /^option adopt: each adopter needs a name/],
    [{ adopt: [{ ...adopter, cookie: {} as never }] }, /^option adopt: each adopter needs a name/],
    [{ adopt: [{ ...adopter, keepOld: 0 }] }, /^option adopt\.own\.keepOld: must be a whole number/],
    [{ adopt: [{ ...adopter, keepOld: 1.5 }] }, /^option adopt\.own\.keepOld: must be a whole number/],
    [{ adopt: [{ ...adopter, keepOld: 400 * 86_400 + 1 }] }, /^option adopt\.own\.keepOld: must be a whole/],
    [
      { adopt: [{ ...adopter, redis: { get() {} } as never }] },
      /^option adopt\.own\.redis: has no getBuffer\(\)/
    ],
    [{ adopt: [adopter], redis: undefined as never, store }, /^option adopt\.own: needs a client/],
    [
      { adopt: [flaskSession({ unsigned: true })] },
      /^option adopt\.flask-session: its keys begin with session:/
    ],
    [
      { adopt: [adopter], cookie: { name: 'sid' } },
      /^option adopt\.own: its cookie sid has the name of ours/
    ],
    [{ adopt: [{ ...adopter, cookie: { name: '__Host-session-next' } }] }, /^option adopt\.own: its cookie/]
  ]
  for (const [options, message] of cases) {
    await t.rejects(createNewApp(t, { redis: redis.url, ...options }), {
      code: 'FST_SESSION_OPTION',
      message
    })
  }
  t.throws(() => resolveOptions({ adopt }, false), { message: /^option adopt: needs the option secret/ })
})
