// A whole application with encryption: sessions work as without it, and what cannot be opened is left alone.
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { expressSession } from '../../lib/adopt/index.js'
import { MemoryStore, type RedisSessionOptions, type SessionInfo } from '../../lib/index.js'
import { isSealed, tryRecord } from '../../lib/records/record.js'
import { sessionOf, signedIn } from '../../lib/testing/index.js'
import * as old from '../adopt/old-application.js'
import type { TestApp } from '../support/app.js'
import { Browser } from '../support/browser.js'
import { gate, until } from '../support/gate.js'
import { type RedisServer, startRedis } from '../support/redis-server.js'
import { key, service, TEXT } from './stage.js'

const encryption = { keys: [key(1)], required: true }

/** The records in Redis, by their keys. */
async function recordsIn({ client }: RedisServer): Promise<Map<string, Buffer>> {
  const records = new Map<string, Buffer>()
  for (const name of await client.keys('session:*')) {
    if ((await client.type(name)) === 'string') records.set(name, (await client.getBuffer(name)) as Buffer)
  }
  return records
}

async function all(app: TestApp): Promise<SessionInfo[]> {
  const found: SessionInfo[] = []
  for await (const info of app.sessions.all()) found.push(info)
  return found
}

async function signIn(app: TestApp, userId = 42): Promise<Browser> {
  const browser = new Browser(app)
  await browser.request(`/login/${userId}`)
  return browser
}

const VARIANTS: Record<string, RedisSessionOptions> = {
  json: {},
  msgpack: { serializer: 'msgpack' },
  'a near cache': { nearCache: true },
  'a near cache, signals and rollback detection': { nearCache: true, signals: true, detectRollback: true },
  'a limit of sessions': { maxPerUser: { limit: 3, onFull: 'end-oldest' } }
}

for (const [name, options] of Object.entries(VARIANTS)) {
  t.test(`a session begins, changes in parallel, moves and ends: ${name}`, async (t) => {
    const redis = await startRedis(t)
    const [app, other] = (await Promise.all(
      [1, 2].map(() => service(t, { redis: redis.url, encryption, ...options }))
    )) as [TestApp, TestApp]
    const browser = await signIn(app)
    const [phone, laptop] = [await signIn(other), await signIn(app)]
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        Object.assign(new Browser(index % 2 ? app : other), { cookies: browser.cookies }).request('/count')
      )
    )
    const seen = () => browser.json<{ count: number }>('/look')
    await until(async () => (await seen()).count === 40)
    t.match(await seen(), { userId: 42, name: TEXT })
    const old = Object.assign(new Browser(other), { cookies: new Map(browser.cookies) })
    await browser.request('/renew')
    await browser.visit(other).request('/count')
    t.match(await browser.json('/look'), { userId: 42, count: 41 })
    t.match(await old.json('/look'), { detached: 'moved' }, 'the tombstone is read')
    t.equal(await browser.json('/devices'), 3)

    const records = await recordsIn(redis)
    t.ok(records.size >= 4)
    for (const [name, record] of records) {
      t.ok(isSealed(record), name)
      t.equal(record.indexOf('nobody may read'), -1)
    }

    const ended = Object.assign(new Browser(app), { cookies: new Map(laptop.cookies) })
    await laptop.request('/logout')
    t.same(await ended.json('/look'), {})
    const told = Object.assign(new Browser(app), { cookies: new Map(phone.cookies) })
    t.equal(await browser.visit(app).json('/end'), 2)
    t.same(await told.json('/reason'), { reason: 'by-user' })
    t.ok([...(await recordsIn(redis)).values()].every(isSealed), 'marks and tombstones, too')
  })
}

t.test('lists, other records and tests of an application', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const app = await service(t, { store: memory, encryption })
  const headers = await signedIn(app, { userId: 7, name: 'Ann' })
  const read = await app.inject({ url: '/count', headers })
  t.equal(read.statusCode, 200)
  t.match(await sessionOf(app, headers), { userId: 7, name: 'Ann', count: 1 })
  const [info] = await all(app)
  t.match(info, { data: { userId: 7, name: 'Ann', count: 1 } })
  const found = await app.sessions.find(info?.id ?? '')
  t.equal(found?.name, 'Ann')
  const session = found as NonNullable<typeof found>
  session.name = 'Bea'
  await session.save()
  t.match(await sessionOf(app, headers), { name: 'Bea' })
  t.equal(await app.sessions.end(info?.id ?? ''), true)
  t.same(await all(app), [])
})

