// This plugin, as its README recommends, with each of its serializers, on Redis, with a near cache, and on its memory
// store.
import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import redisSession, { MemoryStore, type SerializerName } from '../../lib/index.js'
import { type Cart, type Data, quantityOf } from './contents.js'
import { addRoutes } from './fastify-routes.js'
import { IDLE_SECONDS, listen, SECRET, type Start } from './subject.js'

/** The plugin's `timeout` in milliseconds. If the machine pauses for a second, that spoils a slice but not the run. */
const PATIENCE = 30_000
interface Peeking extends Data {
  peek(key: 'cart'): Cart
}

/** Enough for the largest session of the part `growth`. */
const MAX_RECORD_BYTES = 2 ** 21

export const start: Start = async (name, { url }) => {
  const serializer = name.split(/[ ,]/)[0] as SerializerName
  const kept = name.endsWith('in memory')
    ? { store: new MemoryStore() }
    : { redis: url, nearCache: name.endsWith('near cache') }
  const app = Fastify()
  await app.register(cookie)
  await app.register(redisSession, {
    ...kept,
    ...(name.endsWith('encrypted') && { encryption: { keys: [randomBytes(32)], required: true } }),
    serializer,
    secret: SECRET,
    timeout: PATIENCE,
    maxRecordBytes: MAX_RECORD_BYTES,
    // No touch is due during the measurement, because the peers in their best configuration extend no session either.
    touchAfter: IDLE_SECONDS / 2
  })
  addRoutes(app, ({ session }) => session.regenerate())
  app.get('/peek', async (request) => {
    const session = request.session as Peeking
    return { userId: session.userId, quantity: quantityOf({ cart: session.peek('cart') }) }
  })
  return listen(app)
}
