// Every unusable option is refused at startup, by name.
import { readFileSync } from 'node:fs'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import t from 'tap'
import redisSession, { MemoryStore, type RedisSessionOptions } from '../lib/index.js'
import { resolveOptions } from '../lib/plugin/options.js'
import { foreignOptions } from '../lib/session/foreign-names.js'
import { createApp } from './support/app.js'
import { startRedis } from './support/redis-server.js'

const serializer = { name: 'own', tag: 200, encode: () => Buffer.alloc(0), decode: () => ({}) }
const store = new MemoryStore()

t.test('options: the defaults', (t) => {
  const { cookie, lifetimes, ...settings } = resolveOptions({}, true)
  t.match(settings, {
    redis: 'redis://localhost:6379',
    prefix: 'session:',
    decorator: 'session',
    secrets: []
  })
  t.equal(settings.serializer.name, 'json')
  t.same(lifetimes, {
    idleTimeout: 86_400,
    permanentLifetime: 2_678_400,
    absoluteTimeout: undefined,
    touchAfter: 60,
    rolling: true
  })
  t.equal(cookie.name, '__Host-session')
  t.end()
})

t.test('decorator: sets the property, the prefix and the cookie name', (t) => {
  const { prefix, cookie } = resolveOptions({ decorator: 'admin' }, true)
  t.equal(prefix, 'admin:')
  t.equal(cookie.name, '__Host-admin')
  t.end()
})

t.test('touchAfter: shorter with a short idleTimeout', (t) => {
  t.equal(resolveOptions({ idleTimeout: 20 }, true).lifetimes.touchAfter, 2)
  t.end()
})

t.test('replicaTimeout: shorter with a short timeout', (t) => {
  t.equal(resolveOptions({ timeout: 300, replicas: 1 }, true).replicaTimeout, 150)
  t.equal(resolveOptions({ timeout: 5_000, replicas: 1 }, true).replicaTimeout, 500)
  t.equal(
    resolveOptions({ timeout: 1 }, true).timeout,
    1,
    'without replicas, timeout may be as short as you like'
  )
  t.end()
})

