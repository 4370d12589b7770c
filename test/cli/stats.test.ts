// `stats`: what is stored, counted by the headers.
import t from 'tap'
import { expressSession } from '../../lib/adopt/index.js'
import { serializers } from '../../serializers/index.js'
import { createNewApp, oldRecord, signedIn } from '../adopt/old-application.js'
import { startRedis } from '../support/redis-server.js'
import { command, json } from './command.js'
import { newHandle, put, recordOf } from './records.js'

const MINUTE = 60_000
const DAY = 1_440 * MINUTE

interface Counted {
  [name: string]: unknown
  serializers: Record<string, number>
  schemaVersions: Record<string, number>
  age: { upTo: number | null; count: number }[]
  unused: { upTo: number | null; count: number }[]
  size: { upTo: number | null; count: number }[]
  foreign: object[]
}

t.test('stats: counts by serializer, schema version, age, use, size and state', async (t) => {
  const { client, url } = await startRedis(t)
  const now = Date.now()
  const { msgpack } = serializers
  for (let number = 0; number < 30; number++)
    await put(client, { number }, { schemaVersion: 2, permanent: true })
  for (let number = 0; number < 10; number++)
    await put(client, new Uint8Array(1_000), {
      tag: msgpack.tag,
      createdAt: now - 5 * DAY,
      touchedAt: now - 2 * MINUTE
    })
  await put(client, new Uint8Array(70_000), { tag: 99, createdAt: now - 1_000 * DAY })
  await client.set(`session:${newHandle()}`, recordOf('', { moved: true }).bytes)
  await client.set(`session:${newHandle()}`, recordOf('').bytes.subarray(0, 9))
  await client.set(`session:${newHandle()}`, 'a text')
  await client.hset(`session:${newHandle()}`, 'a', 'hash')
  await client.zadd('session:user:someone', 1, 'member')
  await client.set('session:short', 'of another part')

  const [counted] = await json<Counted>(url, ['stats'])
  t.match(counted, {
    prefix: 'session:',
    ...{ living: 41, permanent: 30, tombstones: 1, broken: 1, notRecords: 2, largest: 70_032 },
    serializers: { json: 30, msgpack: 10, 'tag 99': 1 },
    schemaVersions: { 2: 30, 0: 11 },
    foreign: []
  })
  const filled = (classes: Counted['age'] = []) => classes.filter(({ count }) => count > 0)
  t.same(filled(counted?.age), [
    { upTo: MINUTE, count: 30 },
    { upTo: 7 * DAY, count: 10 },
    { upTo: null, count: 1 }
  ])
  t.same(filled(counted?.unused), [
    { upTo: MINUTE, count: 31 },
    { upTo: 10 * MINUTE, count: 10 }
  ])
  t.same(filled(counted?.size), [
    { upTo: 64, count: 30 },
    { upTo: 4_096, count: 10 },
    { upTo: null, count: 1 }
  ])

  const { code, stdout } = await command(url, ['stats'], { columns: 60 })
  t.equal(code, 0)
  for (const line of [
    /^Sessions under session: at 127\.0\.0\.1:\d+$/m,
    /^living +41 {2}\d+ KiB, .* each, the largest 68 KiB$/m,
    /^permanent +30 {2}73\.2 %$/m,
    /^tombstones +1 /m,
    /^unreadable +3 {2}1 damaged or later, 2 of other programs; verify lists them$/m,
    /^json +30 +73\.2 % {2}█{20}$/m,
    /^msgpack +10 +24\.4 % {2}█{6}▋$/m,
    /^≤ 1 min +30 +73\.2 % {2}█{20}$/m,
    /^> 365 d +1 +2\.4 % {2}▋$/m,
    /^≤ 64 B +30 /m,
    /^≤ 128 B +0 +0\.0 %$/m,
    /^> 64 KiB +1 /m
  ])
    t.match(stdout, line)
  for (const line of stdout.split('\n').slice(8)) t.ok(line.length <= 60, line)
})

