// Fills a database with sessions that no browser uses: copies of a real one under similar keys.
import type { Redis } from 'ioredis'

const BATCH = 20_000
const COPY = `
for index = ARGV[1], ARGV[2] do
  redis.call('SET', ARGV[3] .. redis.sha1hex(index), ARGV[4], 'PX', 86400000)
end`

/** Adds copies up to this number of sessions. The database must hold at least one session. */
export async function fill(client: Redis, sessions: number): Promise<void> {
  const key = await client.randomkey()
  const record = key === null ? null : await client.getBuffer(key)
  if (key === null || record === null) throw new Error('the database holds no session to copy')
  const prefix = key.slice(0, key.lastIndexOf(':') + 1)
  const missing = sessions - (await client.dbsize())
  for (let from = 1; from <= missing; from += BATCH) {
    await client.eval(COPY, 0, from, Math.min(missing, from + BATCH - 1), prefix, record)
  }
}
