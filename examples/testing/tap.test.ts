// With tap.

import { sessionOf, signedIn } from 'fastify-ioredis-session/testing'
import t from 'tap'
import { createApp } from './app.js'

t.test('a user who is signed in', async (t) => {
  const app = await createApp()
  t.teardown(() => app.close())
  const headers = await signedIn(app, { userId: 42 })
  const response = await app.inject({ url: '/me', headers })
  t.same(response.json(), { userId: 42 })
})

t.test('a login', async (t) => {
  const app = await createApp()
  t.teardown(() => app.close())
  const response = await app.inject({ method: 'POST', url: '/login' })
  t.same(await sessionOf(app, response), { userId: 42 })
})
