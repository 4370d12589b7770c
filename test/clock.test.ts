// Fake timers in an application's tests must stop neither reads nor deadlines.

import { mock } from 'node:test'
import t from 'tap'
import { MemoryStore } from '../lib/index.js'
import { sessionOf, signedIn, Browser as TestBrowser } from '../lib/testing/index.js'
import { createApp } from './support/app.js'
import { Browser } from './support/browser.js'
import { startRedis } from './support/redis-server.js'

type Timers = Pick<typeof globalThis, 'setImmediate' | 'setInterval' | 'setTimeout' | 'performance'>

// Does by hand what sinon and vitest do.
function replaceTimers(): () => void {
  const names = ['setImmediate', 'setInterval', 'setTimeout', 'performance'] as const
  const real = Object.fromEntries(names.map((name) => [name, globalThis[name]])) as unknown as Timers
  const never = () => ({ unref() {}, ref() {} })
  Object.assign(globalThis, { setImmediate: never, setInterval: never, setTimeout: never })
  Object.defineProperty(globalThis, 'performance', {
    value: { now: () => 0 },
    configurable: true,
    writable: true
  })
  return () => Object.assign(globalThis, real)
}

const FAKES: Record<string, () => () => void> = {
  'node:test': () => {
    mock.timers.enable({ apis: ['setImmediate', 'setInterval', 'setTimeout'] })
    return () => mock.timers.reset()
  },
  'a hand-written replacement': replaceTimers
}

for (const [name, fake] of Object.entries(FAKES)) {
  t.test(`fake timers (${name}): sessions are read and written`, async (t) => {
    const redis = await startRedis(t)
    const app = await createApp(t, { redis: redis.url })
    app.get('/count', async ({ session }) => {
      session.count = (session.count ?? 0) + 1
      return { count: session.count }
    })
    const browser = new Browser(app)
    await browser.request('/count')
    const restore = fake()
    try {
      t.same(await browser.json('/count'), { count: 2 })
      const tabs = await Promise.all([browser.request('/count'), browser.request('/count')])
      for (const tab of tabs) t.equal(tab.statusCode, 200)
      t.equal((await new Browser(app).request('/count')).statusCode, 200, 'a new session')
    } finally {
      restore()
    }
  })

  t.test(`fake timers (${name}): timeout still applies to a store that does not answer`, async (t) => {
    const memory = new MemoryStore()
    t.teardown(() => memory.close())
    const store = {
      read: () => new Promise<never>(() => {}),
      create: memory.create.bind(memory),
      update: memory.update.bind(memory),
      touch: memory.touch.bind(memory),
      destroy: memory.destroy.bind(memory)
    }
    const app = await createApp(t, { store, timeout: 50 })
    app.get('/login', async ({ session }) => session.set('userId', 1))
    app.get('/', async ({ session }) => session.data())
    const browser = new Browser(app)
    await browser.request('/login')
    const restore = fake()
    try {
      const response = await browser.request('/')
      t.equal(response.json().code, 'FST_SESSION_UNAVAILABLE')
    } finally {
      restore()
    }
  })
}

t.test('fake clock (node:test): sessions begin, are read and expire by it', async (t) => {
  const store = new MemoryStore()
  const app = await createApp(t, { store, idleTimeout: 600, touchAfter: 0 })
  app.get('/', async ({ session }) => session.data())
  await app.ready()
  mock.timers.enable({ apis: ['setImmediate', 'setInterval', 'setTimeout', 'Date'], now: Date.now() })
  t.teardown(() => {
    mock.timers.reset()
    return store.close()
  })
  const browser = new TestBrowser(app, await signedIn(app, { userId: 42 }))
  mock.timers.tick(599_000)
  t.same((await browser.inject('/')).json(), { userId: 42 })
  mock.timers.tick(599_000)
  const response = await browser.inject('/')
  t.same(await sessionOf(app, response), { userId: 42 }, 'the request before has extended it')
  mock.timers.tick(600_001)
  t.same((await browser.inject('/')).json(), {})
  t.equal(await sessionOf(app, response), undefined)
})
