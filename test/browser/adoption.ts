// A real browser moves between an application with another library and one of ours, on one host and one Redis.
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import type { Test } from 'tap'
import {
  type Adopter,
  expressSession,
  fastifySession,
  koaGenericSession,
  koaSession,
  mgcreaSession
} from '../../lib/adopt/index.js'
import { koaGenericSessionApp, koaSessionApp } from '../adopt/koa-applications.js'
import { createNewApp } from '../adopt/old-application.js'
import {
  connectRedis8,
  connectRedis9,
  expressApp,
  fastifySessionApp,
  mgcreaApp,
  OLD_SECRET,
  type Start,
  urlOf
} from '../adopt/real-applications.js'
import type { RedisServer } from '../support/redis-server.js'

const secret = OLD_SECRET

export const LIBRARIES: readonly (readonly [name: string, start: Start, adopter: Adopter])[] = [
  ['@fastify/session', fastifySessionApp(connectRedis8), fastifySession({ secret })],
  ['express-session', expressApp(connectRedis9), expressSession({ secret })],
  ['@mgcrea/fastify-session', mgcreaApp, mgcreaSession({ secret })],
  ['koa-session', koaSessionApp, koaSession({ secret })],
  ['koa-generic-session', koaGenericSessionApp, koaGenericSession({ secret })]
]

/** @param page A page of a browser without cookies. */
export async function moveIn(
  t: Test,
  page: Page,
  redis: RedisServer,
  start: Start,
  adopter: Adopter
): Promise<void> {
  const old = await start(t, redis)
  const app = await createNewApp(t, { redis: redis.url, prefix: 'ours:', adopt: [adopter] })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const ours = urlOf(app.server.address())
  const nameAt = async (url: string) => {
    const answer = await page.goto(`${url}/who`)
    assert.ok(answer)
    return (await answer.json()).name
  }
  await page.goto(`${old}/in/Ada`)
  assert.equal(await nameAt(old), 'Ada', 'signed in there')
  assert.equal(await nameAt(ours), 'Ada', 'adopted here')
  assert.equal(await nameAt(old), 'Ada', 'rolled back')
  assert.equal(await nameAt(ours), 'Ada', 'forward again')
  await page.goto(`${ours}/sign-out`)
  assert.equal(await nameAt(ours), null, 'signed out here')
  assert.equal(await nameAt(old), null, 'and there')
}
