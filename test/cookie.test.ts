// The cookie's name and attributes, option by option, and how it is found in a request.

import t from 'tap'
import { type CookieOptions, findCookie, resolveCookie, withAttributes } from '../lib/cookie.js'
import fc from './support/properties.js'

const defaults = { path: '/', secure: true, sameSite: 'lax', partitioned: false, httpOnly: true }

t.test('the name has the prefix __Host- where the attributes allow it', (t) => {
  t.same(resolveCookie({}, 'session', true), { name: '__Host-session', ...defaults })
  const names: [CookieOptions, string][] = [
    [{ domain: 'example.com' }, 'session'],
    [{ path: '/app' }, 'session'],
    [{ secure: false }, 'session'],
    [{ secure: 'auto' }, 'session'],
    [{ sameSite: 'strict', partitioned: true }, '__Host-session'],
    [{ name: 'sid' }, 'sid'],
    [{ name: '__Secure-sid', domain: 'example.com' }, '__Secure-sid']
  ]
  for (const [options, name] of names) t.equal(resolveCookie(options, 'session', false).name, name)
  t.end()
})

t.test('what browsers reject or OWASP forbids is refused by name', (t) => {
  const refused: [object, string][] = [
    [{ sameSite: 'none', secure: false }, 'sameSite'],
    [{ sameSite: 'none', secure: 'auto' }, 'sameSite'],
    [{ sameSite: true }, 'sameSite'],
    [{ partitioned: true, secure: 'auto' }, 'partitioned'],
    [{ partitioned: 1 }, 'partitioned'],
    [{ httpOnly: false }, 'httpOnly'],
    [{ secure: 'yes' }, 'secure'],
    [{ name: '__Host-id', domain: 'example.com' }, 'domain'],
    [{ name: '__Host-id', path: '/app' }, 'path'],
    [{ name: '__Host-id', secure: 'auto' }, 'name'],
    [{ name: '__host-id', secure: false }, 'name'],
    [{ name: '__Secure-id', secure: false }, 'name'],
    [{ name: 'a b' }, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 7 }, 'name'],
    [{ domain: 'a b' }, 'domain'],
    [{ domain: 'example.com; Path=/x' }, 'domain'],
    [{ path: 'app' }, 'path'],
    [{ path: '/a;b' }, 'path'],
    [{ path: '/a<b' }, 'path'],
    [{ domain: 5 }, 'domain'],
    [{ maxAge: 60 }, 'maxAge'],
    [{ expires: new Date() }, 'expires'],
    [{ samesite: 'lax' }, 'samesite']
  ]
  for (const [options, name] of refused) {
    const expected = { code: 'FST_SESSION_OPTION', message: new RegExp(`^option cookie\\.${name}: `) }
    t.throws(
      () => resolveCookie(options as CookieOptions, 'session', false),
      expected,
      JSON.stringify(options)
    )
  }
  t.end()
})

t.test('a cookie without Secure is refused in production, one that follows the connection is not', (t) => {
  t.throws(() => resolveCookie({ secure: false }, 'session', true), { message: /cookie\.secure: .*'auto'/ })
  t.equal(resolveCookie({ secure: 'auto' }, 'session', true).secure, 'auto')
  t.end()
})

t.test('one response may have attributes of its own, under the same rules', (t) => {
  const host = resolveCookie({}, 'session', true)
  t.same(withAttributes(host, { sameSite: 'strict' }), { ...host, sameSite: 'strict' })
  for (const own of [{ domain: 'example.com' }, { path: '/app' }, { partitioned: true }]) {
    t.throws(
      () => withAttributes(host, own as object),
      { message: /two cookies/ },
      'but not be another cookie'
    )
  }
  t.same(withAttributes(host, { path: '/' } as object), host)
  t.same(
    withAttributes(host, { userInfo: 'x', name: 'y', httpOnly: false } as object),
    host,
    'others are not taken'
  )
  t.end()
})

t.test('a cookie is found whatever stands beside it', (t) => {
  const headers: [string | undefined, string | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['id=a', 'a'],
    ['x=1; id=a; y=2', 'a'],
    ['x=1;id=a', 'a'],
    ['x=1;\tid=a ;y', 'a'],
    ['id=', ''],
    ['xid=b; id=a', 'a'],
    ['x=id=b; id=a', 'a'],
    ['xid=b', undefined],
    ['ID=b', undefined],
    ['id', undefined]
  ]
  for (const [header, value] of headers) t.equal(findCookie(header, 'id'), value, String(header))
  t.end()
})

t.test('of two cookies of one name neither is trusted', (t) => {
  t.equal(findCookie('id=a; id=b', 'id'), undefined)
  t.equal(findCookie('id=a; x=1; id=a', 'id'), undefined)
  t.end()
})

t.test('it is found in any header exactly if it stands there once', (t) => {
  const word = fc.stringMatching(/^[a-z=]{0,6}$/)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('id', 'xid', 'i', 'idd'), word)), (pairs) => {
      const header = pairs.map(([name, value]) => `${name}=${value}`).join('; ')
      const own = pairs.filter(([name]) => name === 'id')
      t.equal(findCookie(header, 'id'), own.length === 1 ? own[0]?.[1] : undefined)
    })
  )
  t.end()
})
