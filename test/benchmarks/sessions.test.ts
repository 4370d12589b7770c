// The measured sessions have the sizes that the tables and the documents name.
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { contentOf, quantityOf } from '../../benchmarks/server/contents.js'
import { cart, jsonBytes, login, shopper } from '../../benchmarks/sessions.js'
import { sessions } from '../../contracts/values.js'

const USERS = [1, 2, 16, 99, 100, 500, 10_500]

t.test('a login has 150 bytes for every user', async (t) => {
  for (const user of USERS) t.equal(jsonBytes(login(user)), 150, `user ${user}`)
  t.notOk(isDeepStrictEqual(login(1), login(2)))
  t.same(sessions.login, login(1), 'the documents measure the same login')
})

t.test('carts have the bytes that were asked for, at the top level and as one object', async (t) => {
  for (const bytes of [120, 500, 2_000, 10_240]) {
    for (const user of USERS) {
      t.equal(jsonBytes(cart(bytes, user)), bytes)
      t.equal(jsonBytes(shopper(bytes, user)), bytes)
    }
  }
})

t.test('a large session is 10 KB in one object besides the user', async (t) => {
  const content = contentOf('large', 7)
  t.equal(jsonBytes(content), 10_240)
  t.same(Object.keys(content), ['userId', 'cart'])
})

t.test('the quantity of a cart tells sessions apart, and a session without a cart has none', async (t) => {
  const quantities = new Set(USERS.map((user) => quantityOf(contentOf('large', user))))
  t.ok(quantities.size > 1)
  t.notOk(quantities.has(0))
  t.equal(quantityOf(contentOf('login', 7)), 0)
})

t.test('a session of ten keys holds no object', async (t) => {
  const content = contentOf('keys-10', 7)
  t.equal(Object.keys(content).length, 10)
  for (const value of Object.values(content)) t.not(typeof value, 'object')
})
