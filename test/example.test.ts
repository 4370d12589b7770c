import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { type RunningExample, runExample, startExample } from './browser/start-example.js'
import { freePort, startRedis } from './support/redis-server.js'

interface Answer {
  status: number
  headers: Headers
  body: string
}

/** A minimal browser that remembers every page it was shown. */
class Visitor {
  readonly #base: string
  readonly #userAgent: string
  cookie: string | undefined
  seen = ''

  constructor({ url }: RunningExample, userAgent = 'node') {
    this.#base = url
    this.#userAgent = userAgent
  }

  get(path: string): Promise<Answer> {
    return this.#request(path, {})
  }

  /** Sends a form and returns the page that the redirect leads to. */
  async post(path: string, form: Record<string, string> = {}): Promise<Answer> {
    const answer = await this.#request(path, { method: 'POST', body: new URLSearchParams(form) })
    return answer.status === 303 ? this.get(answer.headers.get('location') ?? '') : answer
  }

  /** Opens the stream that tells an open page of its end, and returns the promise of all its text. */
  async watch(): Promise<{ events: Promise<string> }> {
    const response = await this.#fetch('/ended', {})
    return { events: response.text() }
  }

  #fetch(path: string, init: RequestInit): Promise<Response> {
    const cookies = this.cookie === undefined ? {} : { cookie: this.cookie }
    return fetch(new URL(path, this.#base), {
      ...init,
      redirect: 'manual',
      headers: { accept: 'text/html', 'user-agent': this.#userAgent, ...cookies }
    })
  }

  async #request(path: string, init: RequestInit): Promise<Answer> {
    const response = await this.#fetch(path, init)
    for (const cookie of response.headers.getSetCookie()) {
      this.cookie = /max-age=0/i.test(cookie) ? undefined : cookie.slice(0, cookie.indexOf(';'))
    }
    const body = await response.text()
    this.seen += body
    return { status: response.status, headers: response.headers, body }
  }

  async inspect() {
    return JSON.parse((await this.get('/inspect')).body).session
  }

  /** What the page "Your devices" lists: names, as HTML, and where to sign each one out. */
  async devices(): Promise<{ name: string; isCurrent: boolean; path: string | undefined }[]> {
    const { body } = await this.get('/devices')
    return body
      .split('<li>')
      .slice(1)
      .map((item) => ({
        name: /<strong>(.*)<\/strong>/.exec(item)?.[1] ?? '',
        isCurrent: item.includes('this browser'),
        path: /action="(\/devices\/[^/"]+\/sign-out)"/.exec(item)?.[1]
      }))
  }
}

async function signedIn(example: RunningExample, name = 'Ada', userAgent?: string): Promise<Visitor> {
  const visitor = new Visitor(example, userAgent)
  await visitor.post('/sign-in', { name })
  return visitor
}

t.test('example without REDIS_URL: it runs in one process and says so', async (t) => {
  const example = await startExample(t)
  t.match(example.output(), /^Notes: +http:\/\/127\.0\.0\.1:\d+$/m)
  t.match(example.output(), /^Sessions: +in this process, and end with it; set REDIS_URL/m)
  t.match(example.output(), /^Serializer: +superjson/m)
  t.match(example.output(), /^Cookies: +signed with a random secret of this process$/m)
  const visitor = await signedIn(example)
  t.match((await visitor.get('/')).body, 'Signed in as <strong>Ada</strong>')
  t.match((await visitor.get('/')).body, 'What this process holds for this session')
  t.match((await visitor.inspect()).data, /signedInAt: 20/, 'a Date keeps its type')
  t.equal(await example.stop('SIGINT'), 0)
})

t.test('example: it ends while a browser holds a connection in reserve', async (t) => {
  const example = await startExample(t)
  const reserve = connect(Number(new URL(example.url).port), '127.0.0.1')
  await once(reserve, 'connect')
  // A request over another connection shows that the server has accepted the first.
  t.equal((await new Visitor(example).get('/')).status, 200)
  t.equal(await example.stop(), 0)
})