t.test('options: unusable values are refused by name', (t) => {
  const refused: [object, string][] = [
    [{ idelTimeout: 5 }, 'idelTimeout'],
    [{ redis: 'localhost' }, 'redis'],
    [{ redis: 'redis://:hunter2#secret@host:6379' }, 'redis'],
    [{ redis: 'redis://:hun%ter2@host' }, 'redis'],
    [{ redis: 'redis://host:6379/sessions' }, 'redis'],
    [{ redis: 'redis://host?db=abc' }, 'redis'],
    [{ redis: Promise.resolve() }, 'redis'],
    [{ redis: 5 }, 'redis'],
    [{ redis: null }, 'redis'],
    [{ redis: { connect() {}, get() {} } }, 'redis'],
    [{ store, redis: {} }, 'store'],
    [{ store: {} }, 'store'],
    [{ store: null }, 'store'],
    [{ prefix: 5 }, 'prefix'],
    [{ serializer: 'yaml' }, 'serializer'],
    [{ serializer: 'toString' }, 'serializer'],
    [{ serializer: null }, 'serializer'],
    [{ serializer: { ...serializer, tag: 3 } }, 'serializer'],
    [{ serializer: { ...serializer, tag: 256 } }, 'serializer'],
    [{ serializer: { ...serializer, name: '' } }, 'serializer'],
    [{ serializer: { ...serializer, encode: 5 } }, 'serializer'],
    [{ readSerializers: [{}] }, 'readSerializers'],
    [{ readSerializers: ['msgpack'] }, 'readSerializers'],
    [{ secret: 'short' }, 'secret'],
    [{ secret: [] }, 'secret'],
    [{ secret: ['x'.repeat(32), 'short'] }, 'secret'],
    [{ secret: 5 }, 'secret'],
    [{ idleTimeout: 0 }, 'idleTimeout'],
    [{ idleTimeout: '60' }, 'idleTimeout'],
    [{ idleTimeout: Number.NaN }, 'idleTimeout'],
    [{ idleTimeout: 2 ** 32 }, 'idleTimeout'],
    [{ permanentLifetime: 401 * 86_400 }, 'permanentLifetime'],
    [{ absoluteTimeout: 0 }, 'absoluteTimeout'],
    [{ touchAfter: -1 }, 'touchAfter'],
    [{ touchAfter: 86_400 }, 'touchAfter'],
    [{ rolling: 'yes' }, 'rolling'],
    [{ maxRecordBytes: 1 }, 'maxRecordBytes'],
    [{ saveOn5xx: 1 }, 'saveOn5xx'],
    [{ decorator: '' }, 'decorator'],
    [{ decorator: 5 }, 'decorator'],
    [{ graceAfterRegenerate: 0 }, 'graceAfterRegenerate'],
    [{ onReplay: true }, 'onReplay'],
    [{ onReplay: null }, 'onReplay'],
    [{ onReplay: 'ignore' }, 'onReplay'],
    [{ onReplay: {} }, 'onReplay.action'],
    [{ onReplay: { action: 'end', window: 0 } }, 'onReplay.window'],
    [{ onUndecodable: 'ignore' }, 'onUndecodable'],
    [{ timeout: 0 }, 'timeout'],
    [{ timeout: 1.5 }, 'timeout'],
    [{ onUnavailable: 'empty' }, 'onUnavailable'],
    [{ circuitBreaker: 5 }, 'circuitBreaker'],
    [{ circuitBreaker: { failures: 0 } }, 'circuitBreaker.failures'],
    [{ circuitBreaker: { openFor: 0 } }, 'circuitBreaker.openFor'],
    [{ circuitBreaker: { failure: 3 } }, 'circuitBreaker.failure'],
    [{ nearCache: { maxStal: 1 } }, 'nearCache.maxStal'],
    [{ onReplay: { action: 'end', windows: 5 } }, 'onReplay.windows'],
    [{ user: 'userId', maxPerUser: { limit: 1, onFull: 'refuse', most: 2 } }, 'maxPerUser.most'],
    [{ replicas: -1 }, 'replicas'],
    [{ replicaTimeout: 0 }, 'replicaTimeout'],
    [{ replicas: 1, replicaTimeout: 1_000 }, 'replicaTimeout'],
    [{ replicas: 1, replicaTimeout: 400, timeout: 300 }, 'replicaTimeout'],
    [{ replicas: 1, timeout: 1 }, 'replicaTimeout'],
    [{ startUp: 'check' }, 'startUp'],
    [{ detectRollback: true }, 'detectRollback'],
    [{ merge: { cart: 'mine' } }, 'merge\\.cart'],
    [{ merge: null }, 'merge'],
    [{ merge: 5 }, 'merge'],
    [{ cookie: null }, 'cookie'],
    [{ cookie: { domain: 5 } }, 'cookie.domain'],
    [{ readSerializers: 5 }, 'readSerializers'],
    [{ readSerializers: [serializer, { ...serializer }] }, 'readSerializers'],
    [{ serializer, readSerializers: [{ ...serializer }] }, 'readSerializers']
  ]
  for (const [options, name] of refused) {
    const expected = { code: 'FST_SESSION_OPTION', message: new RegExp(`^option ${name}: `) }
    t.throws(
      () => resolveOptions(options as RedisSessionOptions, true),
      expected,
      Object.keys(options).join()
    )
  }
  t.end()
})

t.test('options: an option of another library is answered with ours', (t) => {
  const answers: Record<string, RegExp> = {
    cookieName: /cookie: \{ name \}/,
    name: /cookie: \{ name \}/,
    cookiePrefix: /leave it out/,
    saveUninitialized: /leave it out: a session without data is never stored/,
    resave: /leave it out/,
    ttl: /idleTimeout, in seconds/,
    maxAge: /permanentLifetime/,
    idGenerator: /leave it out/,
    genid: /leave it out/,
    proxy: /trustProxy/,
    unset: /session\.destroy\(\)/,
    client: /redis/,
    sessionName: /decorator/
  }
  for (const [name, answer] of Object.entries(answers)) {
    const message = new RegExp(`^option ${name}: .*${answer.source}`)
    t.throws(() => resolveOptions({ [name]: 1 }, false), { code: 'FST_SESSION_OPTION', message }, name)
  }
  for (const name of ['maxAge', 'expires']) {
    t.throws(() => resolveOptions({ cookie: { [name]: 1 } }, false), {
      message: new RegExp(`^option cookie\\.${name}: .*permanentLifetime`)
    })
  }
  t.throws(() => resolveOptions({ [`long${'x'.repeat(10_000)}\n`]: 1 } as object, false), {
    message: /^option longx{56}…: is not one of/
  })
  t.throws(() => resolveOptions({ serializer: 'a\nb' as 'json' }, false), {
    message: 'a\\u{a}b is not one of'
  })
  t.end()
})

