// The types of a session for users. Checked by `tsc -p test/types`, never run.
import type { FastifyRequest } from 'fastify'
import type {
  Detached,
  DeviceBound,
  EndReason,
  SessionData,
  Session as SessionOf
} from 'fastify-ioredis-session'

// As users write it. The keys are unique, since one program may include the keys of other tests.
declare module 'fastify-ioredis-session' {
  interface SessionData {
    visitor: { name: string; since: Date }
    visits: number
    nickname?: string
    save: string
  }
}
declare module 'fastify' {
  interface FastifyRequest {
    backOffice: SessionOf<BackOfficeData>
    open: SessionOf<OpenData>
    texts: SessionOf<{ [key: string]: string; motto: string }>
  }
}
interface OpenData {
  [key: string]: unknown
  level: 1 | 2
  save: string
}
interface BackOfficeData {
  level: 1 | 2
}

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_equal: Equal<A, B>): void {}

export async function keysAndValues({ session }: FastifyRequest): Promise<void> {
  const visitor = session.get('visitor')
  same<typeof visitor, SessionData['visitor'] | undefined>(true)
  const nickname = session.get('nickname')
  same<typeof nickname, string | undefined>(true)
  const visits = session.visits
  same<typeof visits, number | undefined>(true)

  session.set('visits', 1)
  session.set('visits', undefined)
  session.set('visitor', { name: 'Ada', since: new Date() })
  session.visits = 2
  delete session.visits
  same<ReturnType<typeof session.has>, boolean>(true)
  session.has('visits')
  same<ReturnType<typeof session.delete>, boolean>(true)
  session.delete('visits')
  'visits' in session

  // @ts-expect-error: another type
  session.set('visits', '1')
  // @ts-expect-error: a member is missing
  session.set('visitor', { name: 'Ada' })
  // @ts-expect-error: not a key
  session.set('vists', 1)
  // @ts-expect-error: not a key
  session.get('vists')
  // @ts-expect-error: not a key
  session.has('vists')
  // @ts-expect-error: not a key
  session.delete('vists')
  // @ts-expect-error: not a key
  session.vists
  // @ts-expect-error: another type
  session.visits = '1'
  // @ts-expect-error: may be undefined
  session.visits.toFixed()
  // @ts-expect-error: may be undefined
  session.get('visits').toFixed()
}

export function wholeData({ session }: FastifyRequest): void {
  const data = session.data()
  same<typeof data.visits, number | undefined>(true)
  data.visits = 1
  // @ts-expect-error: another type
  data.visits = '1'
  // @ts-expect-error: not a key
  data.vists
}

export async function keyWithTheNameOfAMethod({ session }: FastifyRequest): Promise<void> {
  const value = session.get('save')
  same<typeof value, string | undefined>(true)
  session.set('save', 'text')
  const saved = session.save()
  same<typeof saved, Promise<void>>(true)
  // @ts-expect-error: a method
  session.save = 'text'
}

export async function methods({ session }: FastifyRequest): Promise<void> {
  same<typeof session.id, string>(true)
  same<typeof session.sessionId, string>(true)
  same<typeof session.isNew, boolean>(true)
  same<typeof session.destroyed, boolean>(true)
  same<typeof session.detached, Detached | undefined>(true)
  same<typeof session.endedBecause, EndReason | undefined>(true)
  same<typeof session.signal, AbortSignal>(true)
  same<typeof session.deviceBound, DeviceBound | undefined>(true)
  // @ts-expect-error: only the plugin says so
  session.deviceBound = 'bound'
  same<typeof session.permanent, boolean>(true)
  session.permanent = true
  // @ts-expect-error: true or false
  session.permanent = 'yes'
  same<typeof session.lifetime, number | undefined>(true)
  session.lifetime = 60
  session.lifetime = undefined
  session.lifetime = null
  // @ts-expect-error: a number of seconds
  session.lifetime = '60'
  // @ts-expect-error: read only
  session.id = 'mine'
  // @ts-expect-error: read only
  session.endedBecause = 'signed-out'
  // @ts-expect-error: read only
  session.signal = new AbortController().signal

  await session.regenerate()
  await session.regenerate(false)
  await session.regenerate(['visits', 'visitor'])
  // @ts-expect-error: not a key
  await session.regenerate(['vists'])
  // @ts-expect-error: no callbacks
  await session.regenerate(() => {})
  // @ts-expect-error: no callbacks
  await session.destroy(() => {})
  // @ts-expect-error: no callbacks
  await session.save(() => {})
  // @ts-expect-error: no callbacks
  await session.reload(() => {})
  // @ts-expect-error: no key
  session.delete()
  // @ts-expect-error: no default
  session.get('visits', 0)
  await session.reload()
  await session.destroy()
  await session.destroy({ reason: 'a text of the application' })
  // @ts-expect-error: not a reason
  await session.destroy({ reason: 401 })
  session.touch()
  const flags: [boolean, boolean] = [session.isModified(), session.isSaved()]

  session.options({ secure: 'auto', sameSite: 'strict' })
  // @ts-expect-error: the browser would store a second cookie
  session.options({ path: '/' })
  // @ts-expect-error: the lifetime of the session sets it
  session.options({ maxAge: 1 })
  // @ts-expect-error: cannot vary
  session.options({ name: 'other' })
  // @ts-expect-error: always true
  session.options({ httpOnly: false })
  // @ts-expect-error: must be lower case
  session.options({ sameSite: 'Lax' })
  void flags
}

export async function anyOtherKey({ open, texts }: FastifyRequest): Promise<void> {
  same<typeof open.level, 1 | 2 | undefined>(true)
  const level = open.get('level')
  same<typeof level, 1 | 2 | undefined>(true)
  same<typeof open.nickname, unknown>(true)
  same<typeof open.id, string>(true)
  same<typeof open.isNew, boolean>(true)
  same<typeof open.permanent, boolean>(true)
  const saved = open.save()
  same<typeof saved, Promise<void>>(true)
  open.set('nickname', 1)
  open.nickname = 1
  await open.regenerate(['nickname', 'level'])
  // @ts-expect-error: not a level
  open.level = 3
  // @ts-expect-error: not a level
  open.set('level', 3)
  // @ts-expect-error: a method
  open.save = 'text'
  same<typeof texts.motto, string | undefined>(true)
  same<typeof texts.other, string | undefined>(true)
  same<typeof texts.isNew, boolean>(true)
  same<ReturnType<typeof texts.save>, Promise<void>>(true)
}

export function twoKinds({ backOffice, session }: FastifyRequest): void {
  const level = backOffice.get('level')
  same<typeof level, 1 | 2 | undefined>(true)
  backOffice.level = 2
  // @ts-expect-error: not a level
  backOffice.set('level', 3)
  // @ts-expect-error: a key of the other session
  backOffice.get('visits')
  // @ts-expect-error: a key of the other session
  session.get('level')
}
