// How commands reach Redis: one server, a cluster, Sentinel and TLS, with secrets that no message shows.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Cluster } from 'ioredis'
import t from 'tap'
import { startCluster } from '../support/cluster.js'
import { freePort, startRedis } from '../support/redis-server.js'
import { startSentinel } from '../support/sentinel.js'
import { startTlsRedis } from '../support/tls.js'
import { command, json, start } from './command.js'
import { put } from './records.js'
import { deploy } from './service.js'

t.test('cluster: reads, converts and ends on every primary', async (t) => {
  const { nodes, primaries } = await startCluster(t)
  const cluster = new Cluster(nodes)
  t.teardown(() => cluster.disconnect())
  for (let number = 0; number < 60; number++) await put(cluster as never, { number })
  const [{ host, port } = { host: '', port: 0 }] = nodes
  const one = ['--cluster', '--redis', `redis://${host}:${port}`]
  t.match(await json('', ['stats', ...one]), [{ living: 60, serializers: { json: 60 } }])
  t.match(await json('', ['convert', '--to', 'msgpack', '-y', ...one]), [{ converted: 60 }])
  t.equal((await json('', ['list', ...one])).length, 60)
  for (const { client } of primaries) t.ok((await client.dbsize()) > 0)
  t.match(await json(`redis://${host}:${port}`, ['end', '--all', '-y', '--cluster']), [{ ended: 60 }])
  t.match(await json('', ['stats', ...one]), [{ living: 0 }])
  t.match(await json('', ['verify', ...one]), [{ undecodable: 0 }])
})

t.test('cluster: end --user', async (t) => {
  const { nodes } = await startCluster(t)
  const [{ host, port } = { host: '', port: 0 }] = nodes
  const cluster = new Cluster(nodes)
  t.teardown(() => cluster.disconnect())
  const { signIn } = await deploy(t, cluster as never)
  const people = await Promise.all([1, 1, 2].map(signIn))
  t.match(await json(`redis://${host}:${port}`, ['end', '--user', '1', '-y', '--cluster']), [{ ended: 2 }])
  t.same(
    await Promise.all(
      people.map(async ({ browser }) => (await browser.json<{ userId?: number }>('/who')).userId)
    ),
    [undefined, undefined, 2]
  )
})

t.test('sentinel: follows the primary', async (t) => {
  const { failover, name, primary, replicated, sentinels } = await startSentinel(t)
  const addresses = sentinels.map(({ host, port }) => `${host}:${port}`).join(',')
  const through = ['--sentinel', `${name},${addresses}`]
  const { client } = await primary()
  await put(client, { a: 1 })
  await replicated()
  t.match(await json('', ['stats', ...through]), [{ living: 1 }])
  const promoted = await failover()
  await put(promoted.client, { b: 1 })
  t.match(await json('redis://127.0.0.1:1/0', ['convert', '--to', 'msgpack', '-y', ...through]), [
    { converted: 2 }
  ])
  t.equal(await promoted.client.dbsize(), 2)
  const unknown = await command('', ['stats', '--timeout', '500', '--sentinel', `other,${addresses}`])
  t.match(unknown, { code: 1, stderr: /error: .*other of the sentinels at/ })
  for (const bad of [name, `,${addresses}`, `${name},::::`]) {
    t.match(await command('', ['stats', '--sentinel', bad]), {
      code: 2,
      stderr: /--sentinel needs a name|must be an address/
    })
  }
})

