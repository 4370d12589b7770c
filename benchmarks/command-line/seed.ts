// Sessions of every kind that the command line tells apart: written as the plugin writes them, many at a time.
import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import type { Redis } from 'ioredis'
import { newNonce, UnsealedRecord } from '../../lib/records/record.js'
import { serializers } from '../../serializers/index.js'
import { generator } from '../../test/support/random.js'
import { cart, login } from '../sessions.js'

const BATCH = 2_000
const DAY = 86_400
/** How often each kind of session is written again, under another handle and at another time. */
const KINDS = 200

/** Writes this many sessions: 70 % by JSON, 20 % by superjson, 10 % by msgpack; a quarter is permanent. */
export async function seed(redis: Redis, sessions: number, prefix = 'session:'): Promise<void> {
  await serializers.superjson.load?.()
  await serializers.msgpack.load?.()
  const random = generator(1)
  const payloads = Array.from({ length: KINDS }, (_, user) => payloadOf(user, random))
  for (let from = 0; from < sessions; from += BATCH) {
    const pipeline = redis.pipeline()
    for (let index = from; index < Math.min(sessions, from + BATCH); index++) {
      const { payload, tag } = payloads[index % KINDS] as (typeof payloads)[number]
      const permanent = random() < 0.25
      const idleTimeout = permanent ? 31 * DAY : DAY
      const idle = Math.floor(random() ** 3 * idleTimeout * 1_000)
      const touchedAt = Date.now() - idle
      const { bytes } = new UnsealedRecord(payload).seal({
        tag,
        permanent,
        moved: false,
        schemaVersion: random() < 0.8 ? 3 : 2,
        createdAt: touchedAt - Math.floor(random() ** 3 * 90 * DAY * 1_000),
        counter: 1,
        nonce: newNonce(),
        earlier: [],
        touchedAt,
        idleTimeout,
        lifetime: undefined
      })
      pipeline.set(
        `${prefix}${randomBytes(32).toString('base64url')}`,
        Buffer.from(bytes),
        'PX',
        idleTimeout * 1_000 - idle + 600_000
      )
    }
    await pipeline.exec()
  }
}

function payloadOf(user: number, random: () => number): { tag: number; payload: Uint8Array | string } {
  const share = user / KINDS
  const name = share < 0.7 ? 'json' : share < 0.9 ? 'superjson' : 'msgpack'
  const { encode, tag } = serializers[name]
  const data = random() < 0.7 ? login(user) : cart(400 + Math.floor(random() * 2_000), user)
  const payload = encode(data)
  // The bytes are valid until the next call only.
  return { tag, payload: typeof payload === 'string' ? payload : new Uint8Array(payload) }
}