t.test('example with REDIS_URL: sign-in survives a restart, with each serializer', async (t) => {
  const redis = await startRedis(t)
  const serializers = ['json', 'superjson', 'msgpack']
  const PORT = String(await freePort())
  const visitors: Visitor[] = []
  // Each restart uses another serializer.
  for (const serializer of serializers) {
    const environment = { REDIS_URL: redis.url, SESSION_SERIALIZER: serializer, PORT }
    const first = await startExample(t, environment)
    t.match(first.output(), new RegExp(`^Sessions: +Redis at 127.0.0.1:${redis.port}$`, 'm'))
    t.match(first.output(), new RegExp(`^Serializer: +${serializer} `, 'm'))
    t.match(first.output(), /^Cookies: +not signed/m)
    for (const earlier of visitors) {
      t.match((await earlier.get('/')).body, 'Signed in as <strong>Ada</strong>')
    }
    const visitor = await signedIn(first)
    visitors.push(visitor)
    const { key, sizes, record } = await visitor.inspect()
    t.equal((await redis.client.getBuffer(key))?.toString('hex'), record)
    t.same(
      sizes.map(({ name, isUsed }: { name: string; isUsed: boolean }) => [name, isUsed]),
      serializers.map((name) => [name, name === serializer])
    )
    t.same(
      sizes.map(({ name, isExact }: { name: string; isExact: boolean }) => [name, isExact]),
      [
        ['json', false],
        ['superjson', true],
        ['msgpack', true]
      ],
      'JSON loses the types of notes, whichever serializer wrote the record'
    )
    const used = sizes.find(({ isUsed }: { isUsed: boolean }) => isUsed)
    t.equal(used.bytes, record.length / 2 - 32, 'the page shows the size that is stored')
    t.equal(await first.stop(), 0)
  }
})

t.test('example: a wrong environment variable is refused with a clear message', async (t) => {
  const port = String(await freePort())
  const taken = createServer().listen(Number(port), '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  for (const [environment, line] of [
    [
      { SESSION_SERIALIZER: 'pickle' },
      'SESSION_SERIALIZER is "pickle"; it must be one of json, superjson, msgpack.'
    ],
    [{ PORT: port }, `Port ${port} is in use. Choose another one: PORT=3001 npm start.`],
    [{ PORT: 'http' }, 'PORT is "http"; it must be a number from 0 to 65535.'],
    [{ REDIS_URL: 'localhost:6379' }, 'REDIS_URL must begin with redis:// or rediss://.'],
    [{ SESSION_SECRET: 'short' }, 'option secret: has 5 characters: use at least 32']
  ] as const) {
    t.same(await runExample(environment), { code: 1, output: `${line}\n` })
  }
})

t.test('example: an unreachable Redis is announced without its password, and requests get 503', async (t) => {
  const example = await startExample(t, { REDIS_URL: 'redis://user:hunter2@127.0.0.1:1' })
  t.match(example.output(), 'Redis at 127.0.0.1:1, which does not answer')
  t.notMatch(example.output(), 'hunter2')
  const page = await new Visitor(example).post('/sign-in', { name: 'Ada' })
  t.equal(page.status, 503)
  t.match(page.body, 'Your session is out of reach')
  t.notMatch(page.body, 'http-equiv="refresh"', 'a form is not sent twice')
  t.same(page.headers.getSetCookie(), [])
})