t.test('account, database and TLS come from the URL, also for Sentinel and a cluster', async (t) => {
  const { client, port } = await startRedis(t)
  await client.call('ACL', 'SETUSER', 'ops', 'on', '>p@ss/wörd', '~*', '&*', '+@all')
  await client.config('SET', 'requirepass', 'other')
  const account = `ops:${encodeURIComponent('p@ss/wörd')}`
  await client.select(3)
  await put(client, { a: 1 })
  t.match(await json(`redis://${account}@127.0.0.1:${port}/3`, ['stats']), [{ living: 1 }])
  t.match(await json(`redis://${account}@127.0.0.1:${port}/0`, ['stats']), [{ living: 0 }])

  const { sentinels, name, servers } = await startSentinel(t)
  for (const server of servers)
    await server.client.call('ACL', 'SETUSER', 'ops', 'on', '>p@ss/wörd', '~*', '&*', '+@all')
  for (const server of servers)
    await server.client.call('ACL', 'SETUSER', 'default', 'on', 'nopass', '-@write')
  const { host, port: sentinelPort } = sentinels[0] ?? { host: '', port: 0 }
  const through = ['--sentinel', `${name},${host}:${sentinelPort}`]
  t.match(await command('', ['doctor', ...through]), { code: 1, stdout: /denies access/ })
  t.match((await command(`redis://${account}@anywhere`, ['doctor', ...through])).stdout, /^✓ {2}records/m)

  const tls = await startTlsRedis(t)
  await put(tls.client, { a: 1 })
  const file = join(t.testdir({}), 'ca.pem')
  writeFileSync(file, tls.ca)
  process.env.NODE_EXTRA_CA_CERTS = file
  const child = start(`rediss://127.0.0.1:${tls.tlsPort}`, ['stats', '--json'])
  delete process.env.NODE_EXTRA_CA_CERTS
  t.match(JSON.parse(await text(child.stdout as NodeJS.ReadableStream)), { living: 1 })
  const untrusted = await command(`rediss://127.0.0.1:${tls.tlsPort}`, ['stats', '--timeout', '2000'])
  t.match(untrusted, { code: 1, stderr: /SELF_SIGNED_CERT|UNABLE_TO_VERIFY/ })
  const cluster = await command(`rediss://127.0.0.1:${tls.tlsPort}`, [
    'stats',
    '--cluster',
    '--timeout',
    '500'
  ])
  t.match(cluster, { code: 1, stderr: /no answer within 500 ms|failed with/ })
})

t.test('errors: no message shows a password', async (t) => {
  const port = await freePort()
  const { client, port: open, url } = await startRedis(t)
  await put(client, {})
  const secret = 'hunter2'
  const cases: [args: string[], code: number, said: RegExp][] = [
    [
      ['--redis', `redis://user:${secret}@127.0.0.1:${port}`],
      1,
      /the connection to 127\.0\.0\.1:\d+ failed with ECONNREFUSED/
    ],
    [['--redis', `redis://user:${secret}@127.0.0.1:${open}`], 1, /denies access.*WRONGPASS/],
    [['--redis', `http://user:${secret}@127.0.0.1:${open}`], 2, /must be a URL that begins with redis/],
    [['--redis', `redis://user:${secret}%@127.0.0.1`], 2, /is not a valid URL/],
    [['--cluster', '--redis', `redis://user:${secret}@127.0.0.1:${port}`], 1, /no answer within|failed with/],
    [['--cluster', '--redis', `redis://user:${secret}@127.0.0.1:${open}`], 1, /no answer within|failed with/],
    [['--redis', url, '--redis', `redis://:${secret}@127.0.0.1`], 2, /add --cluster, or keep one/],
    [['--redis', `redis://:${secret}@h`, '--cluster', '--sentinel', 'a,b:1'], 2, /exclude each other/]
  ]
  for (const [args, code, said] of cases) {
    const ended = await command(url, ['stats', '--json', '--timeout', '500', ...args])
    t.equal(ended.code, code, args.join(' '))
    t.match(ended.stderr, said)
    t.equal(ended.stdout, '', 'nothing but JSON belongs there')
    t.notMatch(ended.stderr, secret)
  }
})

t.test('errors: a Redis that denies PTTL, and one that goes away', async (t) => {
  const { client, port, stop, url } = await startRedis(t)
  await client.call('ACL', 'SETUSER', 'limited', 'on', '>pass', '~*', '&*', '+@all', '-pttl')
  const handle = await put(client, {})
  const denied = await command(`redis://limited:pass@127.0.0.1:${port}`, ['convert', '--to', 'msgpack', '-y'])
  t.match(denied, { code: 1, stderr: /denies access.*PTTL was refused with NOPERM/ })
  t.match(await command(`redis://limited:pass@127.0.0.1:${port}`, ['show', handle]), {
    code: 1,
    stderr: /PTTL/
  })
  await stop()
  t.match(await command(url, ['list']), { code: 1, stderr: /ECONNREFUSED/ })
})
