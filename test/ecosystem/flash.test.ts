import flash from '@fastify/flash'
import t, { type Test } from 'tap'
import { createApp, type TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'

async function createService(t: Test, redis: RedisServer): Promise<TestApp> {
  const app = await createApp(t, { redis: redis.url, serializer: 'msgpack' })
  await app.register(flash)
  app.get('/say/:message', async (request, reply) => {
    const { message } = request.params as { message: string }
    request.flash('notice', message)
    return reply.redirect('/show')
  })
  app.get('/warn', async (request) => ({ count: request.flash('warning', ['one', 'two']) }))
  app.get('/show', async (_request, reply) => ({ notice: reply.flash('notice') }))
  app.get('/all', async (_request, reply) => reply.flash() as object)
  app.get('/name', async ({ session }) => {
    session.name = 'Ada'
    return {}
  })
  app.get('/data', async ({ session }) => session.data())
  return app
}

t.test('flash: a message is shown once after the redirect, by any process', async (t) => {
  const redis = await startRedis(t)
  const [one, other] = [await createService(t, redis), await createService(t, redis)]
  const browser = new Browser(one)
  const response = await browser.request('/say/saved')
  t.equal(response.headers.location, '/show')
  browser.visit(other)
  t.same(await browser.json('/show'), { notice: ['saved'] })
  t.same(await browser.json('/show'), { notice: [] })
  browser.visit(one)
  t.same(await browser.json('/show'), { notice: [] })
})

t.test('flash: messages of several requests and types wait until they are shown', async (t) => {
  const browser = new Browser(await createService(t, await startRedis(t)))
  await browser.request('/say/first')
  await browser.request('/say/second')
  t.same(await browser.json('/warn'), { count: 2 })
  t.same(await browser.json('/show'), { notice: ['first', 'second'] })
  t.same(await browser.json('/all'), { warning: ['one', 'two'] })
  t.same(await browser.json('/all'), {})
})

t.test('flash: a page without a message writes nothing', async (t) => {
  const redis = await startRedis(t)
  const browser = new Browser(await createService(t, redis))
  await browser.request('/say/hello')
  await browser.request('/show')
  await redis.commands()
  await browser.request('/show')
  t.same(await redis.commands(), { get: 1 })
})

t.test('flash: a message and a parallel change of the session are both kept', async (t) => {
  const redis = await startRedis(t)
  const [one, other] = [await createService(t, redis), await createService(t, redis)]
  const browser = new Browser(one)
  await browser.request('/say/first')
  const say = browser.request('/say/second')
  const name = browser.visit(other).request('/name')
  await Promise.all([say, name])
  t.match(await browser.json('/data'), { name: 'Ada', flash: { notice: ['first', 'second'] } })
})
