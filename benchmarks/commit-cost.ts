// What it costs to compare the revision when nobody is in the way: the same requests, once committed by the store's
// script and once by a plain SET, in alternating batches of one run. Ratios with a 95 % interval; 1 is no cost.
//   npx tsx benchmarks/commit-cost.ts --rounds 60 --requests 400 --parallel 20
import { parseArgs } from 'node:util'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import redisSession, { RedisStore } from '../lib/index.js'
import { provideRedisServer } from '../scripts/redis-binary.js'
import { startServer } from './stress/redis.js'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '60' },
    requests: { type: 'string', default: '400' },
    parallel: { type: 'string', default: '20' }
  }
})
const ROUNDS = Number(values.rounds)
const REQUESTS = Number(values.requests)
const PARALLEL = Number(values.parallel)

/** Overwrites whatever is there. */
class PlainStore extends RedisStore {
  constructor(private readonly plain: Redis) {
    super(plain)
  }

  override async update(key: string, _revision: Uint8Array, record: Uint8Array, expiresAt: number) {
    await this.plain.set(key, Buffer.from(record), 'PX', Math.ceil(expiresAt - Date.now()))
    return 'done' as const
  }
}

process.env.NODE_ENV = 'production'
process.env.REDIS_SERVER = provideRedisServer()
const server = await startServer()
const client = new Redis({ port: server.port, host: '127.0.0.1', enableAutoPipelining: true })
const script = await contender(new RedisStore(client))
const plain = await contender(new PlainStore(client))
const ratios = { process: [] as number[], server: [] as number[], elapsed: [] as number[] }
let commands = { script: 0, plain: 0 }

// The first rounds warm up both.
for (let round = -10; round < ROUNDS; round++) {
  const isFirst = round % 2 === 0
  const first = await measure(isFirst ? script : plain)
  const second = await measure(isFirst ? plain : script)
  const [mine, base] = isFirst ? [first, second] : [second, first]
  if (round < 0) continue
  for (const name of ['process', 'server', 'elapsed'] as const) ratios[name].push(mine[name] / base[name])
  commands = { script: mine.commands, plain: base.commands }
}

console.log(`${ROUNDS} rounds of ${REQUESTS} requests that each change their session, ${PARALLEL} at once`)
console.log(`commands sent for each request: script ${commands.script}, plain SET ${commands.plain}`)
console.log(`CPU of this process: ${interval(ratios.process)} of plain SET`)
console.log(`CPU of Redis:        ${interval(ratios.server)} of plain SET`)
console.log(`time for a batch:    ${interval(ratios.elapsed)} of plain SET`)
await Promise.all([script.close(), plain.close()])
client.disconnect()
await server.stop()

interface Contender {
  request(index: number): Promise<unknown>
  close(): Promise<void>
}

async function contender(store: RedisStore): Promise<Contender> {
  const app = Fastify()
  await app.register(cookie)
  await app.register(redisSession, { store })
  app.get('/', async ({ session }) => {
    const data = session as unknown as { visits?: number; cart?: object }
    data.visits = (data.visits ?? 0) + 1
    data.cart ??= {
      items: Array.from({ length: 10 }, (_, id) => ({ id, name: `article ${id}`, price: 9.5 }))
    }
    return {}
  })
  // A session for each of those at once: nobody is in the way of anybody.
  const jars: string[] = []
  for (let index = 0; index < PARALLEL; index++) {
    const [set] = (await app.inject('/')).cookies
    jars.push(`${set?.name}=${set?.value}`)
  }
  return {
    async request(index) {
      const { statusCode } = await app.inject({ url: '/', headers: { cookie: jars[index % PARALLEL] ?? '' } })
      if (statusCode !== 200) throw new Error(`status ${statusCode}`)
    },
    close: () => app.close()
  }
}

async function measure({ request }: Contender) {
  const before = { cpu: process.cpuUsage(), redis: await redisFigures(), at: performance.now() }
  await Promise.all(
    Array.from({ length: PARALLEL }, async (_, lane) => {
      for (let sent = lane; sent < REQUESTS; sent += PARALLEL) await request(lane)
    })
  )
  const elapsed = performance.now() - before.at
  const { user, system } = process.cpuUsage(before.cpu)
  const redis = await redisFigures()
  return {
    elapsed,
    process: user + system,
    server: redis.cpu - before.redis.cpu,
    commands: (redis.commands - before.redis.commands) / REQUESTS
  }
}

/** Seconds of CPU, and commands as clients sent them: those that scripts call are not counted. */
async function redisFigures(): Promise<{ cpu: number; commands: number }> {
  const info = await client.info('all')
  const numberOf = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1])
  const calls = [...info.matchAll(/^cmdstat_(?:get|evalsha|eval|set):calls=(\d+)/gm)]
  const all = calls.reduce((sum, [, count]) => sum + Number(count), 0)
  const scripts = [...info.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)]
  // Each script that writes calls SET once; its GETRANGE is not among those above.
  const inside = scripts.reduce((sum, [, count]) => sum + Number(count), 0)
  return { cpu: numberOf('used_cpu_user') + numberOf('used_cpu_sys'), commands: all - inside }
}

/** Median, with the interval that holds the true one in 95 of 100 cases: order statistics, no assumption on the shape. */
function interval(values: number[]): string {
  const sorted = [...values].sort((a, b) => a - b)
  const half = 0.98 * Math.sqrt(sorted.length)
  const at = (position: number) =>
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(position)))]?.toFixed(3)
  const middle = (sorted.length - 1) / 2
  return `${at(middle)} (${at(middle - half)} to ${at(middle + half)})`
}
