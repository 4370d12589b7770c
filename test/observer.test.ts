// The observer of session life cycles: which calls it gets, when, and what it can refuse.
import t, { type Test } from 'tap'
import { CookieMemory } from '../lib/cookies/session-cookie.js'
import { createContext } from '../lib/plugin/context.js'
import { type RedisSessionOptions, resolveOptions } from '../lib/plugin/options.js'
import type { SessionObserver } from '../lib/request/observer.js'
import { Transaction } from '../lib/request/transaction.js'
import { MemoryStore } from '../lib/stores/memory.js'

const log = { error() {}, warn() {}, info() {} }

/** Requests of one browser, each with its transaction, without Fastify. */
async function begin(t: Test, observer: SessionObserver, options: RedisSessionOptions = {}) {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const context = await createContext(
    resolveOptions({ store, ...options }, false),
    store,
    log,
    false,
    observer
  )
  const memory = new CookieMemory()
  const cookies = new Map<string, string>()
  const request = async (work: (transaction: Transaction) => unknown) => {
    const transaction = new Transaction(context, {
      log,
      memory,
      isOpen: true,
      domainBy() {},
      setCookie: ({ name }, value) => void cookies.set(name, value),
      withdrawCookie: ({ name }) => void cookies.delete(name),
      onceClosed() {},
      onceOver() {}
    })
    const header = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const received = context.ids.receive(header)
    if (received !== undefined) await transaction.load(received, 'error')
    await work(transaction)
    await transaction.commit(true)
    return transaction.state
  }
  return { request, store, cookies }
}

t.test('observer: called for each step from creation to the end of a session', async (t) => {
  const calls: unknown[] = []
  const seen: boolean[] = []
  let isStored = async (_handle: string) => false
  const note =
    (name: string) =>
    async (...handles: unknown[]) => {
      const names = handles.filter((each) => typeof each === 'string')
      calls.push([name, ...names])
      seen.push(await isStored(names.at(-1) as string))
    }
  const { request, store } = await begin(
    t,
    {
      created: note('created'),
      moved: note('moved'),
      updated: note('updated'),
      replaced: note('replaced'),
      destroyed: note('destroyed')
    },
    { touchAfter: 0 }
  )
  isStored = async (handle) => (await store.read(`session:${handle}`)) !== undefined
  const { handle: first } = await request(({ state }) => state.draft.set('userId', 1))
  await request(() => {})
  const { handle: second } = await request((transaction) => transaction.regenerate(true))
  await request((transaction) => transaction.destroy())
  t.same(calls, [
    ['created', first],
    ['updated', first],
    ['replaced', first],
    ['moved', first, second],
    ['replaced', first],
    ['destroyed', second]
  ])
  t.same(
    seen,
    [false, true, true, false, true, false],
    'before a record is stored, and after it is replaced or deleted'
  )
})

t.test('observer: destroyed() is called for a session that was emptied', async (t) => {
  const ended: string[] = []
  const { request } = await begin(t, { destroyed: async (handle) => void ended.push(handle) })
  const { handle } = await request(({ state }) => state.draft.set('userId', 1))
  await request(({ state }) => state.draft.delete('userId'))
  t.same(ended, [handle])
})

t.test('observer: a rejection refuses the operation', async (t) => {
  const refuse = async () => {
    throw new Error('refused')
  }
  const { request, store, cookies } = await begin(t, { created: refuse })
  await t.rejects(
    request(({ state }) => state.draft.set('userId', 1)),
    { message: 'refused' }
  )
  t.equal(store.size, 0)
  t.equal(cookies.size, 0)
  const observer: SessionObserver = {}
  const other = await begin(t, observer)
  const { handle } = await other.request(({ state }) => state.draft.set('userId', 1))
  observer.moved = refuse
  await t.rejects(
    other.request((transaction) => transaction.regenerate(true)),
    { message: 'refused' }
  )
  t.equal((await other.request(() => {})).handle, handle, 'the session keeps its id')
  t.equal(other.store.size, 1)
})
