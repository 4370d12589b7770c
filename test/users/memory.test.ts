import t from 'tap'
import { MemoryStore } from '../../lib/index.js'
import { usersContract } from '../contracts/users.js'
import { createApp } from '../support/app.js'
import { createService, newUser, signedIn, userOf } from './service.js'

t.test('users: the memory store keeps the contract', async (t) => {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  await usersContract(t, () => store)
})

t.test('endAllOf(): what it did not know stays out, however long that lives', async (t) => {
  const days = 86_400
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const old = await createApp(t, { store })
  old.get('/login/:user', async ({ params, session }) => {
    session.lifetime = 300 * days
    session.userId = Number((params as { user: string }).user)
    return { id: session.id }
  })
  const app = await createService(t, store)
  const user = newUser()
  const { browser } = await signedIn(old as never, user)
  await app.sessions.endAllOf(user)
  const now = Date.now
  t.intercept(Date, 'now', { value: () => now() + 250 * days * 1_000 })
  browser.visit(app)
  await browser.request('/me')
  t.equal(await userOf(browser), undefined)
})
