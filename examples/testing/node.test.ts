// With node:test.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Browser, sessionOf, signedIn } from 'fastify-ioredis-session/testing'
import { createApp } from './app.js'

test('a user who is signed in', async (t) => {
  const app = await createApp()
  t.after(() => app.close())
  const headers = await signedIn(app, { userId: 42 })
  const response = await app.inject({ url: '/me', headers })
  assert.deepEqual(response.json(), { userId: 42 })
})

test('a login', async (t) => {
  const app = await createApp()
  t.after(() => app.close())
  const response = await app.inject({ method: 'POST', url: '/login' })
  assert.deepEqual(await sessionOf(app, response), { userId: 42 })
})

test('a session that expires', async (t) => {
  const app = await createApp()
  t.after(() => app.close())
  t.mock.timers.enable({ apis: ['Date', 'setTimeout', 'setInterval', 'setImmediate'], now: Date.now() })
  const browser = new Browser(app)
  await browser.inject({ method: 'POST', url: '/login' })
  assert.equal((await browser.inject('/me')).statusCode, 200)
  t.mock.timers.tick(3_601_000)
  assert.equal((await browser.inject('/me')).statusCode, 401)
})
