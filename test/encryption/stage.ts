// Keys, records and services for tests of encryption.
import type { Test } from 'tap'
import { mergeRules, type RedisSessionOptions } from '../../lib/index.js'
import { NotARecordError, type SessionRecord, tryRecord, UnsealedRecord } from '../../lib/records/record.js'
import { createApp, type TestApp } from '../support/app.js'
import fc, { type Arbitrary } from '../support/properties.js'

/** A key of 32 bytes; another one for each number. */
export function key(number: number): Buffer {
  return Buffer.alloc(32, number)
}

const instant = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const word = fc.integer({ min: 0, max: 2 ** 32 - 1 })

/** Records as commits, moves and ends write them. */
export const anyRecord: Arbitrary<SessionRecord> = fc
  .record({
    payload: fc.uint8Array({ maxLength: 400 }),
    tag: fc.integer({ min: 0, max: 255 }),
    permanent: fc.boolean(),
    moved: fc.boolean(),
    lifetime: fc.option(word, { nil: undefined }),
    schemaVersion: word,
    createdAt: instant,
    counter: word,
    nonce: word,
    earlier: fc.array(word, { maxLength: 8 }),
    touchedAt: instant,
    idleTimeout: word
  })
  .map(({ payload, ...header }) =>
    new UnsealedRecord(payload).seal({ ...header, idleTimeout: header.lifetime ?? header.idleTimeout })
  )

/** Why `openRecord` refuses these bytes; `undefined` if it does not. */
export function refusalOf(bytes: Uint8Array): string | undefined {
  const record = tryRecord(bytes)
  return record instanceof NotARecordError ? record.message : undefined
}

const secret = 'a secret of thirty-two characters'
export const TEXT = 'what nobody may read in the store'

/** One process of a service: people sign in, count, read, get new ids and sign out. */
export async function service(t: Test, options: RedisSessionOptions): Promise<TestApp> {
  const app = await createApp(t, { secret, merge: { count: mergeRules.sum }, user: 'userId', ...options })
  app.get<{ Params: { userId: string } }>('/login/:userId', async ({ session, params }) => {
    await session.regenerate(false)
    Object.assign(session, { userId: Number(params.userId), name: TEXT, count: 0 })
    return {}
  })
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return {}
  })
  app.get('/look', async ({ session }) => ({ ...session.data(), detached: session.detached }))
  app.get('/renew', async ({ session }) => {
    await session.regenerate()
    return {}
  })
  app.get('/logout', async ({ session }) => {
    await session.destroy({ reason: 'signed-out' })
    return {}
  })
  app.get('/reason', async ({ session }) => ({ reason: session.endedBecause }))
  app.get('/devices', async ({ session }) => (await app.sessions.of(session.userId ?? 0)).length)
  app.get('/end', async ({ session }) => app.sessions.endAllOf(session.userId ?? 0, { reason: 'by-user' }))
  return app
}