/** Damages the only session of a browser, and says why it is refused. */
async function damaged(
  t: Test,
  damage: (redis: RedisServer, name: string, record: Buffer) => Promise<unknown>
) {
  const redis = await startRedis(t)
  const options = { redis: redis.url, encryption, onUndecodable: 'empty' } as const
  const app = await service(t, options)
  const strict = await service(t, { ...options, onUndecodable: 'error' })
  const browser = await signIn(app)
  const [[name, record] = ['', Buffer.alloc(0)]] = await recordsIn(redis)
  await damage(redis, name, record)
  const bytes = await redis.client.getBuffer(name)
  return { app, browser, bytes, name, redis, strict }
}

const DAMAGES: Record<
  string,
  [RegExp, (redis: RedisServer, name: string, record: Buffer) => Promise<unknown>]
> = {
  'a changed byte': [
    /it was changed or copied from another place/,
    ({ client }, name, record) => {
      const place = record.length - 20
      return client.setrange(name, place, Buffer.of(record.readUInt8(place) ^ 1))
    }
  ],
  'a header with another createdAt': [
    /it was changed or copied from another place/,
    ({ client }, name) => client.setrange(name, 8, 'later!')
  ],
  'the record of another session': [
    /it was changed or copied from another place/,
    async ({ client, url }, name) => {
      const other = await service(t, { redis: url, encryption })
      await signIn(other, 1)
      const [from = ''] = (await client.keys('session:*')).filter(
        (each) => each !== name && !each.includes('user:')
      )
      await client.copy(from, name, 'REPLACE')
      await client.del(from)
    }
  ],
  'a record in the clear': [
    /it is not sealed, and encryption\.required is set/,
    async ({ client, url }, name) => {
      const open = await service(t, { redis: url })
      await signIn(open, 1)
      const [from = ''] = (await client.keys('session:*')).filter(
        (each) => each !== name && !each.includes('user:')
      )
      await client.rename(from, name)
    }
  ],
  'an unknown key': [
    /it is sealed by a key that is not in encryption\.keys/,
    ({ client }, name) => client.setrange(name, 32, '8 others')
  ]
}

for (const [damage, [reason, inflict]] of Object.entries(DAMAGES)) {
  t.test(`what cannot be opened is left alone: ${damage}`, async (t) => {
    const { app, browser, bytes, name, redis, strict } = await damaged(t, inflict)
    t.same(await browser.json('/look'), { detached: 'undecodable' })
    const logged = app.logLines.find(({ level }) => level === 50)
    t.match(logged?.msg, reason)
    t.notMatch(JSON.stringify(app.logLines), TEXT)
    const answer = await browser.visit(strict).request('/look')
    t.match(answer.json(), { code: 'FST_SESSION_UNDECODABLE', message: reason })
    browser.visit(app)
    const { cookies } = browser
    const writer = Object.assign(new Browser(app), { cookies: new Map(cookies) })
    await writer.request('/count')
    t.match(await writer.json('/look'), { count: 1 }, 'what is written begins another session')
    t.ok((await redis.client.getBuffer(name))?.equals(bytes as Buffer), 'the record is as it was')
    const listed = await all(app)
    t.equal(listed.length, 1, 'a list leaves it out')
    await browser.request('/logout')
    const left = await redis.client.getBuffer(name)
    t.notMatch(left && tryRecord(left), { header: { moved: false } }, 'it can be ended')
    t.notOk(left?.equals(bytes as Buffer))
  })
}

