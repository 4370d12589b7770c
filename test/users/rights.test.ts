// The rights that docs/operations.md names are enough for the option `user`, and none of them is superfluous.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { createApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { startRedis } from '../support/redis-server.js'

const page = readFileSync('docs/operations.md', 'utf8')
const [, basic = ''] = /ACL SETUSER sessions .*(-@all .*)/.exec(page) ?? []
const [, row = ''] = /^\| the option `user` \|(.*)\|$/m.exec(page) ?? []
const rights = row.match(/\+[a-z]+/g) ?? []

t.test('user: works with exactly the rights that are named', async (t) => {
  const redis = await startRedis(t)
  t.ok(rights.length > 5)
  for (const without of [undefined, ...rights]) {
    const given = rights.filter((right) => right !== without)
    const name = `user${without?.slice(1) ?? ''}`
    const rules = ['on', '>pass', 'resetkeys', '~session:*', 'resetchannels', ...basic.split(' '), ...given]
    await redis.client.call('ACL', 'SETUSER', name, ...rules)
    const options = { user: 'userId', maxPerUser: { limit: 1, onFull: 'end-oldest' } } as const
    const start = createApp(t, {
      ...options,
      redis: { port: redis.port, host: '127.0.0.1', username: name, password: 'pass' },
      startUp: 'fail',
      timeout: 10_000
    })
    if (without !== undefined) {
      await t.rejects(start, { code: 'FST_SESSION_STORE_DENIED' }, `the start fails without ${without}`)
      continue
    }
    const app = await start
    app.get('/login', async ({ session }) => session.set('userId', 1))
    for (let logins = 0; logins < 2; logins++) {
      t.equal((await new Browser(app).request('/login')).statusCode, 200)
    }
    t.equal((await app.sessions.of(1)).length, 1)
    t.equal(await app.sessions.endAllOf(1), 1)
  }
})