t.test('stats: an empty store, another prefix, and any number of schema versions', async (t) => {
  const { client, url } = await startRedis(t)
  t.match((await command(url, ['stats'])).stdout, /^living +0 {2}0 B, 0 B each/m)
  for (let version = 0; version < 130; version++)
    await put(client, {}, { schemaVersion: version, prefix: 'p:' })
  const [counted] = await json<Counted>(url, ['stats', '--prefix', 'p:'])
  t.equal(Object.keys(counted?.schemaVersions ?? {}).length, 101)
  t.equal(counted?.schemaVersions.others, 30)
  t.match(await json(url, ['stats']), [{ living: 0 }])
})

t.test('stats: colours on a terminal that has them, unless NO_COLOR is set', async (t) => {
  const { client, url } = await startRedis(t)
  await put(client, {})
  t.match((await command(url, ['stats'], { isColoured: true })).stdout, '\u001b[36m█')
  t.notMatch((await command(url, ['stats'], { isColoured: true, env: { NO_COLOR: '1' } })).stdout, '\u001b')
  t.notMatch((await command(url, ['stats'])).stdout, '\u001b')
})

t.test('stats: sessions of other libraries that are left to adopt', async (t) => {
  const { client, url } = await startRedis(t)
  const app = await createNewApp(t, {
    redis: url,
    prefix: 'ours:',
    adopt: [expressSession({ secret: 'a secret of the old application' })]
  })
  for (const id of ['a', 'b', 'c']) {
    const browser = await signedIn(app, client, { id })
    if (id === 'a') await browser.request('/who')
  }
  await client.set('sess:empty', oldRecord({}))
  await client.set('sess:text', 'no JSON')
  await client.hset('sess:hash', { data: '{"name":"Ada"}', expiry: String(Date.now() + DAY) })
  await client.lpush('sess:list', 'x')
  await client.set('koa:sess:1', JSON.stringify({ cookie: { maxAge: 1 }, name: 'Ada' }))
  await client.set('session:1', Buffer.from([0x80, 0x04, 0x95]))
  await client.set('session:2', '{"name":"Ada","_permanent":true}')
  await client.set('mine:1', '{"name":"Ada"}')
  const marked = await json(url, ['stats', '--prefix', 'ours:'])
  t.match(marked[0], { living: 1, tombstones: 1 })
  t.same(marked[0]?.foreign, [
    {
      library: '@fastify/session, express-session',
      prefix: 'sess:',
      adoptable: 2,
      adopted: 1,
      refused: { format: 1, type: 1 }
    },
    { library: '@mgcrea/fastify-session', prefix: 'sess:', adoptable: 1, adopted: 0, refused: {} },
    { library: 'koa-generic-session', prefix: 'koa:sess:', adoptable: 1, adopted: 0, refused: {} },
    { library: 'flask-session', prefix: 'session:', adoptable: 1, adopted: 0, refused: { pickle: 1 } }
  ])
  const { stdout } = await command(url, ['stats', '--prefix', 'ours:'])
  t.match(stdout, /^@fastify\/session, express-session +sess:… +2 +1 +.*format 1/m)
  t.match(stdout, /^flask-session +session:… +1 +0 +pickle 1$/m)

  await client.expire('sess:a', 1_000_000)
  const used = await json<Counted>(url, [
    'stats',
    '--prefix',
    'ours:',
    '--foreign',
    'koa-session=mine:',
    '--foreign',
    'express-session=sess2:'
  ])
  t.match(
    used[0]?.foreign.find((each) => 'library' in each && each.library === '@fastify/session'),
    { adoptable: 3, adopted: 0 }
  )
  t.match(
    used[0]?.foreign.find((each) => 'library' in each && each.library === 'koa-session'),
    { adoptable: 1 }
  )
  const own = await json<Counted>(url, ['stats'])
  t.notOk(
    own[0]?.foreign.some((each) => 'library' in each && each.library === 'flask-session'),
    'nothing is adopted under our prefix'
  )
  for (const foreign of ['flask-session', 'flask-session=', 'other=x:', '=x:']) {
    t.match(await command(url, ['stats', '--foreign', foreign]), {
      code: 2,
      stderr: /needs a library and the prefix/
    })
  }
})
