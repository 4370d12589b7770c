// The recipes of docs/users.md: devices, a new password, a locked account, logout by an identity provider, and a fresh
// confirmation before anything sensitive.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

declare module 'fastify-ioredis-session' {
  interface SessionData {
    userId: number
    /** What the list of devices shows. */
    device: string
    /** The session of the identity provider. */
    sid: string
    /** When the user proved last who they are, in epoch milliseconds. */
    confirmedAt: number
  }
}

/** The accounts of the application. */
export interface Accounts {
  /** The id of the user with this name and password, unless the account is locked. */
  verify(name: string, password: string): Promise<number | undefined>
  setPassword(userId: number, password: string): Promise<void>
  lock(userId: number): Promise<void>
  /** The user and the `sid` of a logout token whose signature was verified. */
  readLogoutToken(token: string): Promise<{ userId: number; sid: string }>
  isAdministrator(userId: number): boolean
}

interface Body {
  name: string
  password: string
  token: string
}

const TEN_MINUTES = 600_000

export function addAccountRoutes(app: FastifyInstance, accounts: Accounts): void {
  app.post<{ Body: Body & { sid?: string } }>('/login', async ({ body, headers, session }, reply) => {
    const userId = await accounts.verify(body.name, body.password)
    if (userId === undefined) return reply.code(401).send({ error: 'wrong name or password' })
    await session.regenerate(false)
    session.userId = userId
    session.device = headers['user-agent']?.slice(0, 200) ?? 'unknown'
    session.confirmedAt = Date.now()
    if (body.sid !== undefined) session.sid = body.sid
    return {}
  })

  app.get('/devices', async ({ session }) => {
    const list = await app.sessions.of(userOf(session))
    return list.map(({ id, createdAt, data, lastUsedAt }) => ({
      ...{ id, createdAt, lastUsedAt, device: data.device },
      isThis: id === session.id
    }))
  })

  app.post<{ Params: { id: string } }>('/devices/:id/end', async ({ params, session }, reply) => {
    const list = await app.sessions.of(userOf(session))
    // Nobody may end the sessions of others.
    if (!list.some(({ id }) => id === params.id)) return reply.code(404).send({ error: 'no such session' })
    await app.sessions.end(params.id, { reason: 'ended-by-user' })
    return {}
  })

  app.post<{ Body: Body }>('/password', { preHandler: confirmed }, async ({ body, session }) => {
    const userId = userOf(session)
    await accounts.setPassword(userId, body.password)
    const ended = await app.sessions.endAllOf(userId, { except: session.id, reason: 'new-password' })
    await session.regenerate()
    return { ended }
  })

  app.post<{ Params: { userId: string } }>('/admin/lock/:userId', async ({ params, session }, reply) => {
    if (!accounts.isAdministrator(userOf(session))) return reply.code(403).send({ error: 'not allowed' })
    const userId = Number(params.userId)
    await accounts.lock(userId) // first, so that nobody signs in afterwards
    return { ended: await app.sessions.endAllOf(userId, { reason: 'ended-by-administrator' }) }
  })

  app.post<{ Body: Body }>('/back-channel-logout', async ({ body }) => {
    const { sid, userId } = await accounts.readLogoutToken(body.token)
    for (const { data, id } of await app.sessions.of(userId)) {
      if (data.sid === sid) await app.sessions.end(id)
    }
    return {}
  })

  app.post<{ Body: Body }>('/confirm', async ({ body, session }, reply) => {
    if ((await accounts.verify(body.name, body.password)) !== userOf(session)) return reply.code(401).send({})
    await session.regenerate()
    session.confirmedAt = Date.now()
    return {}
  })
}

async function confirmed({ session }: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (Date.now() - (session.confirmedAt ?? 0) > TEN_MINUTES) await reply.code(401).send({ error: 'confirm' })
}

function userOf({ userId }: { userId?: number }): number {
  if (userId === undefined) throw Object.assign(new Error('sign in first'), { statusCode: 401 })
  return userId
}
