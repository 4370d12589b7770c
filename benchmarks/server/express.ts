// express-session with connect-redis on Express, as its README recommends, with an auto-pipelining client.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { RedisStore } from 'connect-redis'
import express, { type Request } from 'express'
import session from 'express-session'
import { type Cart, contentOf, type Data, type Kind, quantityOf } from './contents.js'
import { SECRET, type Start } from './subject.js'

export const start: Start = async (_name, { connect }) => {
  const app = express()
  // Turns off features of Express that the other subjects do not have.
  app.disable('etag')
  app.disable('x-powered-by')
  app.use(
    session({
      secret: SECRET,
      store: new RedisStore({ client: connect({ enableAutoPipelining: true }) }),
      resave: false,
      saveUninitialized: false,
      cookie: { sameSite: 'lax' }
    })
  )
  app.get('/plain', (_request, response) => {
    response.json({ answer: 'plain' })
  })
  app.get('/read', (request, response) => {
    response.json({ userId: dataOf(request).userId })
  })
  app.get('/object', (request, response) => {
    const data = dataOf(request)
    response.json({ userId: data.userId, quantity: quantityOf(data) })
  })
  app.post('/change', (request, response) => {
    const data = dataOf(request)
    const [item] = (data.cart as Cart).items
    item.quantity++
    response.json({ userId: data.userId, quantity: item.quantity })
  })
  app.post('/write', (request, response) => {
    const data = dataOf(request)
    data.count = (data.count ?? 0) + 1
    response.json({ userId: data.userId, count: data.count })
  })
  let stamps = 0
  app.post('/stamp', (request, response) => {
    const data = dataOf(request)
    data.stamp = ++stamps
    response.json({ userId: data.userId, stamp: data.stamp })
  })
  app.post('/login', async (request, response) => {
    const { cookie: _cookie, ...data } = request.session
    await regenerate(request)
    Object.assign(request.session, data, { signedInAt: Date.now() })
    response.json({ userId: dataOf(request).userId })
  })
  app.post('/begin', (request, response) => {
    const { kind, user } = request.query
    Object.assign(request.session, contentOf(kind as Kind, Number(user)))
    response.json({})
  })
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port }
}

function dataOf(request: Request): Data {
  return request.session as unknown as Data
}

function regenerate({ session }: Request): Promise<void> {
  return new Promise((resolve, reject) => session.regenerate((error) => (error ? reject(error) : resolve())))
}
