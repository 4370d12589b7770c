import t from 'tap'
import { createApp } from './support/app.js'
import { Browser } from './support/browser.js'
import { startRedis } from './support/redis-server.js'

t.test('a session outlives a request', async (t) => {
  const redis = await startRedis(t)
  const app = await createApp(t, { redis: redis.url })
  app.get('/set', async ({ session }) => {
    session.userId = 42
    return {}
  })
  app.get('/get', async ({ session }) => ({ userId: session.get('userId') }))
  const browser = new Browser(app)
  await browser.request('/set')
  t.same(await browser.json('/get'), { userId: 42 })
  t.same(await redis.commands(), { set: 1, get: 1 })
})
