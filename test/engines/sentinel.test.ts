// Sessions with Redis Sentinel: planned and unplanned failovers, without changes to the application.
import { readFileSync } from 'node:fs'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { Browser } from '../support/browser.js'
import { until } from '../support/gate.js'
import { startSentinel, type TestSentinel } from '../support/sentinel.js'
import {
  COMMANDS,
  createService,
  failure,
  fields,
  isHarmless,
  liveWholeLife,
  login,
  OPTIONAL_COMMANDS,
  post
} from './service.js'

t.test('sentinel: a planned failover', async (t) => {
  const sentinel = await startSentinel(t)
  const { name, sentinels } = sentinel
  const app = await createService(t, { redis: { sentinels, name } })
  await t.test('sessions work before it', (t) => liveWholeLife(t, app))

  await t.test('ACL: a user with the minimal permissions', async (t) => {
    // ioredis warns about commands that it may not use.
    t.capture(console, 'warn', () => {})
    const { client } = await sentinel.primary()
    const rights = COMMANDS.map((command) => `+${command}`)
    await client.call('ACL', 'SETUSER', 'sessions', 'reset', 'on', '>pw', '~session:*', ...rights)
    const redis = { sentinels, name, username: 'sessions', password: 'pw' }
    await liveWholeLife(t, await createService(t, { redis }))
    const log = (await client.call('ACL', 'LOG')) as unknown[]
    const denied = new Set(log.map((entry) => fields(entry).object))
    for (const command of OPTIONAL_COMMANDS) denied.delete(command)
    t.same([...denied], [])
  })

  const browser = await login(t, app)
  const old = await sentinel.primary()
  await sentinel.replicated()
  const next = await sentinel.failover()
  await t.test('new sessions go to the new primary, although the old one still accepts writes', async (t) => {
    await until(async () => {
      await post(new Browser(app), '/login')
      const [there, here] = await Promise.all([old.client.keys('*'), next.client.keys('*')])
      return here.some((key) => !there.includes(key))
    })
    t.match(await old.client.info('replication'), 'role:master', 'the old primary does not know yet')
  })
  t.same(await browser.json('/'), { userId: 1, count: 0 }, 'no user is logged out')
  await t.test('sessions work after it', (t) => liveWholeLife(t, app))
})

t.test('sentinel: a primary is killed', async (t) => {
  const sentinel = await startSentinel(t, { replicas: 2, sentinels: 3, downAfter: 2_000 })
  const { name, sentinels } = sentinel
  const options = { timeout: 1_500, replicas: 1, replicaTimeout: 1_000 }
  const app = await createService(t, { redis: { sentinels, name }, ...options })
  const browser = new Browser(app)
  await until(async () => (await post(browser, '/login')).statusCode === 200)
  for (let request = 1; request <= 10; request++) {
    t.same(failure(await post(browser, '/count')), [200, undefined])
  }
  const old = await sentinel.primary()
  await old.stop()

  const first = await browser.request('/')
  t.same(failure(first), [503, 'FST_SESSION_UNAVAILABLE'], 'requests do not wait for the failover')
  t.equal(first.headers['retry-after'], '1')
  const next = await sentinel.promotion(old)
  await until(async () => (await browser.request('/')).statusCode === 200)
  t.same(await browser.json('/'), { userId: 1, count: 10 }, 'no acknowledged change is lost')
  t.notMatch(JSON.stringify(app.logLines), 'no sentinel', 'the sentinels were always available')
  await until(async () => (await next.client.info('replication')).includes('state=online'))
  await until(async () => (await post(browser, '/count')).statusCode === 200)
})

/** The permissions that docs/operations.md shows for this user. */
function rightsOf(user: string): string[] {
  const [, rights = ''] =
    new RegExp(`^ACL SETUSER ${user} (.*)$`, 'm').exec(readFileSync('docs/operations.md', 'utf8')) ?? []
  return rights.split(' ')
}

function connectToEach(t: Test, { sentinels }: TestSentinel): Redis[] {
  const clients = sentinels.map((address) => new Redis(address))
  t.teardown(() => {
    for (const client of clients) client.disconnect()
  })
  return clients
}