t.test('example in one process', async (t) => {
  const example = await startExample(t, { HOST: 'localhost', SESSION_SERIALIZER: 'msgpack' })

  t.test('user input is shown as text everywhere', async (t) => {
    const visitor = await signedIn(example, '<script>alert(1)</script>')
    await visitor.post('/notes', { text: `"><script>alert(2)</script>'&`, tags: '<img> x"y' })
    const { body } = await visitor.get('/')
    t.same(body.match(/<script.*?>/g), [
      '<script type="module" src="/inspector.js">',
      '<script type="module" src="/ended.js">'
    ])
    t.same((await visitor.get('/devices')).body.match(/<script.*?>/g), [
      '<script type="module" src="/ended.js">'
    ])
    t.notMatch(body, '<img>')
    t.match(body, '&lt;script&gt;alert(1)&lt;/script&gt;')
    t.match(body, '&quot;&gt;&lt;script&gt;alert(2)&lt;/script&gt;&#39;&amp;')
  })

  t.test('no page and no inspector output contains the secret id', async (t) => {
    const visitor = await signedIn(example)
    const id = visitor.cookie?.slice('session='.length).split('.')[0] ?? ''
    t.equal(id.length, 44)
    await visitor.post('/notes', { text: 'a note', tags: 'a b' })
    await visitor.inspect()
    await visitor.get('/inspect?x=1')
    await visitor.get('/devices')
    await visitor.post('/sign-in', { name: '' })
    await visitor.get('/missing')
    await visitor.post('/sign-out')
    t.ok(visitor.seen.includes('a note'))
    t.notOk(visitor.seen.includes(id), 'not as text')
    t.notOk(visitor.seen.includes(Buffer.from(id).toString('hex')), 'not in hex')
    t.notOk(example.output().includes(id), 'not in the log')
  })

  t.test('signing in gives a new id and drops the data of the previous user', async (t) => {
    const visitor = await signedIn(example, 'Ada')
    const before = visitor.cookie
    await visitor.post('/notes', { text: 'a secret of Ada', tags: '' })
    const { body } = await visitor.post('/sign-in', { name: 'Grace' })
    t.not(visitor.cookie, before)
    t.match(body, 'Signed in as <strong>Grace</strong>')
    t.notMatch(body, 'a secret of Ada')
  })

  t.test('notes can be added and deleted', async (t) => {
    const visitor = await signedIn(example)
    const count = async () => (await visitor.get('/')).body.split('<li>').length - 1
    await visitor.post('/notes', { text: 'one', tags: '' })
    await visitor.post('/notes', { text: 'two', tags: '' })
    await visitor.post('/notes', { text: ' ', tags: '' })
    t.equal(await count(), 3)
    for (const index of ['0', '99', '-1', 'x']) await visitor.post(`/notes/${index}/delete`)
    const { body } = await visitor.get('/')
    t.equal(await count(), 2)
    t.notMatch(body, 'two')
    t.match(body, 'one')
  })

  t.test('without a sign-in nothing is stored and nothing can be written', async (t) => {
    const visitor = new Visitor(example)
    t.equal(await visitor.inspect(), null)
    t.match((await visitor.post('/notes', { text: 'hello' })).body, 'Sign in')
    t.equal((await visitor.post('/sign-in', { name: 'x'.repeat(41) })).status, 400)
    t.equal((await visitor.post('/sign-in')).status, 400)
    t.equal(visitor.cookie, undefined)
  })

  t.test(
    'the cookie works over http on localhost and 127.0.0.1, and lasts if the user chooses so',
    async (t) => {
      const port = new URL(example.url).port
      for (const host of ['localhost', '127.0.0.1']) {
        const response = await fetch(`http://${host}:${port}/sign-in`, {
          method: 'POST',
          body: new URLSearchParams({ name: 'Ada', keep: 'yes' }),
          redirect: 'manual'
        })
        t.match(
          response.headers.getSetCookie(),
          [/^session=[\w.-]+; Max-Age=2678\d{3}; Path=\/; HttpOnly; SameSite=Lax$/],
          host
        )
      }
    }
  )

  t.test('the browser caches no page, and no page loads scripts from other origins', async (t) => {
    const visitor = await signedIn(example)
    for (const path of ['/', '/inspect', '/devices']) {
      const { headers } = await visitor.get(path)
      t.equal(headers.get('cache-control'), 'no-store')
      t.match(headers.get('content-security-policy'), "default-src 'self'")
    }
  })
})

t.test('example: the inspector does not extend a session, using the session does', async (t) => {
  const redis = await startRedis(t)
  const visitor = await signedIn(await startExample(t, { REDIS_URL: redis.url }))
  const { key } = await visitor.inspect()
  const TOUCHED_AT = 22
  const tenMinutesAgo = Buffer.alloc(6)
  tenMinutesAgo.writeUIntBE(Date.now() - 600_000, 0, 6)
  await redis.client.setrange(key, TOUCHED_AT, tenMinutesAgo)
  const left = async () => (await visitor.inspect()).idle.left / 60_000
  t.ok((await left()) <= 20)
  t.ok((await left()) <= 20, 'not extended by the inspector')
  await visitor.get('/')
  t.ok((await left()) > 20, 'extended by a page view')
})

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0'
const SAFARI =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 ' +
  'Mobile/15E148 Safari/604.1'
const WHY = 'You signed out this browser from another device.'

