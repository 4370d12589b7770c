// Ways to connect to Redis: TLS, sockets, databases, prefixes, passwords, and a user with minimal permissions.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import { Redis } from 'ioredis'
import t from 'tap'
import { Browser } from '../support/browser.js'
import { until } from '../support/gate.js'
import { startRedis } from '../support/redis-server.js'
import { startTlsRedis } from '../support/tls.js'
import {
  COMMANDS,
  createService,
  fields,
  isHarmless,
  liveWholeLife,
  login,
  OPTIONAL_COMMANDS,
  post
} from './service.js'

const host = '127.0.0.1'

t.test('TLS', async (t) => {
  const { ca, tlsPort } = await startTlsRedis(t)
  await t.test('with the certificate of a private authority', async (t) => {
    await liveWholeLife(t, await createService(t, { redis: { host, port: tlsPort, tls: { ca } } }))
  })
  await t.test('through a client of the application', async (t) => {
    const redis = new Redis(`rediss://${host}:${tlsPort}`, { tls: { ca } })
    t.teardown(() => redis.disconnect())
    await liveWholeLife(t, await createService(t, { redis }))
  })
  await t.test('a server certificate of an unknown authority is refused', async (t) => {
    const app = await createService(t, { redis: `rediss://${host}:${tlsPort}` })
    isHarmless(t, await post(new Browser(app), '/login'), 503, 'FST_SESSION_UNAVAILABLE')
  })
})

t.test('TLS with client certificates', async (t) => {
  const { ca, foreign, own, tlsPort } = await startTlsRedis(t, 'yes')
  const by = (tls: TlsOptions) => ({ host, port: tlsPort, tls: { ca, ...tls } })
  await t.test('a certificate of the known authority works', async (t) => {
    await liveWholeLife(t, await createService(t, { redis: by(own), startUp: 'fail' }))
  })
  const refused = {
    'no certificate is refused': [by({}), /ERR_SSL_\S+_CERTIFICATE_REQUIRED/],
    'no certificate with TLS 1.2 is refused': [
      by({ maxVersion: 'TLSv1.2' }),
      /ERR_SSL_\S+_HANDSHAKE_FAILURE/
    ],
    'a certificate of another authority is refused': [by(foreign), /ERR_SSL_\S+_UNKNOWN_CA/]
  } as const
  for (const [how, [redis, cause]] of Object.entries(refused)) {
    await t.test(how, async (t) => {
      const timeout = 2_000
      const start = createService(t, { redis, timeout, startUp: 'fail' })
      await t.rejects(start, { code: 'FST_SESSION_UNAVAILABLE', message: /ERR_SSL|ECONNRESET|EPIPE/ })
      const app = await createService(t, { redis, timeout })
      const login = () => post(new Browser(app), '/login')
      isHarmless(t, await login(), 503, 'FST_SESSION_UNAVAILABLE')
      // With TLS 1.3 Redis closes the connection right after the alert. The client may see the close first.
      await until(async () => cause.test((await login()).body))
      for (let request = 1; request <= 3; request++) {
        const response = await login()
        isHarmless(t, response, 503, 'FST_SESSION_UNAVAILABLE')
        t.match(response.json().message, cause, 'later errors have the same cause')
      }
      t.notMatch(JSON.stringify(app.logLines), 'BEGIN', 'the log has no key and no certificate')
    })
  }
})

t.test('unix socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'session-socket-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'redis.sock')
  const { client } = await startRedis(t, '--unixsocket', path)
  for (const [how, redis] of Object.entries({ options: { path }, path, URL: `unix://${path}` })) {
    await t.test(`as ${how}`, async (t) => {
      await liveWholeLife(t, await createService(t, { redis }))
      t.match(await client.client('LIST'), path, 'the server has a client on the socket')
    })
  }
})

t.test("db and keyPrefix: sessions in another database under the client's prefix", async (t) => {
  const { client, connect, port, url } = await startRedis(t)
  const inThree = connect({ db: 3 })
  const services = {
    'as options': { redis: { host, port, db: 3, keyPrefix: 'shop:' } },
    'in a client': { redis: connect({ db: 3, keyPrefix: 'shop:' }) }
  }
  for (const [how, options] of Object.entries(services)) {
    await t.test(how, async (t) => {
      const app = await createService(t, options)
      await liveWholeLife(t, app)
      await login(t, app)
      for (const key of await inThree.keys('*')) t.match(key, /^shop:session:[\w-]{43}$/)
      t.equal(await client.dbsize(), 0, 'other databases stay empty')
    })
  }
  await t.test('as a URL', async (t) => {
    await inThree.flushall()
    await login(t, await createService(t, { redis: `${url}/3` }))
    t.equal(await inThree.dbsize(), 1)
  })
})

t.test('db: a missing database is an error, and no other is used', async (t) => {
  const { client, port } = await startRedis(t)
  const app = await createService(t, { redis: { host, port, db: 99 } })
  isHarmless(t, await post(new Browser(app), '/login'), 503, 'FST_SESSION_UNAVAILABLE')
  t.equal(await client.dbsize(), 0)
})

