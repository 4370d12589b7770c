// Objects that a route has read: the commit notices every change inside them, and encodes nothing if there is none.
import { deserialize, serialize } from 'node:v8'
import t from 'tap'
import { Trace } from '../lib/data/trace.js'
import { MemoryStore, type Serializer, type Session } from '../lib/index.js'
import { serializers } from '../serializers/index.js'
import v8 from './contracts/v8.js'
import { createApp } from './support/app.js'
import { Browser } from './support/browser.js'
import fc from './support/properties.js'

interface Cart {
  [key: string]: unknown
  items: unknown[]
  owner: Record<string, unknown>
  at: Date
}

function cart(): Cart {
  return { items: [{ id: 1 }, [-0, 'b', Number.NaN], null], owner: { name: 'Ada', age: 36 }, at: new Date(1) }
}

const changes: [what: string, change: (cart: Cart) => unknown][] = [
  ['a value', ({ owner }) => Object.assign(owner, { name: 'Bob' })],
  ['a value by another of its kind', ({ owner }) => Object.assign(owner, { age: '36' })],
  ['an object by an equal one', (cart) => Object.assign(cart, { owner: { ...cart.owner } })],
  ['a new key', ({ owner }) => Object.assign(owner, { city: 'Graz' })],
  ['a new key without a value', ({ owner }) => Object.assign(owner, { city: undefined })],
  ['a key less', ({ owner }) => delete owner.name],
  ['the last key less', ({ owner }) => delete owner.age],
  ['the order of keys', ({ owner }) => delete owner.name && Object.assign(owner, { name: 'Ada' })],
  ['a getter that throws', ({ owner }) => Object.defineProperty(owner, 'name', { get: thrower })],
  ['another prototype', ({ owner }) => Object.setPrototypeOf(owner, { city: 'Graz' })],
  ['an own toJSON', ({ owner }) => Object.defineProperty(owner, 'toJSON', { value: () => 1 })],
  ['one more in a list', ({ items }) => items.push('c')],
  ['one less in a list', ({ items }) => items.pop()],
  ['the order of a list', ({ items }) => items.reverse()],
  ['a hole in a list', ({ items }) => delete items[2]],
  ['a named property of a list', ({ items }) => Object.assign(items, { total: 3 })],
  ['the sign of zero in a list', ({ items }) => (items[1] as unknown[]).splice(0, 1, 0)],
  ['an object in a list', ({ items }) => Object.assign(items[0] as object, { id: 2 })],
  ['an object that contains itself', (cart) => Object.assign(cart.owner, { cart })],
  ['the time of a Date', ({ at }) => at.setTime(2)],
  ['a symbol', ({ owner }) => Object.assign(owner, { [Symbol('a')]: 1 })],
  ['a symbol of a list', ({ items }) => Object.assign(items, { [Symbol('a')]: 1 })],
  [
    'a list item that is not enumerable',
    ({ items }) => Object.defineProperty(items, 0, { enumerable: false })
  ],
  ['the prototype of a list', ({ items }) => Object.setPrototypeOf(items, Map.prototype)],
  ['an own method of a Date', ({ at }) => Object.assign(at, { toISOString: () => 'now' })],
  ['a hidden property of a Date', ({ at }) => Object.defineProperty(at, 'getTime', { value: () => 2 })],
  ['a hidden property', ({ owner }) => Object.defineProperty(owner, 'hidden', { value: 1 })],
  ['the kind of a Date', ({ at }) => Object.setPrototypeOf(at, Object.prototype)]
]

function thrower(): never {
  throw new Error('a getter')
}

t.test('Trace: nothing has changed', async (t) => {
  const looped = cart()
  looped.owner.cart = looped
  const shared = { id: 1 }
  for (const value of [cart(), looped, [shared, { shared }], [], {}, Object.create(null)]) {
    t.ok(new Trace(value).isUnchanged)
  }
})

t.test('Trace: every change is noticed', async (t) => {
  for (const [what, change] of changes) {
    const value = cart()
    const trace = new Trace(value)
    change(value)
    t.notOk(trace.isUnchanged, what)
  }
})

const HIDDEN = [
  'a list item that is not enumerable',
  'a named property of a list',
  'a symbol',
  'a symbol of a list',
  'a hidden property'
]

t.test('Trace: without hidden parts, every other change is noticed', async (t) => {
  for (const [what, change] of changes) {
    const value = cart()
    const trace = new Trace(value, true)
    change(value)
    t.equal(trace.isUnchanged, HIDDEN.includes(what), what)
  }
})

t.test('Trace: JSON stores no hidden parts', async (t) => {
  for (const [what, change] of changes.filter(([what]) => HIDDEN.includes(what))) {
    const value = cart()
    change(value)
    t.equal(JSON.stringify(value), JSON.stringify(cart()), what)
  }
})

t.test('Trace: what refers to the whole is noted once', async (t) => {
  const root: Record<string, unknown> = {}
  root.others = Array.from({ length: 3_000 }, () => ({}))
  root.references = Array.from({ length: 1_000 }, () => root)
  t.ok(new Trace(root.references as object).isUnchanged)
  let graph: object = {}
  for (let level = 0; level < 60; level++) graph = { one: graph, other: graph }
  t.ok(new Trace(graph).isUnchanged)
})

t.test('Trace: a hole and a named property in place of an item', async (t) => {
  const list = [1, undefined, 3]
  const trace = new Trace(list)
  delete list[1]
  t.notOk(new Trace(list).isUnchanged, 'a hole')
  Object.assign(list, { total: 3 })
  t.notOk(trace.isUnchanged)
})

