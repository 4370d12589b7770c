// Sessions under Redis Sentinel: failovers, ordered and not, without a word to the application.
import t from 'tap'
import { Browser } from '../support/browser.js'
import { until } from '../support/gate.js'
import { startSentinel } from '../support/sentinel.js'
import {
  COMMANDS,
  createService,
  failure,
  fields,
  liveWholeLife,
  login,
  NOT_INSISTED_ON,
  post
} from './service.js'

t.test('a failover that somebody orders', async (t) => {
  const sentinel = await startSentinel(t)
  const { name, sentinels } = sentinel
  const app = await createService(t, { redis: { sentinels, name } })
  await t.test('sessions live before it', (t) => liveWholeLife(t, app))

  await t.test('a user with the least rights', async (t) => {
    // ioredis warns of what it is not allowed to ask.
    t.capture(console, 'warn', () => {})
    const { client } = await sentinel.primary()
    const rights = COMMANDS.map((command) => `+${command}`)
    await client.call('ACL', 'SETUSER', 'sessions', 'reset', 'on', '>pw', '~session:*', ...rights)
    const redis = { sentinels, name, username: 'sessions', password: 'pw' }
    await liveWholeLife(t, await createService(t, { redis }))
    const log = (await client.call('ACL', 'LOG')) as unknown[]
    const denied = new Set(log.map((entry) => fields(entry).object))
    for (const command of NOT_INSISTED_ON) denied.delete(command)
    t.same([...denied], [])
  })

  const browser = await login(t, app)
  const old = await sentinel.primary()
  const [, replica] = sentinel.servers
  await until(async () => {
    const counts = await Promise.all([old, replica].map((server) => server?.client.dbsize()))
    return counts[0] === counts[1]
  })
  const next = await sentinel.failover()
  await t.test('new sessions are on the new primary, while the old one would still take them', async (t) => {
    await until(async () => {
      await post(new Browser(app), '/login')
      const [there, here] = await Promise.all([old.client.keys('*'), next.client.keys('*')])
      return here.some((key) => !there.includes(key))
    })
    t.match(await old.client.info('replication'), 'role:master', 'nobody has told it yet')
  })
  t.same(await browser.json('/'), { userId: 1, count: 0 }, 'nobody is logged out')
  await t.test('sessions live after it', (t) => liveWholeLife(t, app))
})

t.test('a primary is killed', async (t) => {
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
  t.same(failure(first), [503, 'FST_SESSION_UNAVAILABLE'], 'requests do not wait for a replica to take over')
  t.equal(first.headers['retry-after'], '1')
  const next = await sentinel.promotion(old)
  await until(async () => (await browser.request('/')).statusCode === 200)
  t.same(await browser.json('/'), { userId: 1, count: 10 }, 'no acknowledged change is lost')
  await until(async () => (await next.client.info('replication')).includes('state=online'))
  await until(async () => (await post(browser, '/count')).statusCode === 200)
})