t.test('password', async (t) => {
  const { client, port } = await startRedis(t)
  await client.config('SET', 'requirepass', 'open sesame')
  await t.test('the right one works', async (t) => {
    await liveWholeLife(t, await createService(t, { redis: { host, port, password: 'open sesame' } }))
    await liveWholeLife(t, await createService(t, { redis: `redis://:open%20sesame@${host}:${port}` }))
  })
  for (const [how, redis] of Object.entries({
    'a wrong one': { host, port, password: 'open barley' },
    'a wrong one with RESP2': { host, port, password: 'open barley', protocol: 2 as const },
    none: { host, port }
  })) {
    await t.test(`${how} is refused`, async (t) => {
      const app = await createService(t, { redis })
      for (let request = 1; request <= 3; request++) {
        isHarmless(t, await post(new Browser(app), '/login'), 500, 'FST_SESSION_STORE_DENIED')
      }
      t.notMatch(JSON.stringify(app.logLines), 'barley', 'the log does not contain it')
    })
  }
})

t.test('ACL: a user with the minimal permissions', async (t) => {
  // ioredis warns about commands that it may not use.
  t.capture(console, 'warn', () => {})
  const server = await startRedis(t, '--repl-diskless-sync-delay', '0')
  const { client, port } = server
  const as = (username: string) => ({ host, port, username, password: 'pw' })
  const grant = (name: string, commands: string[]) =>
    client.call(
      'ACL',
      'SETUSER',
      name,
      ...['reset', 'on', '>pw', '~session:*', ...commands.map((command) => `+${command}`)]
    )
  await grant('sessions', COMMANDS)

  await t.test('the whole life of a session works', async (t) => {
    await client.call('ACL', 'LOG', 'RESET')
    for (const protocol of [2, 3] as const) {
      await client.script('FLUSH')
      await liveWholeLife(t, await createService(t, { redis: { ...as('sessions'), protocol } }))
    }
    const log = (await client.call('ACL', 'LOG')) as unknown[]
    const denied = new Set(log.map((entry) => fields(entry).object))
    for (const command of OPTIONAL_COMMANDS) denied.delete(command)
    t.same([...denied], [], 'nothing else was denied')
  })

  await t.test('another database needs SELECT, and replicas need WAIT', async (t) => {
    const replica = await startRedis(t)
    await replica.client.replicaof(host, port)
    await until(async () => (await client.info('replication')).includes('state=online'))
    await grant('more', [...COMMANDS, 'select', 'wait'])
    for (const missing of ['select', 'wait', 'nothing']) {
      await client.call(
        'ACL',
        'SETUSER',
        'more',
        '+select',
        '+wait',
        ...(missing === 'nothing' ? [] : [`-${missing}`])
      )
      const redis = { ...as('more'), db: 3 }
      const app = await createService(t, { redis, replicas: 1, replicaTimeout: 5_000, timeout: 20_000 })
      if (missing === 'nothing') await liveWholeLife(t, app)
      else if (missing === 'select') {
        isHarmless(t, await post(new Browser(app), '/login'), 500, 'FST_SESSION_STORE_DENIED')
      } else {
        const response = await post(new Browser(app), '/login')
        isHarmless(t, response, 503, 'FST_SESSION_NOT_REPLICATED')
        t.match(response.json().message, 'WAIT failed with NOPERM')
      }
    }
  })

  await t.test('docs/operations.md shows the same permissions', (t) => {
    const [, rights] = /ACL SETUSER sessions (.*)/.exec(readFileSync('docs/operations.md', 'utf8')) ?? []
    const commands = COMMANDS.map((command) => `+${command}`).join(' ')
    t.equal(rights, `on >password resetkeys ~session:* resetchannels -@all ${commands}`)
    t.end()
  })

  await t.test('other keys and commands are refused', async (t) => {
    await client.set('other', 'secret')
    const user = server.connect(as('sessions'))
    await t.rejects(user.get('other'), /NOPERM/)
    await t.rejects(user.eval("return redis.call('GET', 'other')", 0), /.*/)
    await t.rejects(user.keys('*'), /NOPERM/)
    await t.rejects(user.flushall(), /NOPERM/)
    await t.rejects(user.config('GET', '*'), /NOPERM/)
    const app = await createService(t, { redis: as('sessions'), prefix: 'other:' })
    isHarmless(t, await post(new Browser(app), '/login'), 500, 'FST_SESSION_STORE_DENIED')
  })

  // Without MGET each read is a GET: see test/stores/batcher.test.ts.
  for (const missing of COMMANDS.filter((command) => command !== 'mget')) {
    await t.test(`without ${missing} sessions fail`, async (t) => {
      await client.script('FLUSH')
      await grant(
        'poorer',
        COMMANDS.filter((command) => command !== missing)
      )
      const app = await createService(t, { redis: as('poorer') })
      const browser = new Browser(app)
      const codes = new Set<string | undefined>()
      for (const url of ['/login', '/touch', '/count', '/regenerate', '/logout']) {
        codes.add((await post(browser, url)).json().code)
      }
      codes.delete(undefined)
      // A refused touch is a log line, not an error of the request.
      const untouched = app.logLines.map(
        ({ session }) => session as { type?: string; reason?: string } | undefined
      )
      for (const event of untouched) if (event?.type === 'untouched') codes.add(event.reason)
      t.same([...codes], ['FST_SESSION_STORE_DENIED'])
    })
  }
})
