// The cookie jar sends what browsers send.
import t from 'tap'
import { Jar } from '../../lib/testing/jar.js'

t.test('Jar: a cookie is sent until it expires, is deleted or is replaced', async (t) => {
  const jar = new Jar().keep(['session=one; Path=/; HttpOnly', 'session-seen=3.x; Max-Age=10; Path=/'], 0)
  t.equal(jar.header('/any', 9_999), 'session=one; session-seen=3.x')
  t.equal(jar.header('/any', 10_000), 'session=one')
  t.equal(jar.keep(['session=two; Path=/'], 0).get('session'), 'two')
  t.equal(jar.keep(['session=; Path=/; Max-Age=0'], 0).header('/', 0), 'session-seen=3.x')
  t.equal(
    jar.keep(['session-seen=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT'], 0).header('/', 0),
    undefined
  )
})

t.test('Jar: a copy does not change with the original', async (t) => {
  const jar = new Jar().keep(['session=one; Path=/'])
  const copy = jar.copy()
  jar.keep(['session=two; Path=/'])
  t.equal(copy.header('/'), 'session=one')
})

t.test('Jar: a cookie is sent only within its path, and longer paths come first', async (t) => {
  const jar = new Jar().keep(['a=1; Path=/', 'a=2; Path=/shop'])
  t.equal(jar.header('/shop/cart'), 'a=2; a=1')
  t.equal(jar.header('/shopping'), 'a=1')
})
