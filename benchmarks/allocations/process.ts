// Counts the allocations of requests in a separate process. With an interval of one byte, V8's sampling heap profiler
// samples every object. It counts only the V8 heap; the memory of Buffers lies outside.
import { type HeapProfiler, Session } from 'node:inspector/promises'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance } from 'fastify'
import redisSession, { MemoryStore, type SerializerName } from '../../lib/index.js'
import type { Data } from '../server/contents.js'
import { addRoutes } from '../server/fastify-routes.js'
import { type ScenarioName, scenarioOf } from '../server/scenarios.js'
import { SECRET } from '../server/subject.js'

/** Allocations of a request with the plugin, less those without it. */
export interface Allocated {
  scenario: ScenarioName
  bytes: number
  objects: number
}

/** Requests before the count, after which V8 has optimised the code. */
const WARM_UP = 10_000
const COUNTED = 200

const [, , serializer = ''] = process.argv
const inspector = new Session()
inspector.connect()

const without = await start(useObject)
const withSessions = await start(useSessions)
await begin(without)
const headers = { cookie: await begin(withSessions) }
for (const scenario of ['not looked at', 'read', 'write'] as const) {
  const base = await count(without, scenario)
  const { bytes, objects } = await count(withSessions, scenario)
  const allocated: Allocated = { scenario, bytes: bytes - base.bytes, objects: objects - base.objects }
  process.send?.(allocated)
}
process.disconnect?.()

async function start(addSessions: (app: FastifyInstance) => unknown): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(cookie)
  await addSessions(app)
  addRoutes(app, async () => {})
  return app
}

/** Gives all requests the same object as their session. */
function useObject(app: FastifyInstance): void {
  const session: Data = {}
  app.decorateRequest('session', { getter: () => session as never })
}

async function useSessions(app: FastifyInstance): Promise<void> {
  const options = { serializer: serializer as SerializerName, secret: SECRET }
  await app.register(redisSession, { store: new MemoryStore(), ...options })
}

/** Fills a session, and resolves to its cookie. */
async function begin(app: FastifyInstance): Promise<string> {
  const response = await app.inject({ method: 'POST', url: '/begin?kind=login&user=1' })
  return response.cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
}

async function count(app: FastifyInstance, scenario: ScenarioName): Promise<Omit<Allocated, 'scenario'>> {
  const { method, path } = scenarioOf(scenario)
  const send = async (amount: number) => {
    for (let sent = 0; sent < amount; sent++) {
      const { statusCode, body } = await app.inject({ method, url: path, headers })
      if (statusCode !== 200) throw new Error(`${path} answered ${statusCode} ${body}`)
    }
  }
  await send(WARM_UP)
  const samples = await everyObject(() => send(COUNTED))
  const bytes = samples.reduce((sum, { size }) => sum + size, 0)
  return { bytes: bytes / COUNTED, objects: samples.length / COUNTED }
}

/** All objects that this work allocates, including collected ones. The types of Node 20 lack these protocol fields. */
async function everyObject(work: () => Promise<void>): Promise<readonly { size: number }[]> {
  const collected = { includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true }
  await inspector.post('HeapProfiler.startSampling', { samplingInterval: 1, ...collected })
  await work()
  const { profile } = await inspector.post('HeapProfiler.stopSampling')
  return (profile as HeapProfiler.SamplingHeapProfile & { samples: { size: number }[] }).samples
}
