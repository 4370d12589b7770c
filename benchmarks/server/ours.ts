// This plugin, as its README recommends it, with each of its serializers, on Redis and on its memory store.
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import redisSession, { MemoryStore, type SerializerName } from '../../lib/index.js'
import { addRoutes } from './fastify-routes.js'
import { IDLE_SECONDS, listen, SECRET, type Start } from './subject.js'

// No touch is due while it is measured: the peers extend no session either, in their best configuration.
/** Milliseconds. Where the machine stands still for a second, a slice is spoilt, and not the whole run. */
const PATIENCE = 30_000

export const start: Start = async (name, { url }) => {
  const serializer = name.split(' ')[0] as SerializerName
  const kept = name.endsWith('in memory') ? { store: new MemoryStore() } : { redis: url }
  const app = Fastify()
  await app.register(cookie)
  await app.register(redisSession, {
    ...kept,
    serializer,
    secret: SECRET,
    timeout: PATIENCE,
    touchAfter: IDLE_SECONDS / 2
  })
  addRoutes(app, ({ session }) => session.regenerate())
  return listen(app)
}
