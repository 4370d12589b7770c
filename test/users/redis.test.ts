// The sessions of users in Redis and on a cluster, and what they cost.
import { Cluster, Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { RedisStore } from '../../lib/index.js'
import { usersContract } from '../contracts/users.js'
import { createApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { startCluster } from '../support/cluster.js'
import { until } from '../support/gate.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { startSentinel } from '../support/sentinel.js'
import { createService, idsOf, newUser, signedIn, userOf } from './service.js'

const redis = await startRedis(t)

t.test('users: Redis keeps the contract', (t) => usersContract(t, () => new RedisStore(redis.connect())))

t.test('users: a cluster keeps the contract', async (t) => {
  const { nodes } = await startCluster(t)
  await usersContract(t, () => {
    const client = new Cluster(nodes)
    client.on('error', () => {})
    t.teardown(() => client.disconnect())
    return new RedisStore(client)
  })
})

t.test('users: with Sentinel, lists and ends outlive a failover', async (t) => {
  const sentinel = await startSentinel(t)
  const connect = () => {
    const client = new Redis({ sentinels: sentinel.sentinels, name: sentinel.name })
    client.on('error', () => {})
    t.teardown(() => client.disconnect())
    return client
  }
  await t.test('the contract', (t) => usersContract(t, () => new RedisStore(connect())))
  await t.test('endAllOf(): it waits for the replica once', async (t) => {
    const [primary] = sentinel.servers as [RedisServer]
    t.equal(await tripsOfEndAllOf(t, primary, 1), 3)
    const { wait } = await primary.commands()
    t.equal(wait, 3, 'once in each of its round trips')
  })
  const app = await createService(t, new RedisStore(connect(), { replicas: 1 }))
  const user = newUser()
  const browsers = [(await signedIn(app, user)).browser, (await signedIn(app, user)).browser]
  const listed = await idsOf(app, user)
  t.equal(listed.length, 2)
  await sentinel.failover()
  await until(async () => {
    const answers = await Promise.all(browsers.map((browser) => browser.request('/me')))
    return answers.every(({ statusCode }) => statusCode === 200)
  })
  for (const browser of browsers) t.equal(await userOf(browser), user)
  t.same(await idsOf(app, user), listed)
  // An error says that the replica, which was the primary, does not have it yet.
  await until(() =>
    app.sessions.endAllOf(user).then(
      () => true,
      ({ code }) => t.equal(code, 'FST_SESSION_NOT_REPLICATED') && false
    )
  )
  t.same(await idsOf(app, user), [])
  for (const browser of browsers) t.equal(await userOf(browser), undefined)
})

t.test('users: what a request costs in Redis', async (t) => {
  const app = await createService(t, new RedisStore(redis.connect()))
  const user = newUser()
  const warm = new Browser(app)
  for (const url of [`/login/${user}`, '/count', '/move', '/logout']) await warm.request(url)
  for (let at = 0; at < 2; at++) {
    await signedIn(app, user)
    await app.sessions.of(user)
    await app.sessions.endAllOf(user)
  }
  const costOf = async (work: () => Promise<unknown>) => {
    await redis.commands()
    await work()
    const { get = 0, mget = 0, evalsha = 0, set = 0, zadd = 0, time = 0 } = await redis.commands()
    return { get, mget, evalsha, set, scripted: zadd + time > 0 }
  }
  const none = { get: 0, mget: 0, evalsha: 0, set: 0, scripted: false }
  const browser = new Browser(app)
  t.same(await costOf(() => browser.request(`/login/${user}`)), {
    ...none,
    evalsha: 1,
    set: 1,
    scripted: true
  })
  t.same(await costOf(() => browser.request('/me')), { ...none, get: 1 }, 'as without users')
  t.same(
    await costOf(() => browser.request('/count')),
    { ...none, get: 1, evalsha: 1, set: 1 },
    'as without users'
  )
  t.same(
    await costOf(() => browser.request('/move')),
    { ...none, get: 1, evalsha: 3, set: 2, scripted: true },
    'a new id: two more, to enter and to leave'
  )
  for (let devices = 0; devices < 20; devices++) await signedIn(app, user)
  t.same(await costOf(() => app.sessions.of(user)), { ...none, mget: 1, evalsha: 1, scripted: true })
  t.same((await idsOf(app, user)).length, 21)
  t.same(
    await costOf(() => browser.request('/logout')),
    { ...none, get: 1, evalsha: 2 },
    'one more, to leave'
  )
  t.equal((await app.sessions.of(user)).length, 20)
})

t.test('endAllOf(): two round trips, however many sessions', async (t) => {
  t.equal(await tripsOfEndAllOf(t, redis, 0), 3, 'nobody waits for the third: it empties the index')
})

/** How many round trips the end of 30 sessions takes. Counts commands from then on. */
async function tripsOfEndAllOf(t: Test, server: RedisServer, replicas: number): Promise<number> {
  const client = server.connect()
  const app = await createService(t, new RedisStore(client, { replicas, replicaTimeout: 20_000 }))
  const [user, other] = [newUser(), newUser()]
  for (let devices = 0; devices < 30; devices++) await signedIn(app, user)
  await signedIn(app, other)
  await app.sessions.endAllOf(other)
  // Until Redis knows the script of the step that nobody waits for.
  for (let trips = 0; trips < 3; trips++) await client.ping()
  await server.commands()
  // What is sent after an answer has come is a further round trip.
  let trips = 0
  let answered = true
  const send = client.sendCommand.bind(client)
  client.sendCommand = ((command: { promise: Promise<unknown> }, ...rest: never[]) => {
    if (answered) trips++
    answered = false
    const note = () => {
      answered = true
    }
    command.promise.then(note, note)
    return send(command as never, ...rest)
  }) as never
  let tripsAtAnswer = 0
  const ended = app.sessions.endAllOf(user).then((ended) => {
    tripsAtAnswer = trips
    return ended
  })
  t.equal(await ended, 30)
  await client.ping()
  return tripsAtAnswer
}

t.test('users: an application without them sends what it sent, and has no index', async (t) => {
  await redis.client.flushdb()
  const app = await createService(t, new RedisStore(redis.connect()), {})
  const user = newUser()
  const { browser } = await signedIn(app, user)
  for (const url of ['/count', '/move', '/logout', `/login/${user}`]) await browser.request(url)
  t.same(await redis.client.keys('*user:*'), [])
  const error = { code: 'FST_SESSION_OPTION', message: /option user: is missing/ }
  await t.rejects(app.sessions.of(user), error)
  await t.rejects(app.sessions.endAllOf(user), error)
})

t.test('users: every key has an end', async (t) => {
  await redis.client.flushdb()
  const app = await createService(t, new RedisStore(redis.connect()), {
    user: 'userId',
    maxPerUser: { limit: 2, onFull: 'end-oldest' }
  })
  const user = newUser()
  for (let devices = 0; devices < 4; devices++) {
    const { browser } = await signedIn(app, user)
    await browser.request('/move')
  }
  await app.sessions.endAllOf(user)
  await app.sessions.endAllOf(newUser())
  const keys = await redis.client.keys('*')
  t.ok(keys.length > 5)
  for (const key of keys) t.ok((await redis.client.pttl(key)) > 0, key.replace(/[\w-]{43}/, '…'))
})

t.test('absoluteTimeout: the index forgets a session soon after that', async (t) => {
  await redis.client.flushdb()
  const app = await createService(t, new RedisStore(redis.connect()), {
    user: 'userId',
    absoluteTimeout: 100
  })
  await signedIn(app, newUser())
  const [key = ''] = await redis.client.keys('session:user:*')
  const left = await redis.client.pttl(key)
  t.ok(left > 100_000 && left <= 160_000, `${left} ms`)
})

t.test('users: a custom decorator, and a function of the data', async (t) => {
  const app = await createApp(t, {
    redis: redis.connect(),
    decorator: 'staff',
    user: ({ name }) => name
  })
  app.get('/login', async (request) => {
    const { staff } = request as unknown as { staff: typeof request.session }
    staff.name = 'ada'
    return staff.id
  })
  const browser = new Browser(app)
  const id = (await browser.request('/login')).body
  const { staffs } = app as unknown as { staffs: typeof app.sessions }
  t.same(
    (await staffs.of('ada')).map((info) => info.id),
    [id]
  )
  const keys = await redis.client.keys('staff:user:*')
  t.equal(keys.filter((key) => !key.startsWith('staff:user:start-up:')).length, 1)
  t.equal(await staffs.endAllOf('ada'), 1)
})

t.test('users: with a near cache, the process that ends sessions serves none of them', async (t) => {
  const app = await createApp(t, { redis: redis.url, nearCache: { maxStale: 60 }, user: 'userId' })
  app.get('/login/:user', async ({ params, session }) => {
    session.userId = Number((params as { user: string }).user)
    return { id: session.id }
  })
  app.get('/me', async ({ session }) => ({ user: session.get('userId') }))
  const { browser } = await signedIn(app as never, 7)
  for (let reads = 0; reads < 5; reads++) t.equal(await userOf(browser), 7)
  t.equal(await app.sessions.endAllOf(7), 1)
  t.equal(await userOf(browser), undefined)
})
