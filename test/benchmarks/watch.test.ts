// The count of commands for a request, with a real Redis.
import t from 'tap'
import { watch } from '../../benchmarks/server/watch.js'
import { startRedis } from '../support/redis-server.js'

t.test('count(): commands of one database, a script as one, and no PINGs of others', async (t) => {
  const { client: redis, connect } = await startRedis(t)
  const [own, other, pinging] = [connect({ db: 3 }), connect({ db: 4 }), connect({ db: 3 })]
  await Promise.all([own.ping(), other.ping(), pinging.ping()])
  let isOver = false
  const pings = (async () => {
    while (!isOver) await pinging.ping()
  })()
  for (let times = 0; times < 20; times++) {
    const { commands, executed } = await watch(redis).count(3, 10, async () => {
      for (let request = 0; request < 10; request++) {
        await own.get('key')
        await own.eval("redis.call('SET', KEYS[1], 1) return redis.call('GET', KEYS[1])", 1, 'key')
        await other.get('key')
      }
    })
    t.equal(commands, 2)
    // A read of each database, the script, and the two commands that it calls.
    t.equal(executed, 5)
  }
  isOver = true
  await pings
})