/** @param start Starts another process of the same deployment, or returns the only one. */
async function checkDevices(t: Test, start: () => Promise<RunningExample>): Promise<void> {
  const [here, there] = [await start(), await start()]

  t.test('each browser of the user is listed, and the one that asks comes first', async (t) => {
    const laptop = await signedIn(here, 'Ada', FIREFOX)
    const phone = await signedIn(there, 'Ada', SAFARI)
    await signedIn(here, 'Grace')
    t.match(await laptop.devices(), [
      { name: 'Firefox on Windows', isCurrent: true, path: undefined },
      { name: 'Safari on iOS', isCurrent: false, path: String }
    ])
    t.match(await phone.devices(), [
      { name: 'Safari on iOS', isCurrent: true },
      { name: 'Firefox on Windows', isCurrent: false }
    ])
    t.match(await laptop.inspect(), { data: /device: 'Firefox on Windows'/ })
    t.notMatch((await laptop.inspect()).data, 'Mozilla', 'the session keeps no more of the user agent')
  })

  t.test('a browser that is signed out from another one is told why, and is anonymous', async (t) => {
    const laptop = await signedIn(here, 'Linus', FIREFOX)
    const phone = await signedIn(there, 'Linus', SAFARI)
    const { events } = await phone.watch()
    const [, other] = await laptop.devices()
    await laptop.post(other?.path ?? '')
    t.equal(await events, `retry: 1000\n\nevent: ended\ndata: ${WHY}\n\n`)
    t.same((await laptop.devices()).length, 1)
    t.match((await laptop.get('/devices')).body, 'You are signed in nowhere else.')
    t.equal(await (await phone.watch()).events, await events, 'also if the page was away at that moment')
    t.same(JSON.parse((await phone.get('/inspect')).body), { session: null, why: WHY })
    t.equal(phone.cookie, undefined)
    t.notMatch((await phone.get('/')).body, 'Linus')
  })

  t.test('"Sign out everywhere else" ends all other sessions of the user, and no one else\'s', async (t) => {
    const laptop = await signedIn(here, 'Barbara')
    const others = [await signedIn(here, 'Barbara'), await signedIn(there, 'Barbara')]
    const stranger = await signedIn(there, 'Edsger')
    const streams = await Promise.all(others.map((visitor) => visitor.watch()))
    await laptop.post('/devices/sign-out-others')
    for (const { events } of streams) t.match(await events, WHY)
    for (const path of ['/', '/devices']) {
      const body = (await others.pop()?.get(path))?.body
      t.match(body, 'Sign in')
      t.match(body, WHY, path)
    }
    t.equal((await laptop.devices()).length, 1)
    t.match((await stranger.get('/')).body, 'Signed in as <strong>Edsger</strong>')
  })

  t.test('nobody can sign out the browsers of others', async (t) => {
    const alan = await signedIn(here, 'Alan')
    await signedIn(here, 'Alan')
    const [, other] = await alan.devices()
    for (const visitor of [await signedIn(here, 'Mallory'), new Visitor(here)]) {
      await visitor.post(other?.path ?? '')
      await visitor.post('/devices/sign-out-others')
      await visitor.post('/devices/unknown/sign-out')
    }
    t.equal((await alan.devices()).length, 2)
  })

  t.test('an open page is told of a sign-out in another tab', async (t) => {
    const visitor = await signedIn(here)
    const { events } = await visitor.watch()
    await visitor.post('/sign-out')
    t.equal(await events, 'retry: 1000\n\nevent: ended\ndata: \n\n')
  })

  t.test('a browser is named by its user agent, as text', async (t) => {
    for (const [userAgent, name] of [
      ['<img src=x>/1.0 (x)', '&lt;img src=x&gt;'],
      ['<b>curl</b>', '&lt;b&gt;curl&lt;/b&gt;'],
      ['x'.repeat(1_000), 'x'.repeat(60)],
      ['', 'Unknown browser']
    ] as const) {
      const [own] = await (await signedIn(here, `user of ${name.length}`, userAgent)).devices()
      t.equal(own?.name, name)
    }
  })

  t.test('without a sign-in there is no list', async (t) => {
    t.match((await new Visitor(here).get('/devices')).body, '<h1>Sign in</h1>')
  })

  t.test('the server ends while pages are open', async (t) => {
    const { events } = await (await signedIn(here)).watch()
    t.equal(await here.stop(), 0)
    t.equal(await events, 'retry: 1000\n\n', 'and they are not told that their session has ended')
  })
}

t.test('example: "Your devices" in one process', async (t) => {
  const example = await startExample(t)
  await checkDevices(t, async () => example)
})

t.test('example: "Your devices" with Redis, in two processes', async (t) => {
  const redis = await startRedis(t)
  await checkDevices(t, () => startExample(t, { REDIS_URL: redis.url }))
})
