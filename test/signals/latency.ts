// `npm run bench:signals`: how long after the answer to a logout the last socket of that session on another process is
// closed. With --down, the connection that reports it is killed right before.
//   --sockets 100 --rounds 20 --down
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import WebSocket from 'ws'
import { provideRedisServer } from '../../scripts/redis-binary.js'
import { lifetime } from '../support/lifetime.js'
import { startRedis } from '../support/redis-server.js'
import { kill, launch } from '../support/service-process.js'

const { values } = parseArgs({
  options: {
    sockets: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '20' },
    down: { type: 'boolean', default: false }
  }
})
const SOCKETS = Number(values.sockets)
const ROUNDS = Number(values.rounds)

process.env.REDIS_SERVER = provideRedisServer()
const { test, end } = lifetime()
const redis = await startRedis(test)
const program = new URL('service.js', import.meta.url)
const [one, two] = await Promise.all([
  launch(program, { redis: redis.url }),
  launch(program, { redis: redis.url })
])

async function round(): Promise<number> {
  const login = await fetch(`${one.address}/login`)
  const cookie = login.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  const sockets = Array.from(
    { length: SOCKETS },
    () => new WebSocket(`${two.address.replace('http', 'ws')}/socket`, { headers: { cookie } })
  )
  await Promise.all(sockets.map((socket) => once(socket, 'message')))
  const closed = Promise.all(sockets.map((socket) => once(socket, 'close')))
  if (values.down) await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  const { status } = await fetch(`${one.address}/logout`, { headers: { cookie } })
  const answeredAt = performance.now()
  if (status !== 200) throw new Error(`the logout was answered with ${status}`)
  await closed
  return performance.now() - answeredAt
}

const times: number[] = []
for (let done = 0; done < ROUNDS; done++) times.push(await round())
times.sort((a, b) => a - b)
const at = (share: number) => (times[Math.min(ROUNDS - 1, Math.floor(share * ROUNDS))] ?? 0).toFixed(1)
console.log(
  `${ROUNDS} logouts, ${SOCKETS} sockets each: the last socket closed after ${at(0.5)} ms (median), ${at(0.9)} ms (90 %), ` +
    `${at(1)} ms (at most)`
)
await Promise.all([kill(one), kill(two)])
await end()
