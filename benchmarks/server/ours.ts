// This plugin, as its README recommends it, with each of its serializers, on Redis and on its memory store.
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import redisSession, { MemoryStore, type SerializerName } from '../../lib/index.js'
import { addRoutes } from './fastify-routes.js'
import { listen, SECRET, type Start } from './subject.js'

/** Milliseconds. Where the machine stands still for a second, a slice is spoilt, and not the whole run. */
const PATIENCE = 30_000

export const start: Start = async (name, { connect }) => {
  const serializer = name.split(' ')[0] as SerializerName
  const kept = name.endsWith('in memory')
    ? { store: new MemoryStore() }
    : { redis: connect({ enableAutoPipelining: true }) }
  const app = Fastify()
  await app.register(cookie)
  await app.register(redisSession, { ...kept, serializer, secret: SECRET, timeout: PATIENCE })
  addRoutes(app, ({ session }) => session.regenerate())
  return listen(app)
}