t.test('options: none that we answer for another library is one of ours', (t) => {
  for (const [name, answer] of foreignOptions) {
    t.throws(() => resolveOptions({ [name]: 1 } as object, false), { message: `option ${name}: ${answer}` })
  }
  t.end()
})

t.test('options: an unset environment variable means neither localhost nor unsigned cookies', (t) => {
  const unset = (options: object) => () => resolveOptions(options as RedisSessionOptions, false)
  const refused: [object, string][] = [
    [{ redis: undefined }, 'redis: is undefined: its environment variable is probably not set; leave'],
    [{ redis: undefined, store: undefined }, 'redis: is undefined'],
    [{ redis: { host: undefined } }, 'redis.host: is undefined'],
    [{ redis: { host: undefined, port: 6380 } }, 'redis.host: is undefined'],
    [{ secret: undefined }, 'secret: is undefined: its environment variable is probably not set; leave'],
    [{ secret: undefined, store }, 'secret: is undefined'],
    [{ secret: [undefined] }, 'secret: must be a string'],
    [{ secret: ['x'.repeat(32), undefined] }, 'secret: must be a string'],
    [{ secret: '' }, 'secret: has 0 characters']
  ]
  for (const [options, message] of refused) {
    t.throws(unset(options), { code: 'FST_SESSION_OPTION', message: `option ${message}` })
  }
  for (const options of [
    { redis: undefined, store },
    { redis: { host: undefined, path: '/run/redis.sock' } },
    { redis: { host: undefined, sentinels: [{ host: 'sentinel' }] } },
    { redis: { host: 'localhost', port: undefined, password: undefined } }
  ]) {
    t.doesNotThrow(unset(options), Object.keys(options).join())
  }
  t.end()
})

t.test('options: any other option set to undefined counts as absent', (t) => {
  const names = [...readFileSync('lib/plugin/options.ts', 'utf8').matchAll(/^ {2}(\w+)\?:/gm)].map(
    ([, name = '']) => name
  )
  const given = Object.fromEntries(names.map((name) => [name, undefined]))
  const { redis: _redis, secret: _secret, ...others } = given
  t.ok(names.length > 20)
  t.same(resolveOptions(others, true), resolveOptions({}, true))
  const nested = { circuitBreaker: { failures: undefined, openFor: undefined } } as object
  t.same(resolveOptions(nested, true), resolveOptions({ circuitBreaker: true }, true))
  const attributes = {
    name: undefined,
    domain: undefined,
    path: undefined,
    secure: undefined,
    sameSite: undefined,
    partitioned: undefined,
    priority: undefined,
    httpOnly: undefined
  }
  t.same(resolveOptions({ cookie: attributes } as object, true).cookie, resolveOptions({}, true).cookie)
  t.end()
})

t.test('prefix: a route prefix is not used for keys', (t) => {
  for (const prefix of ['/', '/api', '']) t.equal(resolveOptions({ prefix }, true).prefix, 'session:')
  t.equal(resolveOptions({ prefix: '/api', decorator: 'admin' }, true).prefix, 'admin:')
  t.equal(resolveOptions({ prefix: 'app:' }, true).prefix, 'app:')
  t.end()
})

t.test('options: errors contain no secret', (t) => {
  for (const options of [
    { secret: 'hunter2' },
    { redis: 'http://user:hunter2@host' },
    { redis: 'redis://:hunter2#x@host:6379' },
    { redis: 'redis://:hunter2@host/%zz?db=hunter2' }
  ]) {
    try {
      resolveOptions(options, true)
      t.fail('not refused')
    } catch (error) {
      t.notMatch(String((error as Error).stack), /hunter2/)
    }
  }
  t.end()
})

t.test('options: an application with an unusable option does not start', async (t) => {
  const app = Fastify()
  await app.register(cookie)
  await t.rejects(Promise.resolve(app.register(redisSession, { secret: 'short' })), {
    code: 'FST_SESSION_OPTION'
  })
})

t.test('redis: accepts a URL, options or a client, and leaves a client open', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect()
  for (const option of [redis.url, { host: '127.0.0.1', port: redis.port }, client]) {
    const app = await createApp(t, { redis: option })
    app.get('/', async ({ session }) => {
      session.set('userId', 1)
      return session.id
    })
    t.equal((await app.inject('/')).statusCode, 200)
    await app.close()
  }
  t.equal(await client.ping(), 'PONG')
})