t.test('a record that changes into one that cannot be opened, during a request', async (t) => {
  const redis = await startRedis(t)
  const app = await service(t, { redis: redis.url, encryption })
  let name = ''
  app.get<{ Querystring: { id?: string } }>('/spoil', async ({ query, session }) => {
    t.equal(session.userId, 42)
    await redis.client.setrange(name, 14, 'another commit')
    session.name = 'changed'
    if (query.id === 'new') await session.regenerate()
    return {}
  })
  const browser = await signIn(app)
  const [[found, before] = ['', Buffer.alloc(0)]] = await recordsIn(redis)
  name = found
  for (const path of ['/spoil', '/spoil?id=new']) {
    const answer = await browser.request(path)
    t.equal(answer.json().code, 'FST_SESSION_UNDECODABLE')
    t.notMatch(answer.body, TEXT)
    t.equal((await redis.client.getBuffer(name))?.toString('latin1', 14, 28), 'another commit')
    await redis.client.set(name, before, 'KEEPTTL')
  }
  t.match(await browser.json('/look'), { name: TEXT })
})

t.test('a process without the option leaves sealed records alone, and says what is missing', async (t) => {
  const redis = await startRedis(t)
  const browser = await signIn(await service(t, { redis: redis.url, encryption }))
  const before = await recordsIn(redis)
  const app = await service(t, { redis: redis.url })
  t.same(await browser.visit(app).json('/look'), { detached: 'undecodable' })
  t.match(
    app.logLines.find(({ level }) => level === 50),
    { msg: /it is sealed, and the option encryption is not set/ }
  )
  t.same(await recordsIn(redis), before)
})

t.test('a session of another library is adopted once, also if its mark cannot be opened', async (t) => {
  const redis = await startRedis(t)
  const adopt = [expressSession({ secret: old.OLD_SECRET, redis: redis.client })]
  const app = await old.createNewApp(t, { redis: redis.url, adopt, encryption })
  const browser = await old.signedIn(app, redis.client)
  t.same(await browser.json('/look'), { name: 'Ada' })
  const records = await recordsIn(redis)
  t.equal(records.size, 2)
  t.ok([...records.values()].every(isSealed))
  const [[mark] = [''], [session] = ['']] = [...records].sort(([, a], [, b]) => a.length - b.length)
  await redis.client.del(session)
  browser.cookies.delete('__Host-session')
  t.same(await browser.json('/look'), {}, 'the mark stands')
  await redis.client.setrange(mark, 33, 'damaged')
  const answer = await browser.request('/look')
  t.same([answer.statusCode, answer.json()], [200, {}])
  t.ok(await redis.client.exists('sess:old-id'))
})

t.test('signals: a live connection is told when its session ends', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const app = await service(t, { store: memory, encryption, signals: true })
  const open = gate()
  app.get('/wait', async ({ session }) => {
    const { signal } = session
    open.open()
    await once(signal, 'abort')
    return { reason: signal.reason.endedBecause }
  })
  const browser = await signIn(app)
  const waiting = browser.json('/wait')
  await open.passed
  await Object.assign(new Browser(app), { cookies: new Map(browser.cookies) }).request('/logout')
  t.same(await waiting, { reason: 'signed-out' })
})

t.test('in production, sessions in memory are warned of with encryption, too', async (t) => {
  const { NODE_ENV } = process.env
  process.env.NODE_ENV = 'production'
  t.teardown(() => {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = NODE_ENV
  })
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const app = await service(t, { store: memory, encryption })
  t.match(app.logLines, [{ level: 40, msg: /^sessions are kept in memory/ }])
})

t.test('without the option nothing is loaded', (t) => {
  const files = readdirSync('lib', { recursive: true, encoding: 'utf8' }).map((name) => join('lib', name))
  const others = files.filter((file) => file.endsWith('.ts') && !/^lib\/(encryption|cli)\//.test(file))
  const loading = others.flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(
        (line) => /(from|import)[ (]?['"].*\/encryption\//.test(line) && !/^(import|export) type /.test(line)
      )
      .map((line) => `${file}: ${line.trim()}`)
  )
  t.ok(others.length > 100)
  t.same(loading, [
    "lib/plugin/open-store.ts: const { openEncryption } = await import('../encryption/open.js')"
  ])
  t.end()
})
