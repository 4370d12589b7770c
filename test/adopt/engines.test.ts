// Adoption on a cluster, whose keys are on several servers, and with the rights that docs/operations.md names.
import { readFileSync } from 'node:fs'
import { Cluster } from 'ioredis'
import t from 'tap'
import { expressSession, mgcreaSession } from '../../lib/adopt/index.js'
import type { RedisClient } from '../../lib/index.js'
import { Browser } from '../support/browser.js'
import { startCluster } from '../support/cluster.js'
import { startRedis } from '../support/redis-server.js'
import { createNewApp, OLD_SECRET, oldCookie, oldRecord } from './old-application.js'

const adopt = [expressSession({ secret: OLD_SECRET })]

t.test('adopt: on a cluster', async (t) => {
  const { nodes } = await startCluster(t)
  const client = new Cluster(nodes)
  t.teardown(() => client.disconnect())
  const app = await createNewApp(t, { redis: client as RedisClient, adopt })
  // Ids enough for old record, new record and mark to be on different nodes.
  for (let n = 0; n < 10; n++) {
    await client.set(`sess:${n}`, oldRecord({ name: `Ada ${n}` }), 'EX', 100_000)
    const browser = new Browser(app)
    browser.cookies.set('connect.sid', oldCookie(String(n)))
    t.match(await browser.json('/who'), { name: `Ada ${n}` })
    t.ok((await client.ttl(`sess:${n}`)) <= 86_400)
    await browser.request('/sign-out')
    t.equal(await client.exists(`sess:${n}`), 0)
  }
})

t.test('adopt: needs no more rights than the documents name', async (t) => {
  const redis = await startRedis(t)
  const page = readFileSync('docs/operations.md', 'utf8')
  const [, user = ''] = /^(ACL SETUSER sessions .*)$/m.exec(page) ?? []
  const [, further = ''] = /^\| the option `adopt` \| (.*) \|$/m.exec(page) ?? []
  const rights = [...further.matchAll(/`([^`]+)`/g)].flatMap(([, right = '']) => right.split(' '))
  const [command = '', ...args] = [...user.split(' '), ...rights]
  await redis.client.call(command, ...args)
  await redis.client.set('sess:1', oldRecord({ name: 'Ada' }))
  await redis.client.hset('sess:VlH0V-aH3xtx8HgEXQf-v', { data: '{"name":"Grace"}', expiry: '' })
  const secret = 'a secret with at least thirty-two characters'
  const app = await createNewApp(t, {
    redis: redis.url.replace('redis://', 'redis://sessions:password@'),
    adopt: [...adopt, mgcreaSession({ secret })]
  })
  const Session = 'VmxIMFYtYUgzeHR4OEhnRVhRZi12.cCIaswpxyPgZqy84PzfVlZsTDf8iJqYOTKA8xBRZFpU'
  for (const [cookie, value, name] of [
    ['connect.sid', oldCookie('1'), 'Ada'],
    ['Session', Session, 'Grace']
  ] as const) {
    const browser = new Browser(app)
    browser.cookies.set(cookie, value)
    t.match(await browser.json('/who'), { name })
    t.equal((await browser.request('/sign-out')).statusCode, 200)
  }
  t.same(await redis.client.keys('sess:*'), [])
})
