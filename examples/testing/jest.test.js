// With Jest and ECMAScript modules: `NODE_OPTIONS=--experimental-vm-modules npx jest`.

import { afterEach, expect, jest, test } from '@jest/globals'
import { Browser, sessionOf, signedIn } from 'fastify-ioredis-session/testing'
import { createApp } from './app.js'

afterEach(() => jest.useRealTimers())

test('a user who is signed in', async () => {
  const app = await createApp()
  const headers = await signedIn(app, { userId: 42 })
  const response = await app.inject({ url: '/me', headers })
  expect(response.json()).toEqual({ userId: 42 })
  await app.close()
})

test('a login', async () => {
  const app = await createApp()
  const response = await app.inject({ method: 'POST', url: '/login' })
  expect(await sessionOf(app, response)).toEqual({ userId: 42 })
  await app.close()
})

test('a session that expires', async () => {
  const app = await createApp()
  await app.ready()
  jest.useFakeTimers({ doNotFake: ['nextTick'] })
  const browser = new Browser(app)
  await browser.inject({ method: 'POST', url: '/login' })
  expect((await browser.inject('/me')).statusCode).toBe(200)
  jest.advanceTimersByTime(3_601_000)
  expect((await browser.inject('/me')).statusCode).toBe(401)
  jest.useRealTimers()
  await app.close()
})
