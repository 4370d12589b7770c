// The types of sessions outside a request. Checked by `tsc -p test/types`, never run.
import type { FastifyInstance } from 'fastify'
import type { SessionData, SessionInfo, Session as SessionOf, Sessions } from 'fastify-ioredis-session'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_equal: Equal<A, B>): void {}

export async function found({ sessions }: FastifyInstance, id: string): Promise<void> {
  const session = await sessions.find(id)
  same<typeof session, SessionOf<SessionData> | undefined>(true)
  // @ts-expect-error: may be undefined
  session.visits
  if (session === undefined) return
  same<typeof session.visits, number | undefined>(true)
  session.visits = 1
  await session.save()
  // @ts-expect-error: another type
  session.visits = '1'
  // @ts-expect-error: not a key
  session.vists
  // @ts-expect-error: not a handle
  await sessions.find(1)
  // @ts-expect-error: no handle
  await sessions.find()
}

export async function ended({ sessions }: FastifyInstance, id: string): Promise<void> {
  const wasAlive = await sessions.end(id)
  same<typeof wasAlive, boolean>(true)
  await sessions.end(id, { reason: 'ended-by-administrator' })
  await sessions.end(id, { reason: 'a text of the application' })
  // @ts-expect-error: not a reason
  await sessions.end(id, { reason: 401 })
  // @ts-expect-error: not an option
  await sessions.end(id, { because: 'too-many' })
  // @ts-expect-error: not a handle
  await sessions.end(1)
}

export async function listed({ sessions }: FastifyInstance): Promise<void> {
  for await (const info of sessions.all()) {
    same<typeof info, SessionInfo<SessionData>>(true)
    same<typeof info.id, string>(true)
    same<typeof info.lastUsedAt, number>(true)
    same<typeof info.permanent, boolean>(true)
    same<typeof info.data, Partial<SessionData>>(true)
    same<typeof info.data.visits, number | undefined>(true)
    // @ts-expect-error: not a key
    info.data.vists
    // @ts-expect-error: may be undefined
    info.data.visits.toFixed()
  }
  // @ts-expect-error: an iterator, not a promise of a list
  ;(await sessions.all()).length
}

export async function ofAnotherKind(staffs: Sessions<{ employeeId: number }>, id: string): Promise<void> {
  const session = await staffs.find(id)
  same<typeof session, SessionOf<{ employeeId: number }> | undefined>(true)
  const list = await staffs.of(1)
  same<typeof list, SessionInfo<{ employeeId: number }>[]>(true)
  // @ts-expect-error: a key of the other sessions
  list[0]?.data.visits
}
