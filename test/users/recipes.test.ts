// The recipes of docs/users.md, in an application.
import t, { type Test } from 'tap'
import { addAccountRoutes } from '../../examples/accounts.js'
import { MemoryStore } from '../../lib/index.js'
import { createApp } from '../support/app.js'
import { Browser } from '../support/browser.js'

const ADA = 1
const ADMINISTRATOR = 2

async function open(t: Test) {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app = await createApp(t, { store, user: 'userId' })
  const users = new Map([
    ['ada', { id: ADA, password: 'one', isLocked: false }],
    ['root', { id: ADMINISTRATOR, password: 'two', isLocked: false }]
  ])
  const byId = (id: number) => [...users.values()].find((user) => user.id === id)
  addAccountRoutes(app, {
    async verify(name, password) {
      const user = users.get(name)
      return user?.password === password && !user.isLocked ? user.id : undefined
    },
    setPassword: async (id, password) => void Object.assign(byId(id) ?? {}, { password }),
    lock: async (id) => void Object.assign(byId(id) ?? {}, { isLocked: true }),
    readLogoutToken: async (token) => JSON.parse(token),
    isAdministrator: (id) => id === ADMINISTRATOR
  })
  const post = (browser: Browser, url: string, payload: object = {}) =>
    browser.request(url, { method: 'POST', payload })
  const login = async (name = 'ada', password = 'one', sid?: string) => {
    const browser = new Browser(app)
    const headers = { 'user-agent': `browser ${sid ?? ''}` }
    const payload = { name, password, ...(sid === undefined ? {} : { sid }) }
    const { statusCode } = await browser.request('/login', { method: 'POST', payload, headers })
    return { browser, statusCode }
  }
  const isIn = async (browser: Browser) => (await browser.request('/devices')).statusCode === 200
  return { post, login, isIn }
}

t.test('devices: a user sees their sessions, and ends one of them but not of others', async (t) => {
  const { isIn, login, post } = await open(t)
  const [one, two, other] = [await login(), await login('ada', 'one', 'x'), await login('root', 'two')]
  const list = await one.browser.json<{ id: string; device: string; isThis: boolean }[]>('/devices')
  t.same(
    new Set(list.map(({ device, isThis }) => `${device}${isThis}`)),
    new Set(['browser true', 'browser xfalse'])
  )
  const id = list.find(({ isThis }) => !isThis)?.id
  t.equal((await post(other.browser, `/devices/${id}/end`)).statusCode, 404)
  t.ok(await isIn(two.browser))
  t.equal((await post(one.browser, `/devices/${id}/end`)).statusCode, 200)
  t.notOk(await isIn(two.browser))
  t.ok(await isIn(one.browser))
})

t.test('a new password ends all other sessions, and the old one no longer signs in', async (t) => {
  const { isIn, login, post } = await open(t)
  const [mine, other, stranger] = [await login(), await login(), await login('root', 'two')]
  const before = new Map(mine.browser.cookies)
  const response = await post(mine.browser, '/password', { password: 'new' })
  t.same(response.json(), { ended: 1 })
  t.notSame(mine.browser.cookies, before, 'this one has a new id')
  t.ok(await isIn(mine.browser))
  t.notOk(await isIn(other.browser))
  t.ok(await isIn(stranger.browser))
  t.equal((await login('ada', 'one')).statusCode, 401)
  t.equal((await login('ada', 'new')).statusCode, 200)
})

t.test('a locked account is out everywhere, and stays out', async (t) => {
  const { isIn, login, post } = await open(t)
  const [one, two, root] = [await login(), await login(), await login('root', 'two')]
  t.equal((await post(one.browser, `/admin/lock/${ADMINISTRATOR}`)).statusCode, 403)
  t.same((await post(root.browser, `/admin/lock/${ADA}`)).json(), { ended: 2 })
  for (const { browser } of [one, two]) t.notOk(await isIn(browser))
  t.equal((await login()).statusCode, 401)
})

t.test('back-channel logout: ends the session that the identity provider names', async (t) => {
  const { isIn, login, post } = await open(t)
  const [one, two] = [await login('ada', 'one', 'a'), await login('ada', 'one', 'b')]
  const token = JSON.stringify({ userId: ADA, sid: 'a' })
  t.equal((await post(two.browser, '/back-channel-logout', { token })).statusCode, 200)
  t.notOk(await isIn(one.browser))
  t.ok(await isIn(two.browser))
})

t.test('step-up: a confirmation counts for ten minutes', async (t) => {
  const { login, post } = await open(t)
  const { browser } = await login()
  let ahead = 0
  const now = Date.now
  t.intercept(Date, 'now', { value: () => now() + ahead })
  ahead = 599_000
  t.equal((await post(browser, '/password', { password: 'one' })).statusCode, 200)
  ahead = 601_000
  t.same((await post(browser, '/password', { password: 'one' })).json(), { error: 'confirm' })
  t.equal(
    (await post(browser, '/confirm', { name: 'root', password: 'two' })).statusCode,
    401,
    'somebody else'
  )
  t.equal((await post(browser, '/confirm', { name: 'ada', password: 'one' })).statusCode, 200)
  t.equal((await post(browser, '/password', { password: 'one' })).statusCode, 200)
})
