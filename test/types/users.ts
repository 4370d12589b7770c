// The types of a user's sessions. Checked by `tsc -p test/types`, never run.
import type { FastifyInstance } from 'fastify'
import type { SessionInfo } from 'fastify-ioredis-session'

export async function users({ sessions }: FastifyInstance, id: string): Promise<void> {
  const list: SessionInfo[] = await sessions.of('ada')
  await sessions.of(1)
  await sessions.of(1n)
  // @ts-expect-error: not a user
  await sessions.of({ id: 1 })
  // @ts-expect-error: nobody
  await sessions.of(undefined)
  const visits: number | undefined = list[0]?.data.visits
  // @ts-expect-error: not a key of the session
  list[0]?.data.visit
  const ended: number = await sessions.endAllOf('ada')
  await sessions.endAllOf('ada', { except: id })
  await sessions.endAllOf('ada', { except: [id] })
  await sessions.endAllOf('ada', { except: id, reason: 'ended-by-user' })
  // @ts-expect-error: not a reason
  await sessions.endAllOf('ada', { reason: 401 })
  // @ts-expect-error: not a handle
  await sessions.endAllOf('ada', { except: 1 })
  void [visits, ended]
}