t.test('sentinel ACL: sentinels and servers have different users with minimal permissions', async (t) => {
  // ioredis warns about commands that it may not use.
  t.capture(console, 'warn', () => {})
  const sentinel = await startSentinel(t)
  const { name, sentinels, servers } = sentinel
  const [watched] = connectToEach(t, sentinel)
  if (watched === undefined) throw new Error('no sentinel')
  for (const { client } of servers) {
    await client.call('ACL', 'SETUSER', 'sessions', 'reset', ...rightsOf('sessions'))
  }
  const grant = (...more: string[]) =>
    watched.call('ACL', 'SETUSER', 'watcher', 'reset', ...rightsOf('watcher'), ...more)
  await grant()
  // A connection without authentication has no rights. Existing connections stay authenticated.
  await watched.call('ACL', 'SETUSER', 'default', 'off')
  const redis = {
    sentinels,
    name,
    username: 'sessions',
    password: 'password',
    sentinelUsername: 'watcher',
    sentinelPassword: 'password'
  }
  const denied = async (): Promise<unknown[]> => {
    const log = (await watched.call('ACL', 'LOG')) as unknown[]
    await watched.call('ACL', 'LOG', 'RESET')
    const objects = new Set(log.map((entry) => fields(entry).object))
    for (const command of OPTIONAL_COMMANDS) objects.delete(command)
    return [...objects]
  }

  await t.test('the whole life of a session works with RESP2 and RESP3', async (t) => {
    for (const protocol of [2, 3] as const) {
      await liveWholeLife(t, await createService(t, { redis: { ...redis, protocol }, startUp: 'fail' }))
    }
    t.same(await denied(), [], 'nothing else was denied')
  })

  const refused = {
    'a wrong password': [{ sentinelPassword: 'open barley' }, 'WRONGPASS'],
    'a wrong password with RESP2': [{ sentinelPassword: 'open barley', protocol: 2 as const }, 'WRONGPASS'],
    'a wrong user': [{ sentinelUsername: 'barley' }, 'WRONGPASS'],
    'no user': [{ sentinelUsername: '', sentinelPassword: '' }, 'NOAUTH'],
    'only the permission to ask for the primary': [{}, 'NOPERM', '-sentinel|sentinels'],
    'only the permission to ask for the sentinels': [{}, 'NOPERM', '-sentinel|get-master-addr-by-name']
  } as const
  for (const [how, [wrong, kind, ...rights]] of Object.entries(refused)) {
    await t.test(`${how} is refused`, async (t) => {
      await grant(...rights)
      t.teardown(() => grant())
      // The test would hang if a request waited for the timeout.
      const options = { redis: { ...redis, ...wrong }, timeout: 3_600_000 }
      await t.rejects(createService(t, { ...options, startUp: 'fail' }), { code: 'FST_SESSION_STORE_DENIED' })
      const app = await createService(t, options)
      for (let request = 1; request <= 3; request++) {
        const response = await post(new Browser(app), '/login')
        isHarmless(t, response, 500, 'FST_SESSION_STORE_DENIED')
        t.match(response.json().message, `refused with ${kind}`)
      }
      t.match(
        app.logLines.find(({ level }) => level === 40),
        { msg: 'no sentinel names the primary: sessions of the sentinels at 127.0.0.1:', redis: kind }
      )
      t.notMatch(JSON.stringify(app.logLines), 'barley', 'the log does not contain it')
    })
  }

  await t.test('a refused write is not stored later, when the permission is granted', async (t) => {
    const primary = await sentinel.primary()
    await primary.client.flushall()
    await grant('-sentinel|sentinels')
    const app = await createService(t, { redis })
    for (let request = 1; request <= 10; request++) {
      isHarmless(t, await post(new Browser(app), '/login'), 500, 'FST_SESSION_STORE_DENIED')
    }
    await grant()
    await until(async () => (await post(new Browser(app), '/login')).statusCode === 200)
    t.equal(await primary.client.dbsize(), 1)
  })

  for (const [right, missing] of Object.entries({
    subscribe: '-subscribe',
    '+switch-master': 'resetchannels'
  })) {
    await t.test(`without the permission for ${right} failovers are not noticed`, async (t) => {
      await denied()
      await grant(missing)
      t.teardown(() => grant())
      await liveWholeLife(t, await createService(t, { redis }))
      await until(async () => (await denied()).includes(right))
    })
  }

  await t.test('a planned failover works', async (t) => {
    const app = await createService(t, { redis })
    await login(t, app)
    const old = await sentinel.primary()
    const next = await sentinel.failover()
    await until(async () => {
      await post(new Browser(app), '/login')
      const [there, here] = await Promise.all([old.client.keys('*'), next.client.keys('*')])
      return here.some((key) => !there.includes(key))
    })
    t.match(
      await old.client.info('replication'),
      'role:master',
      'the old primary does not know yet, so the sentinel reported it'
    )
    await liveWholeLife(t, app)
  })
})

t.test('sentinel: the first one does not answer', async (t) => {
  const sentinel = await startSentinel(t, { sentinels: 2 })
  const { name, sentinels } = sentinel
  const [first] = connectToEach(t, sentinel)
  const pid = Number(/^process_id:(\d+)/m.exec((await first?.info('server')) ?? '')?.[1])
  process.kill(pid, 'SIGSTOP')
  t.teardown(() => process.kill(pid, 'SIGCONT'))
  const app = await createService(t, { redis: { sentinels, name }, timeout: 500, startUp: 'wait' })
  await liveWholeLife(t, app)
})

t.test('sentinel: none names a primary', async (t) => {
  const { name, sentinels } = await startSentinel(t)
  for (const [why, redis] of Object.entries({
    'no sentinel is reachable': { sentinels: [{ host: '127.0.0.1', port: 1 }], name },
    'the sentinels do not know the name': { sentinels, name: 'nobody' }
  })) {
    await t.test(why, async (t) => {
      // The test would hang if a request waited for the timeout.
      const app = await createService(t, { redis, timeout: 3_600_000 })
      for (let request = 1; request <= 3; request++) {
        const response = await post(new Browser(app), '/login')
        isHarmless(t, response, 503, 'FST_SESSION_UNAVAILABLE')
        t.match(
          response.json().message,
          /sentinels at 127\.0\.0\.1:\d+ failed with no sentinel; nothing was stored/
        )
      }
    })
  }
})
