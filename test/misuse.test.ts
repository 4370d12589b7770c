// Calls that cannot work, as users of other libraries write them. The request gets an error that says what to do, no
// request hangs, and the process goes on.

import type { FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import { MemoryStore, type Session } from '../lib/index.js'
import { createApp } from './support/app.js'
import { Browser } from './support/browser.js'
import { FailingStore } from './support/failing-store.js'
import fc from './support/properties.js'

type Call = (session: Session, reply: FastifyReply) => unknown
/** After its call a handler answers at once, awaits the promise first, or leaves the answer to the call. */
type Way = 'answers' | 'awaits' | 'leaves'

const BROKEN = Buffer.from('no record at all, though long enough to have a header')

/** An application whose session is in the state that a test asks for when it makes its call. */
async function misused(t: Test) {
  const unhandled: unknown[] = []
  const note = (reason: unknown) => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  t.teardown(() => process.off('unhandledRejection', note))

  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const { plan, store } = new FailingStore(memory)
  let undecodable = false
  const read: MemoryStore['read'] = async (key) => (undecodable ? BROKEN : store.read(key))
  const app = await createApp(t, { store: { ...store, read }, onUnavailable: 'anonymous' })
  let call: Call = () => undefined
  let way: Way = 'answers'
  const handler = (session: Session, reply: FastifyReply): Promise<unknown> | undefined => {
    const made = call(session, reply)
    if (way === 'awaits') return Promise.resolve(made).then((result = null) => ({ result }))
    if (way === 'answers') reply.send({})
    return undefined
  }
  app.get('/', ({ session }, reply) => handler(session, reply))
  app.get('/ended', async ({ session }, reply) => {
    await elsewhere('/logout')
    await session.reload()
    return handler(session, reply) ?? reply
  })
  app.get('/login', async ({ session }) => session.set('userId', 1))
  app.get('/id', async ({ session }) => ({ id: session.id, data: session.data() }))
  app.get('/move', async ({ session }) => session.regenerate())
  app.get('/logout', async ({ session }) => session.destroy())
  app.get('/disabled', { config: { session: false } }, ({ session }, reply) => handler(session, reply))

  const browser = new Browser(app)
  const elsewhere = async (url: string) => {
    const other = new Browser(app)
    for (const [name, value] of browser.cookies) other.cookies.set(name, value)
    await other.request(url)
  }
  const states: Record<string, () => Promise<string>> = {
    fresh: async () => {
      browser.cookies.clear()
      return '/'
    },
    stored: async () => '/',
    disabled: async () => '/disabled',
    unavailable: async () => {
      plan.push('refuse')
      return '/'
    },
    undecodable: async () => {
      undecodable = true
      return '/'
    },
    moved: async () => {
      await elsewhere('/move')
      return '/'
    },
    destroyed: async () => '/ended'
  }
  /** Makes the call in a request whose session is in this state. Returns the response. */
  const make = async (state: string, next: Call, nextWay: Way = 'answers') => {
    browser.cookies.clear()
    await browser.request('/login')
    const url = (await states[state]?.()) ?? ''
    call = next
    way = nextWay
    const response = await browser.request(url)
    undecodable = false
    plan.length = 0
    return response
  }
  const run = async (next: Call) => {
    call = next
    way = 'awaits'
    return browser.request('/')
  }
  return { app, browser, elsewhere, make, plan, run, states: Object.keys(states), unhandled }
}

const METHODS = {
  get: ['userId'],
  set: ['userId', 2],
  has: ['userId'],
  delete: ['userId'],
  data: [],
  regenerate: [['userId']],
  destroy: [{ reason: 'signed-out' }],
  save: [],
  reload: [],
  touch: [],
  options: [{}],
  isModified: [],
  isSaved: []
} as const
const PROMISING = ['regenerate', 'destroy', 'save', 'reload']

t.test('misuse: no call leaves a request without an answer or ends the process', async (t) => {
  const { make, states, unhandled } = await misused(t)
  const property = fc.asyncProperty(
    fc.constantFrom(...(Object.keys(METHODS) as (keyof typeof METHODS)[])),
    fc.constantFrom(...states),
    fc.constantFrom('nothing', 'a callback', 'a callback alone', 'a value'),
    fc.constantFrom<Way>('answers', 'awaits', 'leaves'),
    async (method, state, more, way) => {
      const response = await make(
        state,
        (session, reply) => {
          const callback = () => void reply.send({ called: true })
          const given: unknown[] = more === 'a callback alone' ? [] : [...METHODS[method]]
          if (more.startsWith('a callback')) given.push(callback)
          if (more === 'a value') given.push('more')
          // set() would take a lone callback as its value. A callback in the place of a key is another mistake.
          if (method === 'set' && more === 'a callback alone') given.unshift('userId', 1)
          return Reflect.apply(session[method], session, given)
        },
        way === 'leaves' && !more.startsWith('a callback') ? 'answers' : way
      )
      if (more === 'nothing') return
      t.match(response.json(), { statusCode: 500, code: 'FST_SESSION_CALLBACK' })
    }
  )
  await fc.assert(property, { seed: 13, numRuns: 250 })
  t.same(unhandled, [])
})

t.test('callbacks: a callback or an extra argument is refused with what to do', async (t) => {
  const { run } = await misused(t)
  for (const method of PROMISING as ['save']) {
    const call: Call = (session) => (session[method] as (callback: unknown) => unknown)(() => {})
    t.match((await run(call)).json(), {
      code: 'FST_SESSION_CALLBACK',
      message: `session.${method}() takes no callback: await the promise that it returns`
    })
  }
  const cases: [Call, string][] = [
    [
      (session) => Reflect.apply(session.get, session, ['userId', 'default']),
      'session.get() takes 1 argument, not 2'
    ],
    [(session) => Reflect.apply(session.data, session, [1]), 'session.data() takes 0 arguments, not 1'],
    [(session) => Reflect.apply(session.touch, session, [() => {}]), 'session.touch() takes no callback']
  ]
  for (const [call, message] of cases) {
    t.match((await run(call)).json(), { code: 'FST_SESSION_CALLBACK', message })
  }
  t.equal((await run((session) => Reflect.apply(session.save, session, [undefined]))).statusCode, 200)
})

t.test('callbacks: a refused callback is not called, and nothing is committed', async (t) => {
  const { browser, run } = await misused(t)
  let isCalled = false
  const response = await run((session) => {
    session.userId = 7
    Reflect.apply(session.regenerate, session, [
      () => {
        isCalled = true
      }
    ])
  })
  t.match(response.json(), { code: 'FST_SESSION_CALLBACK' })
  t.notOk(isCalled)
  t.match(await browser.json('/id'), { data: {} })
})

t.test('callbacks: after the response, the error goes to the log', async (t) => {
  const { app, run, unhandled } = await misused(t)
  const response = await run((session, reply) => {
    reply.hijack()
    reply.raw.end('{"mine":true}')
    Reflect.apply(session.save, session, [() => {}])
  })
  t.same(response.json(), { mine: true })
  t.match(
    app.logLines.filter(({ level }) => level === 50),
    [{ err: { code: 'FST_SESSION_CALLBACK' } }]
  )
  t.same(unhandled, [])
})

t.test(
  'regenerate() without await: a double click on sign-in is a 409, and the process goes on',
  async (t) => {
    const { make, unhandled } = await misused(t)
    const response = await make('moved', (session) => {
      session.regenerate()
      session.userId = 2
    })
    t.match(response.json(), { statusCode: 409, code: 'FST_SESSION_CONFLICT' })
    t.same(unhandled, [])
  }
)

t.test('regenerate() without await while the store is down: the request gets an error', async (t) => {
  const { browser, make, unhandled } = await misused(t)
  const response = await make('unavailable', (session) => {
    session.regenerate()
    session.userId = 2
  })
  t.match(response.json(), { statusCode: 500, code: 'FST_SESSION_DETACHED', message: /unavailable/ })
  t.same(unhandled, [])
  t.match(await browser.json('/id'), { data: { userId: 1 } }, 'nothing has changed')
})

t.test('regenerate() without await, with a wrong list: the request gets an error', async (t) => {
  const { run, unhandled } = await misused(t)
  for (const keep of ['userId', null, 5, ['userId', 5]]) {
    const response = await run((session) => {
      void session.regenerate(keep as unknown as boolean)
    })
    t.match(response.json(), { code: 'FST_SESSION_KEY', message: /not a list of keys/ })
  }
  t.same(unhandled, [])
})

t.test('delete() without a key: the error names destroy()', async (t) => {
  const { browser, run } = await misused(t)
  await browser.request('/login')
  for (const given of [[], [undefined]]) {
    const response = await run((session) => Reflect.apply(session.delete, session, given))
    t.match(response.json(), {
      statusCode: 500,
      code: 'FST_SESSION_KEY',
      message: /destroy\(\) ends the session/
    })
  }
})

t.test('request.session = null: the error names destroy(), in sloppy mode too', async (t) => {
  const { run } = await misused(t)
  const sloppy = new Function('request', 'value', 'request.session = value')
  for (const value of [null, undefined, {}]) {
    t.match((await run((_session, { request }) => sloppy(request, value))).json(), {
      statusCode: 500,
      code: 'FST_SESSION_ASSIGN',
      message:
        'request.session cannot be replaced: call destroy() to end the session, set() or delete() to change it'
    })
  }
})

t.test('names of other libraries: one log line says what to use', async (t) => {
  const { app, run } = await misused(t)
  const advice = () => app.logLines.filter(({ level }) => level === 40).map(({ msg }) => msg)
  for (let time = 0; time < 2; time++) {
    await run((session) => {
      for (const name of ['changed', 'deleted', 'expiry', 'cookie', 'encryptedSessionId', 'nickname']) {
        Reflect.get(session, name)
      }
    })
  }
  t.match(advice(), [
    /^session\.changed is not set: use session\.isModified\(\)/,
    /^session\.deleted is not set: use session\.destroyed/,
    /^session\.expiry is not set: set the options idleTimeout/,
    /^session\.cookie is not set: use session\.permanent and session\.options\(\)/,
    /^session\.encryptedSessionId is not set: use session\.id/
  ])
  t.equal(advice().length, 5)
})

t.test('names of other libraries: no log line for keys of the data, nor in production', async (t) => {
  const { app, run } = await misused(t)
  await run((session) => {
    session.set('cookie' as 'anything', 'oatmeal')
    return Reflect.get(session, 'cookie')
  })
  const { NODE_ENV } = process.env
  process.env.NODE_ENV = 'production'
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const live = await createApp(t, { store })
  process.env.NODE_ENV = NODE_ENV ?? ''
  live.get('/', async ({ session }) => ({ cookie: Reflect.get(session, 'cookie') ?? null }))
  t.same((await live.inject('/')).json(), { cookie: null })
  for (const { logLines } of [app, live]) {
    t.same(
      logLines.filter(({ msg }) => msg.includes('is not set')),
      []
    )
  }
})

t.test(
  'touch(): for a permanent session with rolling: false, the log says that it extends nothing',
  async (t) => {
    const store = new MemoryStore()
    t.teardown(() => store.close())
    const app = await createApp(t, { store, rolling: false })
    app.get('/', async ({ session }) => {
      session.userId = 1
      session.touch()
    })
    app.get('/keep', async ({ session }) => {
      session.permanent = true
      session.touch()
    })
    const browser = new Browser(app)
    const advice = () =>
      app.logLines.filter(({ msg }) => msg.startsWith('touch() extends no permanent session'))
    await browser.request('/')
    t.equal(advice().length, 0, 'other sessions are extended')
    await browser.request('/keep')
    await browser.request('/keep')
    t.equal(advice().length, 1)
  }
)

t.test('reload(): if another request has ended the session, it is empty and the log says so', async (t) => {
  const { app, browser, elsewhere, run } = await misused(t)
  await browser.request('/login')
  const response = await run(async (session) => {
    await elsewhere('/logout')
    await session.reload()
    return { data: session.data(), destroyed: session.destroyed, detached: session.detached }
  })
  t.same(response.json(), { result: { data: {}, destroyed: true, detached: 'destroyed' } })
  t.ok(app.logLines.some(({ msg }) => /^session \S+ was ended while a request used it$/.test(msg)))
})