t.test('Trace: other objects always count as changed', async (t) => {
  class Money {}
  const throwing = Object.defineProperty({}, 'name', { get: thrower, enumerable: true })
  for (const value of [
    throwing,
    new Map(),
    new Set(),
    new Money(),
    new Uint8Array(1),
    new Error('a'),
    new Array(1)
  ]) {
    t.notOk(new Trace({ value }).isUnchanged)
  }
})

// ---------------------------------------------------------------- in a session

const counted = (inner: Serializer) => {
  const serializer = {
    ...inner,
    tag: inner.tag + 32,
    encodings: 0,
    encode(data: Record<string, unknown>) {
      serializer.encodings++
      return inner.encode(data)
    }
  }
  return serializer
}

async function visitor(t: Parameters<typeof createApp>[0], serializer: Serializer) {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await createApp(t, { store, serializer })
  let route: (session: Session) => unknown = () => {}
  app.get('/', async ({ session }) => {
    await route(session)
    return {}
  })
  const browser = new Browser(app)
  const visit = async <Result>(work: (session: Session) => Result | Promise<Result>) => {
    let result: Result | undefined
    route = async (session) => {
      result = await work(session)
    }
    await browser.json('/')
    return result as Result
  }
  return visit
}

const ALL = [...Object.values(serializers), v8]

t.test('session: nothing is encoded if objects were read and not changed', async (t) => {
  for (const inner of ALL) {
    const serializer = counted(inner)
    const visit = await visitor(t, serializer)
    await visit((session) => session.set('anything', { items: [{ id: 1 }] }))
    serializer.encodings = 0
    await visit((session) => [session.get('anything'), session.get('anything'), session.data()])
    t.equal(serializer.encodings, 0, inner.name)
    await visit((session) => session.isModified())
    t.equal(serializer.encodings, 0, `${inner.name}, isModified()`)
  }
})

// Paths into a value, and what to do there.
const step = fc.record({
  path: fc.array(fc.nat(5), { maxLength: 4 }),
  action: fc.constantFrom('set', 'delete', 'push', 'swap'),
  value: fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constant(-0))
})
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

function apply(value: unknown, { path, action, value: given }: Step): void {
  const [first = 0, ...rest] = path
  if (typeof value !== 'object' || value === null) return
  const object = value as Record<string, unknown>
  const keys = Object.keys(object)
  const key = keys[first % Math.max(1, keys.length)] ?? '0'
  const other = keys.at(-1) ?? '0'
  if (rest.length > 0) apply(object[key], { path: rest, action, value: given })
  else if (action === 'push') object[Array.isArray(object) ? object.length : `key${first}`] = given
  else if (action === 'set') object[key] = given
  else if (action === 'swap') [object[key], object[other]] = [object[other], object[key]]
  else if (Array.isArray(object)) object.splice(Number(key), 1)
  else delete object[key]
}

const way = fc.constantFrom<(session: Session) => unknown>(
  (session) => session.get('anything'),
  (session) => session.anything,
  (session) => session.data().anything
)

for (const inner of ALL) {
  t.test(`session with ${inner.name}: whatever changes inside an object is stored`, async (t) => {
    const visit = await visitor(t, inner)
    const normal = (value: unknown) => deserialize(serialize(inner.decode(asBytes(inner.encode({ value })))))
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue({ maxDepth: 3 }).filter((value) => typeof value === 'object' && value !== null),
        fc.array(fc.record({ steps: fc.array(step, { maxLength: 3 }), read: way, saves: fc.boolean() }), {
          minLength: 1,
          maxLength: 3
        }),
        async (first, visits) => {
          await visit((session) => session.set('anything', structuredClone(first)))
          for (const { steps, read, saves } of visits) {
            const made = await visit(async (session) => {
              const value = read(session)
              const before = structuredClone(value)
              for (const each of steps) apply(value, each)
              if (!saves) return structuredClone(value)
              await session.save()
              // Back to what the request has read.
              for (const key of Object.keys(value as object)) delete (value as Cart)[key]
              Object.assign(value as object, before)
              if (Array.isArray(value) && Array.isArray(before)) value.length = before.length
              return before
            })
            t.same(normal(await visit((session) => structuredClone(session.get('anything')))), normal(made), {
              skip: false
            })
          }
        }
      ),
      { numRuns: 60 }
    )
  })
}

function asBytes(encoded: Uint8Array | string): Uint8Array {
  return typeof encoded === 'string' ? Buffer.from(encoded) : Uint8Array.from(encoded)
}

t.test('session: a change that is undone after save() is stored as well', async (t) => {
  for (const inner of ALL) {
    const visit = await visitor(t, inner)
    await visit((session) => session.set('cart', { items: ['tea'] }))
    await visit(async (session) => {
      session.cart?.items.push('milk')
      await session.save()
      session.cart?.items.pop()
    })
    t.same(await visit((session) => session.get('cart')), { items: ['tea'] }, inner.name)
  }
})

t.test('session: hidden parts are compared unless JSON alone stores the object', async (t) => {
  const visit = await visitor(t, v8)
  await visit((session) => session.set('cart', { items: ['tea'] }))
  await visit((session) => Object.assign(session.get('cart')?.items ?? [], { total: 3 }))
  t.match(await visit((session) => session.get('cart')?.items), { total: 3 })
})

t.test('session: a change inside an object that two keys share is stored', async (t) => {
  const visit = await visitor(t, serializers.superjson)
  await visit((session) => {
    const shared = { id: 1 }
    session.set('anything', shared)
    session.set('cart', { items: [], shared } as never)
  })
  await visit((session) => {
    ;(session.get('anything') as { id: number }).id = 2
    session.get('cart')
  })
  t.match(await visit((session) => session.data()), { anything: { id: 2 }, cart: { shared: { id: 2 } } })
})
