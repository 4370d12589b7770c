// With vitest.

import { Browser, sessionOf, signedIn } from 'fastify-ioredis-session/testing'
import { afterEach, expect, test, vi } from 'vitest'
import { createApp } from './app.js'

afterEach(() => vi.useRealTimers())

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
  vi.useFakeTimers()
  const browser = new Browser(app)
  await browser.inject({ method: 'POST', url: '/login' })
  expect((await browser.inject('/me')).statusCode).toBe(200)
  vi.advanceTimersByTime(3_601_000)
  expect((await browser.inject('/me')).statusCode).toBe(401)
  vi.useRealTimers()
  await app.close()
})
