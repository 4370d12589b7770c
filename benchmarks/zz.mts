import { createClient } from '../lib/redis-client.js'
import { startSentinel } from '../test/support/sentinel.js'

process.env.REDIS_SERVER = 'redis-server'
const td: any[] = []
const t: any = { teardown: (f: any) => td.push(f) }
const s = await startSentinel(t, { downAfter: 1000 })
console.log(
  'servers',
  s.servers.map((x) => x.port),
  'sentinels',
  s.sentinels
)
const log: any = { warn: (a: any, b: any) => console.log('warn', at(), a, b) }
const c = createClient({ sentinels: s.sentinels, name: s.name } as any, 1000, log)
const t0 = performance.now()
const at = () => Math.round(performance.now() - t0)
for (const e of ['ready', 'close', 'end', 'connect', 'reconnecting'])
  c.on(e, () => console.log(at(), e, c.status))
let last = ''
const iv = setInterval(async () => {
  const r = await c.set('a', '1').then(
    () => 'ok ' + c.stream?.remotePort,
    (e) => String(e.message)
  )
  if (r !== last) {
    console.log(at(), r)
    last = r
  }
}, 50)
await new Promise((r) => setTimeout(r, 1000))
const old = await s.primary()
if (process.argv[2] === 'both') {
  await s.failover()
  console.log(at(), 'failed over')
  await new Promise((r) => setTimeout(r, 4000))
  const o = await s.primary()
  console.log(at(), 'kill', o.port)
  await o.stop()
  await s.promotion(o)
} else if (process.argv[2] === 'kill') {
  console.log(at(), 'kill', old.port)
  await old.stop()
  await s.promotion(old)
} else {
  console.log(at(), 'order')
  await s.failover()
}
console.log(at(), 'promoted', (await s.primary()).port)
await new Promise((r) => setTimeout(r, 8000))
clearInterval(iv)
c.disconnect()
for (const f of td.reverse()) await f()
process.exit()
