// What the tests of signals share.
import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import type { RedisSessionOptions } from '../../lib/index.js'
import { createService } from './service.js'

/** Serves an application of this process, and returns its address. */
export async function serve(t: Test, options: RedisSessionOptions): Promise<string> {
  const app = await createService(options)
  t.teardown(() => app.close())
  return app.listen({ host: '127.0.0.1', port: 0 })
}

/** The ids of the connections that are subscribed to ended sessions. */
export async function subscribers(client: Redis, sub = 'sub=1'): Promise<string[]> {
  const list = String(await client.call('CLIENT', 'LIST', 'TYPE', 'pubsub'))
  return list.split('\n').flatMap((line) => (line.includes(sub) ? [/^id=(\d+)/.exec(line)?.[1] ?? ''] : []))
}
