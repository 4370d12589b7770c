// session.peek(): returns values for reading only; the commit does not compare them.
import t, { type Test } from 'tap'
import { MemoryStore, type RedisSessionOptions, type Session } from '../lib/index.js'
import { createApp } from './support/app.js'
import { Browser } from './support/browser.js'

async function visitor(t: Test, options: RedisSessionOptions = {}) {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  let encodings = 0
  const serializer = {
    name: 'counted',
    tag: 200,
    encode(data: unknown) {
      encodings++
      return JSON.stringify(data)
    },
    decode: (payload: Uint8Array) => JSON.parse(Buffer.from(payload).toString())
  }
  const app = await createApp(t, { store, serializer, ...options })
  let route: (session: Session) => unknown = () => {}
  app.get('/', async ({ session }) => ({ result: route(session) }))
  const browser = new Browser(app)
  const visit = async (work: (session: Session) => unknown) => {
    route = work
    encodings = 0
    const { result } = await browser.json<{ result: unknown }>('/')
    return { result, encodings }
  }
  await visit((session) => {
    session.cart = { items: ['tea'] }
    session.name = 'Ada'
  })
  const warnings = () => app.logLines.filter(({ msg }) => msg.includes('peek()'))
  return { visit, warnings }
}

t.test('peek(): the commit does not compare the value', async (t) => {
  const { NODE_ENV } = process.env
  process.env.NODE_ENV = 'production'
  t.teardown(() => {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = NODE_ENV
  })
  const { visit } = await visitor(t)
  t.same(await visit((session) => session.peek('cart')), { result: { items: ['tea'] }, encodings: 0 })
  t.same(await visit((session) => session.peek('name')), { result: 'Ada', encodings: 0 })
  t.same(await visit((session) => session.peek('userId')), { encodings: 0, result: undefined })
})

t.test('peek(): a change is reported once, with its key', async (t) => {
  const { visit, warnings } = await visitor(t)
  await visit((session) => {
    const cart = session.peek('cart') as { items: string[] }
    session.peek('cart')
    cart.items.push('milk')
  })
  t.match(warnings(), [{ level: 40, session: { type: 'peeked', key: 'cart' }, msg: /key cart was changed/ }])
  t.equal(warnings().length, 1)
  t.same((await visit((session) => session.data())).result, { name: 'Ada', cart: { items: ['tea'] } })
})

t.test('peek(): a change is also reported if get() returned the object afterwards', async (t) => {
  const { visit, warnings } = await visitor(t)
  await visit((session) => {
    const cart = session.peek('cart') as { items: string[] }
    cart.items.push('milk')
    session.get('cart')
  })
  t.equal(warnings().length, 1)
})

t.test('peek(): nothing is reported if the value is unchanged or may change', async (t) => {
  const { visit, warnings } = await visitor(t)
  await visit((session) => session.peek('cart'))
  await visit((session) => {
    session.peek('cart')
    session.cart?.items.push('milk')
  })
  await visit((session) => {
    session.peek('cart')
    session.delete('cart')
  })
  t.same(warnings(), [])
})

t.test('peek(): a value that cannot be encoded fails only in the commit', async (t) => {
  const { visit, warnings } = await visitor(t)
  const { result } = await visit((session) => {
    session.anything = { big: 1n }
    return typeof session.peek('anything')
  })
  t.equal(result, undefined, 'the commit refuses it')
  t.same(warnings(), [])
})

t.test('peek(): a record that another request made undecodable does not fail the request', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const other = { name: 'other', tag: 222, encode: JSON.stringify, decode: () => ({}) }
  const app = await createApp(t, { store, touchAfter: 0 })
  const later = await createApp(t, { store, touchAfter: 0, serializer: other })
  const [browser, tab] = [new Browser(app), new Browser(later)]
  app.get('/login', async ({ session }) => {
    session.cart = { items: [] }
  })
  app.get('/', async ({ session }) => {
    session.peek('cart')
    await tab.request('/')
  })
  later.get('/', async ({ session }) => {
    session.name = 'Ada'
  })
  await browser.request('/login')
  for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
  t.equal((await browser.request('/')).statusCode, 200)
})

t.test('peek(): a change in a value that a merge has put in place is reported', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await createApp(t, { store })
  const browser = new Browser(app)
  const tab = new Browser(app)
  app.get('/cart/:item', async ({ params, session }) => {
    session.cart = { items: [(params as { item: string }).item] }
  })
  app.get('/', async ({ session }) => {
    session.peek('cart')
    await tab.request('/cart/milk')
    session.name = 'Ada'
    await session.save()
    ;(session.peek('cart') as { items: string[] }).items.push('tea')
  })
  await browser.request('/cart/bread')
  for (const [name, value] of browser.cookies) tab.cookies.set(name, value)
  await browser.request('/')
  t.equal(app.logLines.filter(({ msg }) => msg.includes('peek()')).length, 1)
})
