// A Fastify application with sessions that closes with its test.
import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import type { Test } from 'tap'
import redisSession, { type RedisSessionOptions } from '../../lib/index.js'

declare module '../../lib/session/session.js' {
  interface SessionData {
    userId: number
    name: string
    count: number
    cart: { items: string[] }
    anything: unknown
  }
}

/** The lines that the application has logged, of every level. */
export type LogLines = { level: number; msg: string; [key: string]: unknown }[]

export interface TestApp extends FastifyInstance {
  logLines: LogLines
}

/** Milliseconds. A busy machine needs more than the default, and a test that is about the limit sets its own. */
const PATIENCE = 20_000

/** An application with the session plugin, to which a test adds routes. */
export async function createApp(
  t: Test,
  options: RedisSessionOptions,
  server: Omit<FastifyServerOptions, 'logger'> = {}
): Promise<TestApp> {
  const logLines: LogLines = []
  const logger = { level: 'trace', stream: { write: (line: string) => void logLines.push(JSON.parse(line)) } }
  const app = Fastify({ ...server, logger })
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(redisSession, { timeout: PATIENCE, ...options })
  return Object.assign(app, { logLines }) as unknown as TestApp
}
