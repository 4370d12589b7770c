// How browsers, and caches in front of the service, see the session's cookies.
import type { OutgoingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { SessionIds } from '../lib/cookies/session-id.js'
import { MemoryStore, type RedisSessionOptions, type Session } from '../lib/index.js'
import { createApp } from './support/app.js'
import { Browser, sessionCookie } from './support/browser.js'
import { FailingStore } from './support/failing-store.js'
import { startRedis } from './support/redis-server.js'
import { SharedCache } from './support/shared-cache.js'
import { tickingClock } from './support/ticking-clock.js'

const NAME = '__Host-session'
const secret = 'newest secret, thirty-two characters'
const oldSecret = 'oldest secret, thirty-two characters'
const redis = await startRedis(t)
let services = 0

/** A service with its own sessions in the shared Redis of these tests. */
async function createService(
  t: Test,
  options: RedisSessionOptions = {},
  server: Parameters<typeof createApp>[2] = {}
) {
  // A session that is extended at the time at which it began ends no later than before.
  if (options.touchAfter === 0) tickingClock(t)
  const prefix = `service${services++}:`
  const where = options.store === undefined ? { redis: redis.url } : {}
  const app = await createApp(t, { ...where, prefix, ...options }, server)
  app.get('/login', async ({ session }) => {
    session.userId = 42
    await session.regenerate()
    return {}
  })
  app.get('/remember', async ({ session }) => {
    session.userId = 42
    session.permanent = true
    return {}
  })
  app.get('/count', async ({ session }) => {
    session.count = (session.count ?? 0) + 1
    return {}
  })
  app.get('/rotate', async ({ session }) => session.regenerate())
  app.get('/strict', async ({ session }) => session.options({ sameSite: 'strict' }))
  app.get('/logout', async ({ session }) => session.destroy())
  app.get('/whoami', async ({ session }) => ({ userId: session.get('userId') ?? null }))
  app.get('/still', async () => ({}))
  return { app, browser: new Browser(app), prefix }
}

const headerOf = ({ cookies }: Browser) => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
const names = ({ cookies }: LightMyRequestResponse) => cookies.map(({ name }) => name).sort()

/** A response to what the browser holds now. It reaches the browser only through keep(). */
async function ask(app: FastifyInstance, browser: Browser, url: string): Promise<LightMyRequestResponse> {
  return app.inject({ url, headers: { cookie: headerOf(browser) } })
}

function keep(browser: Browser, { cookies }: LightMyRequestResponse): void {
  for (const { name, value, maxAge } of cookies) {
    if (maxAge === 0) browser.cookies.delete(name)
    else browser.cookies.set(name, value)
  }
}

async function userOf(app: FastifyInstance, cookie: string): Promise<unknown> {
  return (await app.inject({ url: '/whoami', headers: { cookie } })).json().userId
}

t.test('duplicate session cookies', async (t) => {
  t.test('a valid one keeps the session, whatever the other values are', async (t) => {
    for (const options of [{ secret }, {}]) {
      const { app, browser } = await createService(t, options)
      await browser.request('/login')
      const own = headerOf(browser)
      for (const other of ['', 'x', 'theirs.signature', own.slice(NAME.length + 1)]) {
        t.equal(await userOf(app, `${own}; ${NAME}=${other}`), 42, `after it: ${other}`)
        t.equal(await userOf(app, `${NAME}=${other}; ${own}`), 42, `before it: ${other}`)
      }
      t.equal(await userOf(app, own.replace(/=(.*)$/, '="$1"')), 42, 'in double quotes')
    }
  })

  t.test('a living session wins over ended ones', async (t) => {
    const { app, browser } = await createService(t, { secret })
    const ended = new Browser(app)
    await ended.request('/login')
    const old = headerOf(ended)
    await ended.request('/logout')
    await browser.request('/login')
    t.equal(await userOf(app, `${old}; ${headerOf(browser)}`), 42)
    t.equal(await userOf(app, `${headerOf(browser)}; ${old}`), 42)
  })

  t.test('two living sessions give no session, and the log says what to do', async (t) => {
    const { app, browser } = await createService(t, { secret })
    const other = new Browser(app)
    await browser.request('/login')
    await other.request('/login')
    const both = `${headerOf(browser)}; ${headerOf(other)}`
    t.equal(await userOf(app, both), null)
    t.equal(app.logLines.filter(({ msg }) => /cookies of 2 sessions.*cookie\.name/.test(msg)).length, 1)
    t.equal(await userOf(app, headerOf(browser)), 42, 'both sessions continue')
  })

  t.test('destroy(): clears the cookie, whatever its value', async (t) => {
    const { app, browser } = await createService(t, { secret })
    await browser.request('/login')
    for (const cookie of [headerOf(browser), `${NAME}=nonsense`, `${NAME}=; ${NAME}=x`]) {
      const response = await app.inject({ url: '/logout', headers: { cookie } })
      t.match(response.cookies, [{ name: NAME, value: '', maxAge: 0 }], cookie)
      t.equal(response.headers['cache-control'], 'no-store')
    }
    t.same((await app.inject('/logout')).cookies, [], 'no cookie received, none cleared')
  })

  t.test('destroy(): also clears cookies from before domain or path were set', async (t) => {
    for (const cookie of [{ domain: 'example.com' }, { path: '/logout' }]) {
      const { app } = await createService(t, { secret, cookie })
      const response = await app.inject({ url: '/logout', headers: { cookie: 'session=x' } })
      const scopes = response.cookies.map(({ domain, path, maxAge }) => ({ domain, path, maxAge }))
      t.match(scopes, [
        { domain: undefined, path: '/', maxAge: 0 },
        { ...cookie, maxAge: 0 }
      ])
      t.equal(scopes.length, 2)
    }
  })
})

t.test('cookie of an ended session', async (t) => {
  t.test('the next response that sets no other cookie clears it', async (t) => {
    const { app, browser } = await createService(t, { secret })
    await browser.request('/login')
    const old = headerOf(browser)
    await browser.request('/logout')
    const response = await app.inject({ url: '/still', headers: { cookie: old } })
    t.match(response.cookies, [{ name: NAME, value: '', maxAge: 0 }])
    t.match(response.headers, { 'cache-control': 'no-store', vary: 'Cookie' })
  })

  t.test('it stays if the store could not be read', async (t) => {
    const inner = new MemoryStore()
    t.teardown(() => inner.close())
    const { plan, store } = new FailingStore(inner)
    const { app, browser } = await createService(t, { store, onUnavailable: 'anonymous' })
    await browser.request('/login')
    const own = headerOf(browser)
    await browser.request('/logout')
    plan.push('refuse')
    t.same((await app.inject({ url: '/whoami', headers: { cookie: own } })).cookies, [])
  })

  t.test('a late response does not clear the cookie of a new session', async (t) => {
    const { app, browser } = await createService(t, { secret })
    await browser.request('/login')
    const old = headerOf(browser)
    await browser.request('/logout')
    const [name = '', value = ''] = old.split('=')
    browser.cookies.set(name, value)
    const late = await ask(app, browser, '/whoami')
    await browser.request('/login')
    keep(browser, late)
    t.equal(browser.cookies.has(NAME), false)
    t.same(await browser.json('/whoami'), { userId: 42 })
    t.ok(browser.cookies.has(NAME), 'the session cookie is restored')
  })
})

t.test('Max-Age: the lifetime of a permanent session, and never 0', async (t) => {
  for (const [options, maxAge] of [
    [{ permanentLifetime: 3_600 }, 3_600],
    [{ permanentLifetime: 1 }, 1],
    [{ permanentLifetime: 400 * 86_400 }, 400 * 86_400],
    [{ permanentLifetime: 3_600, absoluteTimeout: 60 }, 60]
  ] as const) {
    const { browser } = await createService(t, options)
    t.equal(sessionCookie(await browser.request('/remember'))?.maxAge, maxAge)
  }
})

t.test('Max-Age: 1 if less than a second remains until absoluteTimeout', async (t) => {
  const { browser } = await createService(t, { permanentLifetime: 3_600, absoluteTimeout: 60 })
  const start = Date.now()
  let offset = 0
  t.intercept(Date, 'now', { value: () => start + offset, configurable: true })
  await browser.request('/login')
  offset = 59_999
  t.equal(sessionCookie(await browser.request('/remember'))?.maxAge, 1)
})

t.test('cookie.path: a page outside has no session and clears none', async (t) => {
  const { app, browser } = await createService(t, { cookie: { path: '/app' } })
  app.get('/app/login', async ({ session }) => session.set('userId', 42))
  app.get('/app/whoami', async ({ session }) => ({ userId: session.get('userId') ?? null }))
  app.get('/application', async ({ session }) => ({
    keys: Object.keys(session.data()),
    why: session.detached
  }))
  await browser.request('/app/login')
  const cookie = headerOf(browser)
  t.same(await browser.json('/application'), { keys: [], why: 'disabled' })
  const response = await browser.request('/login')
  t.match(response.json(), { code: 'FST_SESSION_DETACHED', message: /outside of cookie\.path \/app/ })
  t.same(response.cookies, [])
  t.equal(headerOf(browser), cookie)
  t.same(await browser.json('/app/whoami?x=/'), { userId: 42 })
})

t.test('cookie.path: with rewriteUrl, the path is the one that the browser sees', async (t) => {
  const rewriteUrl = ({ url = '' }) => url.replace(/^\/shop/, '')
  const { browser } = await createService(t, { cookie: { path: '/shop' } }, { rewriteUrl })
  t.ok(sessionCookie(await browser.request('/shop/login')))
  t.same(await browser.json('/shop/whoami'), { userId: 42 })
  t.equal((await browser.request('/login')).statusCode, 500)
})

t.test("sameSite: 'none' with secure: 'auto' is 'none' over https and 'lax' over http", async (t) => {
  const cookie = { sameSite: 'none', secure: 'auto' } as const
  const { app } = await createService(t, { cookie }, { trustProxy: true })
  const https = await app.inject({ url: '/login', headers: { 'x-forwarded-proto': 'https' } })
  t.match(sessionCookie(https), { sameSite: 'None', secure: true })
  const http = sessionCookie(await app.inject('/login'))
  t.match(http, { sameSite: 'Lax' })
  t.notOk(http?.secure)
})

t.test('the priority is sent with every cookie of the session, also to clear it', async (t) => {
  const { browser } = await createService(t, { secret, detectRollback: true, cookie: { priority: 'high' } })
  const names: string[] = []
  for (const url of ['/remember', '/rotate', '/strict', '/logout']) {
    for (const header of [(await browser.request(url)).headers['set-cookie'] ?? []].flat()) {
      names.push(header.split('=', 1)[0] as string)
      t.match(header, /; Priority=High(;|$)/, url)
    }
  }
  t.same([...new Set(names)].sort(), [NAME, `${NAME}-next`, `${NAME}-seen`])
})

t.test('cookie.secure: in production no response sends the cookie without Secure', async (t) => {
  t.intercept(process, 'env', { value: { ...process.env, NODE_ENV: 'production' } })
  const { app, browser } = await createService(t, { secret, cookie: { secure: 'auto' } })
  app.get('/plain', async ({ session }) => session.options({ secure: false }))
  await browser.request('/login')
  const response = await browser.request('/plain')
  t.match(response.json(), { code: 'FST_SESSION_OPTION', message: /cookie\.secure: .*production/ })
  t.same(response.cookies, [])
})

t.test('cookie warnings', async (t) => {
  const warnings = ({ app }: Awaited<ReturnType<typeof createService>>, text: RegExp) =>
    app.logLines.filter(({ level, msg }) => level === 40 && text.test(msg)).length
  const over = (host: string, more = {}) => ({ url: '/login', headers: { host, ...more } })
  const dropped = /over plain http.*secure: 'auto'.*trustProxy/

  t.test(
    'cookie.secure: a Secure cookie over plain http warns once per process, except in production',
    async (t) => {
      const service = await createService(t)
      for (const host of ['localhost:3000', 'app.localhost', '127.0.0.1:80', '[::1]:3000']) {
        await service.app.inject(over(host))
      }
      await service.app.inject(over('app.example', { 'x-forwarded-proto': 'https' }))
      t.equal(warnings(service, dropped), 0, 'no warning if browsers accept the cookie')
      const others = [
        await createService(t, { cookie: { secure: 'auto' } }),
        await createService(t, {}, { trustProxy: true })
      ] as const
      await others[0].app.inject(over('app.example'))
      await others[1].app.inject(over('app.example', { 'x-forwarded-proto': 'https' }))
      for (const other of others) t.equal(warnings(other, dropped), 0)
      await t.test('production', async (t) => {
        t.intercept(process, 'env', { value: { ...process.env, NODE_ENV: 'production' } })
        const production = await createService(t)
        await production.app.inject(over('app.example'))
        t.equal(warnings(production, dropped), 0)
      })
      await service.app.inject(over('app.example'))
      await service.app.inject(over('app.example'))
      await others[1].app.inject(over('app.example'))
      t.equal(warnings(service, dropped) + warnings(others[1], dropped), 1)
    }
  )

  t.test('cookie.domain: a domain that no browser accepts warns at startup', async (t) => {
    for (const domain of ['localhost', '127.0.0.1']) {
      const service = await createService(t, { cookie: { domain } })
      t.equal(warnings(service, /cookie\.domain .*leave cookie\.domain out/), 1, domain)
    }
    t.equal(warnings(await createService(t, { cookie: { domain: 'app.example' } }), /cookie\.domain/), 0)
  })
})

t.test('regenerate(): a late response with the old id', async (t) => {
  const lateAnswers: [string, RedisSessionOptions, string, string][] = [
    ['a permanent session', { touchAfter: 0 }, '/remember', '/whoami'],
    ['a rotated secret', { secret: [secret, oldSecret] }, '/login', '/whoami'],
    ['options() of the response', {}, '/login', '/strict']
  ]
  for (const [name, options, begin, meanwhile] of lateAnswers) {
    t.test(`does not cost the browser its session (${name})`, async (t) => {
      const { app, browser, prefix } = await createService(t, options)
      if (Array.isArray(options.secret)) {
        const before = await createService(t, { prefix, secret: oldSecret })
        await browser.visit(before.app).request(begin)
        browser.visit(app)
      } else await browser.request(begin)
      const old = browser.cookies.get(NAME)
      const late = await ask(app, browser, meanwhile)
      t.ok(sessionCookie(late))
      const rotated = await browser.request('/rotate')
      t.same(names(rotated), [NAME, `${NAME}-next`])
      t.match(
        rotated.cookies.find(({ name }) => name.endsWith('-next')),
        {
          maxAge: 30,
          path: '/',
          httpOnly: true,
          secure: true
        }
      )
      const current = browser.cookies.get(NAME)
      keep(browser, late)
      t.equal(browser.cookies.get(NAME)?.slice(0, 44), old?.slice(0, 44), 'the old id is back')
      t.same(await browser.json('/whoami'), { userId: 42 })
      t.equal(
        browser.cookies.get(NAME)?.slice(0, 44),
        current?.slice(0, 44),
        'the next response restores the new id'
      )
      t.equal(await userOf(app, `${NAME}=${old}`), null, 'the old id alone gives no session')
    })
  }

  t.test('a companion of the same id does not cost another read', async (t) => {
    const { operations, store } = new FailingStore(new MemoryStore())
    const { app, browser } = await createService(t, { store })
    await browser.request('/remember')
    await browser.request('/rotate')
    const both = headerOf(browser)
    await browser.request('/rotate')
    operations.length = 0
    t.equal(await userOf(app, both), null)
    t.same(operations, ['read'])
  })

  t.test('sets no cookie without need; a login sets one', async (t) => {
    for (const options of [{ secret }, {}]) {
      const { app, browser } = await createService(t, options)
      t.same(names(await browser.request('/count')), [NAME])
      t.same(names(await ask(app, browser, '/count')), [])
      t.same(names(await browser.request('/login')), [NAME])
    }
  })

  t.test('with detectRollback it does not bring back the old id', async (t) => {
    const { app, browser } = await createService(t, { secret, detectRollback: true })
    t.same(names(await browser.request('/login')), [NAME, `${NAME}-seen`])
    const late = await ask(app, browser, '/count')
    t.same(names(late), [`${NAME}-seen`])
    await browser.request('/rotate')
    keep(browser, late)
    t.same(await browser.json('/whoami'), { userId: 42 })
    t.same(names(await browser.request('/whoami')), [], 'the response before has resent the commit number')
    t.same(
      app.logLines.filter(({ msg }) => msg.includes('lost commits')),
      []
    )
  })

  t.test('a companion cookie is ignored beside another session, and if it is forged', async (t) => {
    const { app, browser } = await createService(t, { secret, touchAfter: 0 })
    const other = new Browser(app)
    await other.request('/count')
    await browser.request('/remember')
    await browser.request('/rotate')
    const next = `${NAME}-next=${browser.cookies.get(`${NAME}-next`)}`
    t.equal(await userOf(app, `${headerOf(other)}; ${next}`), null, 'another living session stays')
    const [id = ''] = (browser.cookies.get(NAME) ?? '').split('.')
    for (const forged of [
      id,
      browser.cookies.get(NAME),
      new SessionIds(NAME, ['x'.repeat(32)]).signNext(id)
    ]) {
      t.equal(await userOf(app, `${NAME}-next=${forged}`), null)
    }
  })
})

t.test('destroy(): also clears the companion cookies', async (t) => {
  const { browser } = await createService(t, { secret, detectRollback: true, touchAfter: 0 })
  await browser.request('/remember')
  await browser.request('/rotate')
  t.same([...browser.cookies.keys()].sort(), [NAME, `${NAME}-next`, `${NAME}-seen`])
  t.same(names(await browser.request('/logout')), [NAME, `${NAME}-next`, `${NAME}-seen`])
  t.equal(browser.cookies.size, 0)
})

t.test('regenerate(): clears a companion cookie that is no longer needed', async (t) => {
  const { browser, app, prefix } = await createService(t)
  await browser.request('/strict')
  await browser.request('/login')
  await browser.request('/strict')
  await browser.request('/rotate')
  t.ok(browser.cookies.has(`${NAME}-next`))
  const { app: another } = await createService(t, { prefix })
  browser.visit(another)
  t.match((await browser.request('/rotate')).cookies, [{ name: NAME }, { name: `${NAME}-next`, maxAge: 0 }])
  t.same(await browser.visit(app).json('/whoami'), { userId: 42 })
})

t.test(
  'detectRollback: a replayed cookie is reported once, and each request with it sees rolledBack',
  async (t) => {
    const { app, browser, prefix } = await createService(t, { secret, detectRollback: true })
    app.get('/rolled-back', async ({ session }) => session.rolledBack)
    await browser.request('/login')
    const [key = ''] = await redis.client.keys(`${prefix}*`)
    const old = await redis.client.getBuffer(key)
    await browser.request('/count')
    const replayed = headerOf(browser)
    await redis.client.set(key, old ?? '', 'PX', 60_000)
    for (let times = 0; times < 3; times++) {
      const response = await app.inject({ url: '/rolled-back', headers: { cookie: replayed } })
      t.equal(response.json(), true)
      t.same(names(response), [`${NAME}-seen`], 'the cookie says what the store holds')
    }
    t.equal(app.logLines.filter(({ msg }) => msg.includes('lost commits')).length, 1)
  }
)

/** Reasons for a response to set a cookie. A renewal may wait; the others must be sent. */
const renewals: [string, RedisSessionOptions][] = [
  ['the renewal of a permanent session', { touchAfter: 0 }],
  ['a rotated secret', { secret: [secret, oldSecret] }],
  ['the number of a commit', { secret, detectRollback: true }],
  ['an ended session', { secret }]
]

type Use = (session: Session) => unknown
const PUBLIC = 'public, max-age=0'

/** The ways in which a response becomes one that shared caches store. */
const answers: [string, (app: FastifyInstance, url: string, use: Use, control: string) => void][] = [
  [
    'a route',
    (app, url, use, control) =>
      app.get(url, async ({ session }, reply) => {
        await use(session)
        reply.header('cache-control', control).header('etag', '"v1"')
        return 'body'
      })
  ],
  [
    'a stream, like a file',
    (app, url, use, control) =>
      app.get(url, async ({ session }, reply) => {
        await use(session)
        reply.headers({ 'cache-control': control, etag: '"v1"' })
        return reply.send(Readable.from(['body']))
      })
  ],
  [
    'a later hook',
    (app, url, use, control) =>
      app.get(
        url,
        {
          onSend: async (_: FastifyRequest, reply: FastifyReply) => {
            reply.header('cache-control', control)
          }
        },
        async ({ session }) => use(session) ?? 'body'
      )
  ],
  [
    'the raw response',
    (app, url, use, control) =>
      app.get(url, async ({ session }, reply) => {
        await use(session)
        reply.raw.setHeader('cache-control', control)
        return 'body'
      })
  ],
  [
    'a hijacked reply with its headers',
    (app, url, use, control) =>
      app.get(url, async ({ session }, reply) => {
        await use(session)
        await session.save()
        reply.hijack()
        reply.raw.writeHead(200, { ...(reply.getHeaders() as OutgoingHttpHeaders), 'Cache-Control': control })
        reply.raw.end('body')
      })
  ],
  [
    'a hijacked reply with a list of headers and a reason',
    (app, url, use, control) =>
      app.get(url, async ({ session }, reply) => {
        await use(session)
        await session.save()
        reply.hijack()
        reply.raw.writeHead(200, 'fine', ['Cache-Control', control, 'X-Other', '1'])
        reply.raw.end('body')
      })
  ],
  [
    'a page that was not found',
    (app, _url, use, control) =>
      app.setNotFoundHandler(async ({ session }, reply) => {
        await use(session)
        reply.code(200).header('cache-control', control)
        return 'body'
      })
  ],
  [
    'an error handler',
    (app, url, use, control) => {
      app.setErrorHandler((_error, _request, reply) => {
        reply.code(200).header('cache-control', control).send('body')
      })
      app.get(url, async ({ session }) => {
        await use(session)
        throw new Error('handled')
      })
    }
  ]
]

/** All these responses in one application, each under its URL. */
function addAnswers(app: FastifyInstance, use: Use): [string, string][] {
  return answers.map(([name, answer], index) => {
    answer(app, `/answer/${index}`, use, PUBLIC)
    return [name, `/answer/${index}`]
  })
}

t.test('shared caches', async (t) => {
  for (const [what, options] of renewals) {
    t.test(`a cacheable response has no cookie for ${what}; the next response has it`, async (t) => {
      const { app, browser: another, prefix } = await createService(t, options)
      const urls = addAnswers(app, (session) => {
        if (what === 'the number of a commit' && !session.isNew) session.count = (session.count ?? 0) + 1
      })
      const before = await createService(t, { prefix, secret: oldSecret })
      const cache = new SharedCache(app)
      for (const [name, url] of urls) {
        const browser = new Browser(what === 'a rotated secret' ? before.app : app)
        await browser.request('/remember')
        browser.visit(app)
        if (what === 'an ended session') {
          for (const [name, value] of browser.cookies) another.cookies.set(name, value)
          await another.request('/logout')
        }
        const response = await cache.get(url, headerOf(browser))
        t.same(response.setCookies, [], name)
        t.equal(response.headers['cache-control'], PUBLIC, name)
        t.same((await cache.get(url, '')).setCookies, [])
        t.not(names(await browser.request('/still')).length, 0, `${name}: the next response`)
      }
    })
  }

  const musts: [string, string | undefined, Use][] = [
    ['the first write', undefined, (session) => session.set('userId', 1)],
    ['a login', '/count', (session) => session.regenerate()],
    ['response attributes', '/count', (session) => session.options({ sameSite: 'strict' })],
    [
      'a session that becomes permanent',
      '/count',
      (session) => {
        session.permanent = true
      }
    ],
    ['a logout', '/count', (session) => session.destroy()]
  ]
  for (const [what, begin, use] of musts) {
    t.test(`a response that must set the cookie is not stored: ${what}`, async (t) => {
      const { app } = await createService(t)
      const urls = addAnswers(app, use)
      const cache = new SharedCache(app)
      for (const [name, url] of urls) {
        const browser = new Browser(app)
        if (begin !== undefined) await browser.request(begin)
        const response = await cache.get(url, headerOf(browser))
        t.equal(response.setCookies.filter((header) => header.startsWith(`${NAME}=`)).length, 1, name)
        t.equal(response.headers['cache-control'], 'no-store', name)
        t.match(response.headers.vary, /cookie/i, name)
        t.same((await cache.get(url, '')).setCookies.includes(response.setCookies[0] ?? ''), false)
      }
    })
  }

  t.test('Cache-Control: which responses count as cacheable', async (t) => {
    // The headers, and true if a renewal waits, or else the resulting Cache-Control.
    const said: [Record<string, string>, true | string | undefined][] = [
      [{ 'cache-control': 'PUBLIC' }, true],
      [{ 'cache-control': 'public, no-cache' }, true],
      [{ 'cache-control': 'max-age=60' }, true],
      [{ 'cache-control': 's-maxage="60", max-age=0' }, true],
      [{ 'cache-control': 'immutable' }, true],
      [{ 'cache-control': 'private="set-cookie", max-age=60' }, true],
      [{ expires: new Date(Date.now() + 1e9).toUTCString() }, true],
      [{ 'cdn-cache-control': 'max-age=60', 'cache-control': 'no-store' }, true],
      [{ 'surrogate-control': 'max-age=60' }, true],
      [{}, 'no-store'],
      [{ expires: '0' }, 'no-store'],
      [{ expires: new Date(Date.now() + 1e9).toUTCString(), 'cache-control': 'private' }, 'private'],
      [{ 'cache-control': 'no-store' }, 'no-store'],
      [{ 'cache-control': 'private, max-age=60' }, 'private, max-age=60'],
      [{ 'cache-control': 'no-cache' }, 'no-cache, private'],
      [{ 'cache-control': 'no-cache, max-age=60' }, 'no-cache, max-age=60, private'],
      [{ 'cache-control': 'max-age=0, must-revalidate' }, 'max-age=0, must-revalidate, private']
    ]
    const { app } = await createService(t, { touchAfter: 0 })
    for (const [index, [headers]] of said.entries()) {
      app.get(`/said/${index}`, async (_request, reply) => reply.headers(headers).send('body'))
    }
    for (const [index, [headers, expected]] of said.entries()) {
      const browser = new Browser(app)
      await browser.request('/remember')
      const response = await browser.request(`/said/${index}`)
      const name = JSON.stringify(headers)
      t.same(names(response), expected === true ? [] : [NAME], name)
      if (expected !== true) t.equal(response.headers['cache-control'], expected, name)
      else t.match(response.headers, headers, name)
    }
  })

  t.test('Cache-Control: no-store also removes CDN-Cache-Control and Surrogate-Control', async (t) => {
    const { app } = await createService(t)
    app.get('/', async ({ session }, reply) => {
      session.userId = 1
      return reply.headers({ 'cdn-cache-control': 'max-age=60', 'surrogate-control': 'max-age=60' }).send({})
    })
    const { headers } = await app.inject('/')
    t.match(headers, { 'cache-control': 'no-store' })
    t.notOk('cdn-cache-control' in headers || 'surrogate-control' in headers)
  })

  t.test('a cookie that the application sets itself does reach strangers', async (t) => {
    const { app } = await createService(t)
    app.get('/', async (_request, reply) => {
      reply.headers({ 'cache-control': PUBLIC, etag: '"v1"' })
      return reply.setCookie('theirs', '1').send('body')
    })
    const cache = new SharedCache(app)
    const own = await cache.get('/', 'a=b')
    t.same((await cache.get('/', '')).setCookies, own.setCookies, 'this shows that the test cache works')
    t.equal(own.setCookies.length, 1)
  })
})

t.test('writeHead(): headers in every form are sent as given', async (t) => {
  const { app } = await createService(t)
  app.get('/pairs', async ({ session }, reply) => {
    session.userId = 1
    await session.save()
    reply.hijack()
    reply.raw.setHeader('x-one', 'before')
    const pairs: unknown = [
      ['x-one', '1'],
      ['x-two', '2'],
      ['x-two', '3'],
      ['vary', 'Origin'],
      ['set-cookie', `a=1`]
    ]
    reply.raw.writeHead(201, pairs as string[])
    reply.raw.end('by hand')
  })
  app.get('/plain', async ({ session }, reply) => {
    session.userId = 1
    await session.save()
    reply.hijack()
    reply.raw.end('by hand')
  })
  app.get('/reason', async ({ session }, reply) => {
    session.userId = 1
    await session.save()
    reply.hijack()
    reply.raw.writeHead(202, 'as you wish').end()
  })
  const pairs = await app.inject('/pairs')
  t.equal(pairs.statusCode, 201)
  t.match(pairs.headers, { 'x-one': '1', 'x-two': ['2', '3'], vary: 'Origin, Cookie' })
  t.same(names(pairs), [NAME, 'a'])
  t.same(names(await app.inject('/plain')), [NAME], 'a hijacked reply needs no copied headers')
  t.match(await app.inject('/reason'), { statusCode: 202, statusMessage: 'as you wish' })
})

t.test('Set-Cookie: a permanent session renews its cookie at most every touchAfter seconds', async (t) => {
  const { app, browser } = await createService(t, { permanentLifetime: 1_000, touchAfter: 10 })
  app.get('/cached', async (_request, reply) => reply.header('cache-control', PUBLIC).send('body'))
  const start = Date.now()
  let offset = 0
  t.intercept(Date, 'now', { value: () => start + offset, configurable: true })
  await browser.request('/remember')
  offset = 6_000
  t.same(names(await browser.request('/count')), [], 'extended by less than touchAfter')
  offset = 12_000
  t.same(names(await browser.request('/count')), [NAME], 'extended by more than touchAfter in total')
  offset = 13_000
  t.same(names(await browser.request('/count')), [])
  offset = 50_000
  t.same(names(await browser.request('/cached')), [])
  t.same(
    names(await browser.request('/whoami')),
    [NAME],
    'the renewal that a cacheable response could not send'
  )
  t.same(names(await browser.request('/whoami')), [])
})
