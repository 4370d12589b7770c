// A fast session written by hand without a plugin: the limit to beat. It uses one GET that shares its round trip with
// other requests, JSON, and a SET if a route saves its changes. It has no signature, no extension of lifetimes and no
// protection against lost updates.
import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { type Begin, type Cart, contentOf, type Data, quantityOf } from './contents.js'
import { IDLE_SECONDS, listen, type Start } from './subject.js'

/** A request with the type of this session, because `request.session` is declared with the plugin's type. */
type OwnRequest = Omit<FastifyRequest, 'session'> & { session: Data; sessionKey: string }

const COOKIE = 'sid'
const ATTRIBUTES = { path: '/', httpOnly: true, sameSite: 'lax', secure: true } as const

export const start: Start = async (_name, { connect }) => {
  const redis = connect({ enableAutoPipelining: true })
  const app = Fastify()
  await app.register(cookie)
  app.decorateRequest('session', null as never)
  app.decorateRequest('sessionKey', '')
  app.addHook('onRequest', async (plain) => {
    const request = plain as unknown as OwnRequest
    const id = request.cookies[COOKIE]
    if (id === undefined) return
    const json = await redis.get(`session:${id}`)
    if (json === null) return
    request.sessionKey = `session:${id}`
    request.session = JSON.parse(json)
  })

  const save = ({ sessionKey, session }: OwnRequest) =>
    redis.set(sessionKey, JSON.stringify(session), 'EX', IDLE_SECONDS)
  const begin = (request: OwnRequest, reply: FastifyReply, session: Data) => {
    const id = randomBytes(32).toString('base64url')
    request.sessionKey = `session:${id}`
    request.session = session
    reply.setCookie(COOKIE, id, ATTRIBUTES)
    return save(request)
  }

  app.get('/plain', async () => ({ answer: 'plain' }))
  app.get('/read', async (plain) => {
    const { session } = plain as unknown as OwnRequest
    return { userId: session.userId }
  })
  for (const path of ['/object', '/peek']) {
    app.get(path, async (plain) => {
      const { session } = plain as unknown as OwnRequest
      return { userId: session.userId, quantity: quantityOf(session) }
    })
  }
  app.post('/change', async (plain) => {
    const request = plain as unknown as OwnRequest
    const [item] = (request.session.cart as Cart).items
    item.quantity++
    await save(request)
    return { userId: request.session.userId, quantity: item.quantity }
  })
  app.post('/write', async (plain) => {
    const request = plain as unknown as OwnRequest
    const { session } = request
    session.count = (session.count ?? 0) + 1
    await save(request)
    return { userId: session.userId, count: session.count }
  })
  let stamps = 0
  app.post('/stamp', async (plain) => {
    const request = plain as unknown as OwnRequest
    const { session } = request
    session.stamp = ++stamps
    await save(request)
    return { userId: session.userId, stamp: session.stamp }
  })
  app.post('/login', async (plain, reply) => {
    const request = plain as unknown as OwnRequest
    const { session, sessionKey } = request
    session.signedInAt = Date.now()
    await Promise.all([begin(request, reply, session), redis.del(sessionKey)])
    return { userId: session.userId }
  })
  app.post<{ Querystring: Begin }>('/begin', async (plain, reply) => {
    const { kind, user } = plain.query
    await begin(plain as unknown as OwnRequest, reply, contentOf(kind, Number(user)))
    return {}
  })
  return listen(app)
}
