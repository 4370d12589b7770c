// This plugin, as its README recommends it, with each of its serializers, on Redis and on its memory store.
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import redisSession, { MemoryStore, type SerializerName } from '../../lib/index.js'
import { addRoutes } from './fastify-routes.js'
import { IDLE_SECONDS, listen, SECRET, type Start } from './subject.js'

/** Milliseconds. If the machine stands still for a second, one slice is spoilt instead of the whole run. */
const PATIENCE = 30_000
/** Of the largest session that the part `growth` measures. */
const MAX_RECORD_BYTES = 2 ** 21

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
    maxRecordBytes: MAX_RECORD_BYTES,
    // No touch is due while it is measured: the peers extend no session either, in their best configuration.
    touchAfter: IDLE_SECONDS / 2
  })
  addRoutes(app, ({ session }) => session.regenerate())
  return listen(app)
}
