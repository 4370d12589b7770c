// Two processes of one service, of which one has a near cache: what its visitors see of what happens in the other one.
import t, { type Test } from 'tap'
import type { RedisSessionOptions } from '../../lib/index.js'
import { createApp, type TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { until } from '../support/gate.js'
import { LossyProxy } from '../support/lossy-proxy.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { LONG, trackedThrough, trackingClients } from './stage.js'

const secret = 'a secret of thirty-two characters'

async function createService(t: Test, options: RedisSessionOptions): Promise<TestApp> {
  const app = await createApp(t, { secret, ...options })
  app.get('/login', async ({ session }) => {
    await session.regenerate(false)
    session.count = 0
    return {}
  })
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return session.count
  })
  app.get('/name', async ({ session }) => {
    const { name } = session
    session.name = 'Ann'
    return name ?? null
  })
  app.get('/look', async ({ session }) => session.count ?? null)
  app.get('/fresh', { config: { session: { fresh: true } } }, async ({ session }) => session.count ?? null)
  app.get('/reload', async ({ session }) => {
    await session.reload()
    return session.count
  })
  app.get('/logout', async ({ session }) => {
    await session.destroy()
    return {}
  })
  return app
}

/** A visitor who has signed in, and whose session this process serves from memory. */
async function signIn(app: TestApp, redis: RedisServer): Promise<Browser> {
  const browser = new Browser(app)
  await browser.request('/login')
  await until(async () => {
    await redis.commands()
    await browser.request('/look')
    return (await redis.commands()).get === undefined
  })
  return browser
}

t.test('a read costs no command; what a visitor changes is there at once', async (t) => {
  const redis = await startRedis(t)
  const app = await createService(t, { redis: redis.url, nearCache: true })
  const browser = await signIn(app, redis)
  await redis.commands()
  t.equal(await browser.json('/look'), 0)
  t.same(await redis.commands(), {})
  for (let count = 1; count <= 20; count++) {
    t.equal(await browser.json('/count'), count)
    t.equal(await browser.json('/look'), count)
  }
  const { evalsha } = await redis.commands()
  t.equal(evalsha, 20)
})

t.test('objects are shared to look at, and each request changes its own', async (t) => {
  const redis = await startRedis(t)
  const app = await createService(t, { redis: redis.url, nearCache: true, serializer: 'superjson' })
  const since = new Date(0)
  app.get('/fill', async ({ session }) => {
    session.cart = { items: ['tea'] }
    session.anything = { since }
    return {}
  })
  app.get('/peek', async ({ session }) => {
    const [cart, rich] = [session.peek('cart'), session.peek('anything') as { since: Date }]
    return {
      isFrozen: Object.isFrozen(cart?.items),
      cart,
      time: rich.since.setFullYear(2000) && rich.since.getTime()
    }
  })
  app.get('/spoil', async ({ session }) => (session.peek('cart') as { items: string[] }).items.push('milk'))
  app.get('/lose', async ({ session }) => {
    session.cart?.items.push('milk')
    throw new Error('the request fails')
  })
  app.get('/add', async ({ session }) => session.cart?.items.push('milk'))
  const browser = await signIn(app, redis)
  await browser.request('/fill')
  await until(async () => (await browser.json<{ isFrozen: boolean }>('/peek')).isFrozen)
  await redis.commands()
  t.equal((await browser.request('/spoil')).statusCode, 500)
  t.equal((await browser.request('/lose')).statusCode, 500)
  const peeked = await browser.json<{ cart: unknown }>('/peek')
  t.same(peeked.cart, { items: ['tea'] })
  t.same(await browser.json('/peek'), peeked, "a Date is each request's own")
  t.same(await redis.commands(), {})
  t.equal(await browser.json('/add'), 2)
  t.equal((await redis.commands()).evalsha, 1, 'a change inside is found and stored')
  t.same((await browser.json<{ cart: unknown }>('/peek')).cart, { items: ['tea', 'milk'] })
})

t.test('what changes in another process is seen, and a logout ends the session here', async (t) => {
  const redis = await startRedis(t)
  const app = await createService(t, { redis: redis.url, nearCache: { maxStale: LONG } })
  const other = await createService(t, { redis: redis.url })
  const browser = await signIn(app, redis)
  await browser.visit(other).request('/count')
  browser.visit(app)
  await until(async () => (await browser.json('/look')) === 1)
  const { cookies } = browser
  const thief = new Browser(app)
  for (const [name, value] of cookies) thief.cookies.set(name, value)
  await browser.visit(other).request('/logout')
  await until(async () => (await thief.json('/look')) === null)
  t.equal(await thief.json('/look'), null, 'and stays ended')
})

t.test('while nobody tells this process of a change', async (t) => {
  const redis = await startRedis(t)
  const proxy = await LossyProxy.open(t, redis.port)
  const client = trackedThrough(redis.connect(), proxy.port)
  const near = { redis: client, nearCache: { maxStale: LONG } }
  const app = await createService(t, near)
  const careful = await createService(t, {
    ...near,
    detectRollback: true,
    cookie: { name: 'careful.session' },
    prefix: 'careful:'
  })
  const other = await createService(t, { redis: redis.url })
  const otherCareful = await createService(t, {
    redis: redis.url,
    detectRollback: true,
    cookie: { name: 'careful.session' },
    prefix: 'careful:'
  })
  const browser = await signIn(app, redis)
  const seeing = await signIn(careful, redis)
  t.equal(await trackingClients(redis.client), 2)
  proxy.swallow()
  await browser.visit(other).request('/count')
  browser.visit(app)
  t.equal(await browser.json('/look'), 0, 'a read may show what was there before')
  t.equal(await browser.json('/fresh'), 1, 'a route that asks Redis shows it')
  await browser.visit(other).request('/count')
  t.equal(await browser.visit(app).json('/look'), 1)
  t.equal(await browser.json('/reload'), 2, 'reload() asks Redis')
  await browser.visit(other).request('/count')
  await browser.visit(app).request('/name')
  t.equal(await browser.json('/look'), 3, 'a commit merges with what it has not seen')
  t.same((await browser.request('/name')).body, 'Ann')
  await seeing.visit(otherCareful).request('/count')
  t.equal(await seeing.visit(careful).json('/look'), 1, 'with detectRollback a browser sees what it has seen')
  t.notMatch(JSON.stringify(careful.logLines), /lost commits/)
})

t.test(
  'without the option there is no second connection; with it that ends with the application',
  async (t) => {
    const redis = await startRedis(t)
    const plain = await createService(t, { redis: redis.url })
    await plain.ready()
    t.equal(await trackingClients(redis.client), 0)
    const app = await createService(t, { redis: redis.url, nearCache: true })
    await signIn(app, redis)
    t.equal(await trackingClients(redis.client), 1)
    await app.close()
    await until(async () => (await trackingClients(redis.client)) === 0)
  }
)

t.test('without a near cache for its client the application starts', async (t) => {
  const redis = await startRedis(t)
  const client = redis.connect()
  Object.assign(client.options, { scaleReads: 'slave' })
  const app = await createService(t, { redis: client, nearCache: true })
  t.equal((await app.inject('/look')).statusCode, 200)
  t.equal(app.logLines.filter(({ msg }) => msg.startsWith('the near cache is off')).length, 1)
})
