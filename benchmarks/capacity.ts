// `npm run bench -- capacity`: the memory of sessions in Redis, and the effect of a million of them expiring at once.
import { setTimeout as pause } from 'node:timers/promises'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import type { Redis } from 'ioredis'
import { redisSession, type SerializerName, serializers } from '../lib/index.js'
import { fill } from './growth/fill.js'
import { withRedis } from './private-redis.js'
import { cart, login, type SessionContent } from './sessions.js'
import { quantile } from './statistics.js'
import { toMarkdown } from './table.js'

const SESSIONS = 1_000_000
const CONTENTS: Readonly<Record<string, SessionContent>> = { login: login(), 'cart of 2 KB': cart() }
/** Number of commits after which a record holds its maximum of earlier revisions. */
const COMMITS = 10
/** Milliseconds in which GETs are measured before the sessions expire, for comparison. */
const CALM = 5_000

/** Milliseconds until the sessions expire. */
const PREPARATION = 90_000
const EXPIRE_SOME = `
local reply = redis.call('SCAN', ARGV[1], 'COUNT', 10000)
for _, key in ipairs(reply[2]) do redis.call('PEXPIREAT', key, ARGV[2]) end
return reply[1]`

const COLUMNS = [
  { key: 'session', title: 'session', role: 'name' },
  { key: 'serializer', title: 'serializer', role: 'name' },
  { key: 'record', title: 'bytes of the record', role: 'cost' },
  { key: 'memory', title: 'bytes of Redis for each session', role: 'cost', digits: 0 }
] as const

export async function measureCapacity(): Promise<void> {
  await withRedis(async ({ redis, port }) => {
    const rows = []
    for (const [session, content] of Object.entries(CONTENTS)) {
      for (const serializer of Object.keys(serializers) as SerializerName[]) {
        await redis.flushall()
        const empty = await usedMemory(redis)
        const record = await storeOne(redis, port, serializer, content)
        await fill(redis, SESSIONS)
        rows.push({ session, serializer, record, memory: ((await usedMemory(redis)) - empty) / SESSIONS })
      }
    }
    console.log(toMarkdown({ name: 'capacity', title: '', columns: COLUMNS, rows }))
    await redis.flushall()
    await storeOne(redis, port, 'msgpack', login())
    await fill(redis, SESSIONS)
    console.log(`\n${await expireAll(redis)}`)
  })
}

/**
 * Stores one session through the plugin, so that the record is the same as an application's.
 * @returns The bytes of the record.
 */
async function storeOne(
  redis: Redis,
  port: number,
  serializer: SerializerName,
  content: SessionContent
): Promise<number> {
  const app = Fastify()
  await app.register(cookie)
  await app.register(redisSession, { redis: { port, host: '127.0.0.1' }, serializer })
  app.get('/', async ({ session }) => {
    Object.assign(session, content)
    for (let commits = 0; commits < COMMITS; commits++) {
      Object.assign(session, { locale: commits % 2 === 0 ? 'de-AT' : 'en-GB' })
      await session.save()
    }
  })
  await app.inject('/')
  await app.close()
  return redis.strlen(String(await redis.randomkey()))
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1])
}

/** Lets all sessions expire at the same time, and measures reads meanwhile. */
async function expireAll(redis: Redis): Promise<string> {
  const expiresAt = Date.now() + PREPARATION
  let cursor: unknown = '0'
  do cursor = await redis.eval(EXPIRE_SOME, 0, String(cursor), expiresAt)
  while (cursor !== '0')
  await pause(expiresAt - Date.now() - CALM)
  const before: number[] = []
  const during: number[] = []
  while (Date.now() < expiresAt || (await redis.dbsize()) > 0) {
    const startedAt = performance.now()
    await redis.get('session:nobody')
    const times = Date.now() < expiresAt ? before : during
    times.push(performance.now() - startedAt)
    await pause(1)
  }
  const seconds = (Date.now() - expiresAt) / 1_000
  return [
    `${SESSIONS.toLocaleString('en')} sessions that expire at once are gone after ${seconds.toFixed(1)} s.`,
    `A GET takes ${describe(before)} before that, and ${describe(during)} during that.`
  ].join('\n')
}

function describe(times: readonly number[]): string {
  const ms = (share: number) => quantile(times, share).toFixed(1)
  return `${ms(0.5)} ms (median), ${ms(0.99)} ms (99 %), at most ${ms(1)} ms`
}
