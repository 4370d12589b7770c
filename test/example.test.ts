import { Buffer } from 'node:buffer'
import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
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
  cookie: string | undefined
  seen = ''

  constructor({ url }: RunningExample) {
    this.#base = url
  }

  get(path: string): Promise<Answer> {
    return this.#request(path, {})
  }

  /** Sends a form and returns the page that the redirect leads to. */
  async post(path: string, form: Record<string, string> = {}): Promise<Answer> {
    const answer = await this.#request(path, { method: 'POST', body: new URLSearchParams(form) })
    return answer.status === 303 ? this.get(answer.headers.get('location') ?? '') : answer
  }

  async #request(path: string, init: RequestInit): Promise<Answer> {
    const cookies = this.cookie === undefined ? {} : { cookie: this.cookie }
    const response = await fetch(new URL(path, this.#base), {
      ...init,
      redirect: 'manual',
      headers: { accept: 'text/html', ...cookies }
    })
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
}

async function signedIn(example: RunningExample, name = 'Ada'): Promise<Visitor> {
  const visitor = new Visitor(example)
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
    t.same(body.match(/<script.*?>/g), ['<script type="module" src="/inspector.js">'])
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
    for (const path of ['/', '/inspect']) {
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
