// auditSession(): which rows change with which option, and that what they name exists.
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { type AuditRow, auditSession } from '../../lib/audit/index.js'
import redisSession, { type RedisSessionOptions } from '../../lib/index.js'
import { anchorsOf } from '../documents/pages.js'
import { memory } from '../support/memory.js'

const secret = 'a secret of the tests, long enough'

/** Without a server: the audit asks Redis nothing. */
function offline(t: Test): Redis {
  const client = new Redis({ lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  return client
}

async function audit(t: Test, ...registrations: RedisSessionOptions[]): Promise<AuditRow[]> {
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(cookie)
  for (const options of registrations) app.register(redisSession, options)
  return auditSession(app)
}

async function rowsById(t: Test, options: RedisSessionOptions): Promise<Record<string, AuditRow>> {
  const store = options.redis === undefined && options.store === undefined ? { store: memory(t) } : {}
  return Object.fromEntries((await audit(t, { ...store, ...options })).map((row) => [row.id, row]))
}

const BEST: RedisSessionOptions = {
  secret,
  idleTimeout: 900,
  permanentLifetime: 1_800,
  absoluteTimeout: 43_200,
  user: 'userId',
  maxPerUser: { limit: 5, onFull: 'end-oldest' },
  onReplay: 'end',
  encryption: { keys: [randomBytes(32)], required: true }
}

t.test('rows: each requirement once, in the order of ASVS, with its level', async (t) => {
  const rows = await audit(t, { store: memory(t) })
  t.same(
    rows.map(({ id, level }) => `${id}:${level}`).join(' '),
    'V3.3.1:1 V3.3.2:2 V3.3.3:2 V3.3.4:2 V3.3.5:3 V7.1.1:2 V7.1.2:2 V7.1.3:2 V7.2.1:1 V7.2.2:1 V7.2.3:1 V7.2.4:1 ' +
      'V7.3.1:2 V7.3.2:2 V7.4.1:1 V7.4.2:1 V7.4.3:2 V7.4.4:2 V7.4.5:2 V7.5.1:2 V7.5.2:2 V7.5.3:3 V7.6.1:2 V7.6.2:2 ' +
      'V11.5.1:2 V14.3.2:2 V16.2.5:2 secret:null onReplay:null encryption:null deviceBound:null'
  )
  for (const { decorator, requirement } of rows) {
    t.equal(decorator, 'session')
    t.match(requirement, /^\S.{10,}$/)
  }
})

t.test('the defaults: what they meet, and which options would meet the rest', async (t) => {
  const rows = Object.values(await rowsById(t, {}))
  const idsOf = (status: string) => rows.filter((row) => row.status === status).map(({ id }) => id)
  t.same(idsOf('met'), [
    ...['V3.3.1', 'V3.3.2', 'V3.3.3', 'V3.3.4', 'V3.3.5'],
    ...['V7.2.1', 'V7.2.2', 'V7.2.3', 'V7.4.1', 'V11.5.1', 'V16.2.5']
  ])
  t.same(
    rows.filter(({ status }) => status === 'not-met').map(({ id, by }) => `${id} ${by}`),
    [
      'V7.3.2 set absoluteTimeout',
      'V7.4.2 set user',
      'V7.4.3 set user',
      'V7.4.5 set user',
      'V7.5.2 set user',
      'secret set secret',
      'onReplay set onReplay',
      'encryption set encryption',
      'deviceBound set deviceBound'
    ]
  )
})

t.test('the best that a configuration can do: nothing is left open but what is yours', async (t) => {
  const rows = Object.values(await rowsById(t, { ...BEST, deviceBound: true, redis: offline(t) }))
  t.same(
    rows.filter(({ status }) => status === 'not-met'),
    []
  )
  t.same(
    rows.filter(({ status }) => status === 'application').map(({ id }) => id),
    [
      ...[
        'V7.1.1',
        'V7.1.2',
        'V7.1.3',
        'V7.2.4',
        'V7.4.2',
        'V7.4.3',
        'V7.4.4',
        'V7.4.5',
        'V7.5.1',
        'V7.5.2',
        'V7.5.3'
      ],
      ...['V7.6.1', 'V7.6.2', 'V14.3.2']
    ]
  )
})

t.test('each option changes its rows, and no other', async (t) => {
  const CHANGES: [RedisSessionOptions, Record<string, [AuditRow['status'], RegExp]>][] = [
    [
      { cookie: { secure: 'auto' } },
      { 'V3.3.1': ['not-met', /cookie\.secure: true/], 'V3.3.3': ['not-met', /cookie\.secure: true/] }
    ],
    [
      { cookie: { name: 'sid' } },
      { 'V3.3.1': ['not-met', /cookie\.name: '__Secure-…'/], 'V3.3.3': ['not-met', /leave out cookie\.name/] }
    ],
    [
      { cookie: { name: '__Secure-sid', domain: 'example.com' } },
      { 'V3.3.1': ['met', /__Secure-sid/], 'V3.3.3': ['application', /which hosts/] }
    ],
    [
      { cookie: { domain: () => 'example.com', name: '__Secure-sid' } },
      { 'V3.3.1': ['met', /__Secure-sid/], 'V3.3.3': ['application', /which hosts/] }
    ],
    [{ cookie: { sameSite: 'none' } }, { 'V3.3.2': ['application', /sameSite/] }],
    [{ cookie: { sameSite: 'strict' } }, { 'V3.3.2': ['met', /strict/] }],
    [
      { cookie: { name: `__Host-${'s'.repeat(4_000)}` } },
      { 'V3.3.1': ['met', /__Host-s/], 'V3.3.3': ['met', /__Host-s/], 'V3.3.5': ['not-met', /shorter/] }
    ],
    [{ transport: ['cookie', { header: 'x-session' }] }, { 'V3.3.4': ['not-met', /transport/] }],
    [
      { transport: { header: 'x-session' } },
      Object.fromEntries(
        [1, 2, 3, 4, 5].map((n) => [`V3.3.${n}`, ['application', /no cookie is used/] as const])
      ) as Record<string, [AuditRow['status'], RegExp]>
    ],
    [
      { idleTimeout: 1_801 },
      { 'V7.1.1': ['application', /idleTimeout 1801/], 'V7.3.1': ['application', /idleTimeout 1801/] }
    ],
    [
      { permanentLifetime: 1_801 },
      { 'V7.1.1': ['application', /permanentLifetime 1801/], 'V7.3.1': ['application', /permanentLifetime/] }
    ],
    [
      { absoluteTimeout: 43_201 },
      {
        'V7.1.1': ['application', /absoluteTimeout 43201/],
        'V7.3.2': ['application', /absoluteTimeout 43201/]
      }
    ],
    [
      { maxPerUser: { limit: 2, onFull: 'refuse' } },
      { 'V7.1.2': ['application', /maxPerUser 2, then refuse/] }
    ],
    [{ nearCache: { maxStale: 3 } }, { 'V7.4.1': ['application', /3 s/] }],
    [{ onReplay: 'report' }, { onReplay: ['met', /report/] }],
    [{ encryption: { keys: [randomBytes(32)] } }, { encryption: ['not-met', /set encryption\.required/] }],
    [{ deviceBound: true }, { deviceBound: ['met', /device-bound/] }],
    [{ deviceBound: { lifetime: 300 } }, { deviceBound: ['met', /device-bound/] }]
  ]
  const best = await rowsById(t, { ...BEST, redis: offline(t) })
  for (const [options, changed] of CHANGES) {
    const client = offline(t)
    const rows = await rowsById(t, { ...BEST, redis: client, ...options })
    for (const [id, row] of Object.entries(rows)) {
      const [status, by] = changed[id] ?? [best[id]?.status, undefined]
      t.equal(row.status, status, `${JSON.stringify(options)} ${id}`)
      if (by === undefined) t.equal(row.by, best[id]?.by, id)
      else t.match(row.by, by)
    }
  }
})

t.test('options that are left out: each leaves its requirement open', async (t) => {
  const LEFT_OUT: [keyof RedisSessionOptions, string[]][] = [
    ['secret', ['secret', 'deviceBound']],
    ['absoluteTimeout', ['V7.3.2', 'deviceBound']],
    ['onReplay', ['onReplay', 'deviceBound']],
    ['encryption', ['encryption', 'deviceBound']]
  ]
  for (const [option, ids] of LEFT_OUT) {
    const { [option]: _, ...rest } = BEST
    const rows = Object.values(await rowsById(t, rest))
    t.same(
      rows.filter(({ status }) => status === 'not-met').map(({ id }) => id),
      ids
    )
  }
})

t.test('several registrations: the rows of each', async (t) => {
  const rows = await audit(t, { store: memory(t), secret }, { store: memory(t), decorator: 'staff' })
  const secrets = rows.filter(({ id }) => id === 'secret')
  t.same(
    secrets.map(({ decorator, status }) => [decorator, status]),
    [
      ['session', 'met'],
      ['staff', 'not-met']
    ]
  )
  const staff = rows.filter(({ decorator }) => decorator === 'staff')
  t.equal(rows.length, 2 * staff.length)
})

t.test('an application without sessions is an error that says so', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(auditSession(app), {
    code: 'FST_SESSION_OPTION',
    message: /register fastify-ioredis-session/
  })
})

t.test('no row shows a secret', async (t) => {
  t.notMatch(JSON.stringify(await audit(t, { ...BEST, store: memory(t) })), secret)
})

t.test('what rows name exists: tests that say the number of the row, and pages', async (t) => {
  const configurations: RedisSessionOptions[] = [
    {},
    BEST,
    { ...BEST, redis: offline(t) },
    { ...BEST, absoluteTimeout: 86_400, cookie: { sameSite: 'none', domain: 'example.com' } },
    { transport: { header: 'x-session' } },
    { redis: offline(t), nearCache: true }
  ]
  const named = new Set<string>()
  for (const options of configurations) {
    for (const { by, id, status } of Object.values(await rowsById(t, options))) {
      const tests = by.match(/test\/[\w/-]+\.test\.ts/g) ?? []
      t.equal(tests.length > 0, status === 'met', `${id}: ${by}`)
      for (const file of tests) {
        named.add(file)
        const source = readFileSync(file, 'utf8')
        // In the title of a test, or in the line above one.
        const pattern = id.startsWith('V')
          ? new RegExp(`^ *// OWASP ASVS 5\\.0: .*\\b${id.replaceAll('.', '\\.')}\\b.*\\n *t\\.test\\(`, 'm')
          : new RegExp(`\\b${id}\\b`)
        t.match(source, pattern, `${file} has a test for ${id}`)
      }
      const [, page, anchor] = /((?:docs\/)?[\w-]+\.md)(?:#([\w-]+))?$/.exec(by) ?? []
      if (status !== 'application') continue
      t.ok(existsSync(page ?? ''), by)
      if (anchor !== undefined) t.ok(anchorsOf(readFileSync(page ?? '', 'utf8')).includes(anchor), by)
    }
  }
  t.ok(named.size > 5)
})

t.test('SECURITY.md has every requirement, under the same number', async (t) => {
  const policy = readFileSync('SECURITY.md', 'utf8')
  for (const { id } of await audit(t, { store: memory(t) })) {
    if (id.startsWith('V')) t.match(policy, `\n| ${id.slice(1)} | `)
  }
})
