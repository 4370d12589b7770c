// Random interleavings of logins, new ids, changes, logouts, ends and failures, step by step in the store.
import t from 'tap'
import { UnavailableError } from '../../lib/errors.js'
import { MemoryStore, type Store } from '../../lib/index.js'
import type { SessionIndex } from '../../lib/stores/session-index.js'
import { Browser } from '../support/browser.js'
import fc from '../support/properties.js'
import { createService, idsOf, userOf } from './service.js'

const USER = 1
const ACTIONS = ['/login/1', '/move', '/confirm/1', '/count', '/logout', '/end-all', '/fail'] as const
const RUNS = 30

/** The store, each of whose operations first waits for the turn that it gets. */
function scheduled(store: Store, turn: () => Promise<void>): Store {
  const wrap = <Inner extends object>(inner: Inner, names: readonly string[]): Inner =>
    new Proxy(inner, {
      get(target, name) {
        const method: unknown = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        if (!names.includes(String(name))) return method.bind(target)
        return async (...given: unknown[]) => {
          await turn()
          const result = await method.apply(target, given)
          await turn()
          return result
        }
      }
    })
  const opening = (store as Required<Store>).openIndex()
  const records = wrap(store, ['read', 'create', 'update', 'touch', 'destroy', 'end'])
  return new Proxy(records, {
    get(target, name) {
      if (name !== 'openIndex') return Reflect.get(target, name)
      return async (): Promise<SessionIndex> => wrap(await opening, ['enter', 'list', 'leave', 'revoke'])
    }
  })
}

t.test('whatever happens at the same time, lists are right and ended sessions stay ended', async (t) => {
  const script = fc.array(fc.constantFrom(...ACTIONS), { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(script, { minLength: 2, maxLength: 4 }), async (s, scripts) => {
      const inner = new MemoryStore()
      let isOpen = false
      let failures = 0
      const turn = async () => {
        if (!isOpen) return
        await s.schedule(Promise.resolve())
        if (failures > 0) {
          failures--
          throw new UnavailableError('step', 'a test')
        }
      }
      const app = await createService(t, scheduled(inner, turn), { user: 'userId', timeout: 60_000 })
      let ticks = 0
      const ends: { from: number; to: number }[] = []
      const clients = scripts.map(() => ({ browser: new Browser(app), signedInAt: Number.POSITIVE_INFINITY }))
      const run = async (client: (typeof clients)[0], actions: readonly string[]) => {
        for (const action of actions) {
          if (action === '/fail') failures++
          else if (action === '/end-all') {
            const from = ++ticks
            await app.sessions.endAllOf(USER).then(
              () => ends.push({ from, to: ++ticks }),
              () => undefined
            )
          } else {
            const isLogin = action.startsWith('/login') || action.startsWith('/confirm')
            const { statusCode } = await client.browser.request(action)
            if (isLogin) client.signedInAt = statusCode === 200 ? ++ticks : Number.POSITIVE_INFINITY
          }
        }
      }
      isOpen = true
      await s.waitFor(Promise.all(clients.map((client, at) => run(client, scripts[at] ?? []))))
      isOpen = false
      failures = 0
      const list = await idsOf(app, USER)
      for (const { browser, signedInAt } of clients) {
        const { body } = await browser.request('/me')
        const isIn = JSON.parse(body).user === USER
        const isEnded = ends.some(({ from }) => signedInAt < from)
        if (isIn && isEnded) throw new Error('a session answers after its end')
        if (isIn && list.length === 0) throw new Error('a session is missing')
      }
      const alive = await Promise.all(clients.map(({ browser }) => userOf(browser)))
      if (alive.filter((user) => user === USER).length > list.length) throw new Error('a session is missing')
      await app.sessions.endAllOf(USER)
      if ((await idsOf(app, USER)).length > 0) throw new Error('a session is left in the list')
      for (const { browser } of clients) {
        if ((await userOf(browser)) === USER) throw new Error('a session is left')
      }
      await app.close()
      await inner.close()
    }),
    { numRuns: RUNS }
  )
})
