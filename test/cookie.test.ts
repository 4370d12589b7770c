// The cookie's name and attributes, option by option, and how it is found in a request.

import t from 'tap'
import {
  attributesOn,
  type CookieAttributes,
  findCookies,
  hostOnlyVariant,
  isOnPath,
  resolveCookie,
  whyUnusable,
  withAttributes
} from '../lib/cookies/cookie.js'
import fc from './support/properties.js'

const defaults = { path: '/', secure: true, sameSite: 'lax', partitioned: false, httpOnly: true }

// OWASP ASVS 5.0: V3.3.3
t.test('cookie.name: the prefix is __Host- if the attributes allow it', (t) => {
  t.same(resolveCookie({}, 'session', true), { name: '__Host-session', ...defaults, production: true })
  const names: [CookieAttributes, string][] = [
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

// OWASP ASVS 5.0: V3.3.2
t.test('cookie options: what browsers reject or OWASP forbids is refused by name', (t) => {
  const refused: [object, string][] = [
    [{ sameSite: 'none', secure: false }, 'sameSite'],
    [{ sameSite: true }, 'sameSite'],
    [{ partitioned: true, secure: 'auto' }, 'partitioned'],
    [{ partitioned: 1 }, 'partitioned'],
    [{ priority: 'High' }, 'priority'],
    [{ priority: null }, 'priority'],
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
      () => resolveCookie(options as CookieAttributes, 'session', false),
      expected,
      JSON.stringify(options)
    )
  }
  t.end()
})

t.test('a priority is kept as it is, and is not there by default', (t) => {
  for (const priority of ['low', 'medium', 'high'] as const) {
    t.equal(resolveCookie({ priority }, 'session', true).priority, priority)
  }
  t.notOk('priority' in resolveCookie({}, 'session', true))
  t.end()
})

t.test('cookie.secure: false is refused in production, auto is not', (t) => {
  t.throws(() => resolveCookie({ secure: false }, 'session', true), { message: /cookie\.secure: .*'auto'/ })
  t.equal(resolveCookie({ secure: 'auto' }, 'session', true).secure, 'auto')
  t.end()
})

t.test('options(): a response may have its own attributes, under the same rules', (t) => {
  const host = resolveCookie({}, 'session', true)
  t.same(withAttributes(host, { sameSite: 'strict' }), { ...host, sameSite: 'strict' })
  for (const own of [{ domain: 'example.com' }, { path: '/app' }, { partitioned: true }]) {
    t.throws(
      () => withAttributes(host, own as object),
      { message: /two cookies/ },
      'options() cannot make it another cookie'
    )
  }
  t.same(withAttributes(host, { path: '/', httpOnly: true } as object), host)
  for (const nothing of [undefined, null]) {
    t.throws(() => withAttributes(host, nothing as never), { code: 'FST_SESSION_OPTION' })
  }
  t.throws(() => resolveCookie({ name: '__Http-session', secure: false }, 'session', false), {
    code: 'FST_SESSION_OPTION'
  })
  t.same(
    withAttributes(host, { userInfo: 'x' } as object),
    host,
    'options() ignores properties that plugins add'
  )
  t.throws(() => withAttributes(host, { secure: false }), { message: /cookie\.secure: .*production/ })
  const development = resolveCookie({ secure: 'auto', sameSite: 'none' }, 'session', false)
  t.throws(() => withAttributes(development, { secure: false }), { message: /cookie\.sameSite/ })
  t.equal(withAttributes(development, { secure: false, sameSite: 'lax' }).secure, false)
  t.end()
})

t.test(
  'options(): unknown attributes are refused by name; maxAge and expires name the option to use',
  (t) => {
    const host = resolveCookie({}, 'session', true)
    const refused: [object, RegExp][] = [
      [{ maxAge: 60 }, /cookie\.maxAge: follows from .* permanentLifetime/],
      [{ expires: new Date() }, /cookie\.expires: follows from/],
      [{ samesite: 'lax' }, /cookie\.samesite: is not one of secure, sameSite/],
      [{ signed: true }, /cookie\.signed: is not one of/],
      [{ name: 'y' }, /cookie\.name: cannot differ/],
      [{ httpOnly: false }, /cookie\.httpOnly: cannot differ/]
    ]
    for (const [attributes, message] of refused) {
      t.throws(() => withAttributes(host, attributes), { code: 'FST_SESSION_OPTION', message })
    }
    t.end()
  }
)

t.test("sameSite: 'none' with secure: 'auto' is 'lax' over plain http", (t) => {
  const cookie = resolveCookie({ sameSite: 'none', secure: 'auto' }, 'session', true)
  t.same(attributesOn(true, cookie), { secure: true, sameSite: 'none' })
  t.same(attributesOn(false, cookie), { secure: false, sameSite: 'lax' })
  const strict = resolveCookie({ sameSite: 'strict' }, 'session', true)
  t.same(attributesOn(false, strict), { secure: true, sameSite: 'strict' })
  t.end()
})

t.test('cookie.domain: a domain that browsers never accept is detected', (t) => {
  const domains: [string | undefined, RegExp | undefined][] = [
    [undefined, undefined],
    ['example.com', undefined],
    ['.example.com', undefined],
    ['localhost', /single label/],
    ['com', /single label/],
    ['127.0.0.1', /IP address/]
  ]
  for (const [domain, why] of domains) {
    if (why === undefined) t.equal(whyUnusable(domain), undefined, String(domain))
    else t.match(whyUnusable(domain), why, String(domain))
  }
  t.end()
})

t.test('cookie.path: which paths match (RFC 6265, 5.1.4)', (t) => {
  const paths: [string, string, boolean][] = [
    ['/anything', '/', true],
    ['/app', '/app', true],
    ['/app?x=/', '/app', true],
    ['/app/', '/app', true],
    ['/app/x?y', '/app', true],
    ['/application', '/app', false],
    ['/App', '/app', false],
    ['/', '/app', false],
    ['/other?/app', '/app', false],
    ['/app', '/app/', false],
    ['/app/x', '/app/', true]
  ]
  for (const [url, path, isOn] of paths) t.equal(isOnPath(url, path), isOn, `${url} on ${path}`)
  t.end()
})

t.test('cookie: the cookie from before domain, path or partitioned were set is recognised', (t) => {
  const variants: CookieAttributes[] = [
    { domain: 'example.com' },
    { path: '/app' },
    { partitioned: true, name: 'session' }
  ]
  const plain = resolveCookie({ name: 'session' }, 'session', false)
  t.equal(hostOnlyVariant(plain), undefined)
  for (const options of variants) {
    const cookie = resolveCookie({ name: 'session', ...options }, 'session', false)
    t.same(hostOnlyVariant(cookie), plain)
  }
  t.end()
})

t.test('Cookie header: a cookie is found next to any others', (t) => {
  const headers: [string | undefined, string[]][] = [
    [undefined, []],
    ['', []],
    ['id=a', ['a']],
    ['x=1; id=a; y=2', ['a']],
    ['x=1;id=a', ['a']],
    ['x=1;\tid=a ;y', ['a']],
    ['id=', ['']],
    ['id="a"; x', ['a']],
    ['id=""', ['']],
    ['id="', ['"']],
    ['xid=b; id=a', ['a']],
    ['x=id=b; id=a', ['a']],
    ['id=a; id=b;id=a', ['a', 'b', 'a']],
    ['xid=b', []],
    ['ID=b', []],
    ['id-other=b', []],
    ['id', []]
  ]
  for (const [header, values] of headers) t.same(findCookies(header, 'id')?.id ?? [], values, String(header))
  t.same(findCookies('id-next=a; id=b; id-seen=c; id-next="d"', 'id'), {
    id: ['b'],
    next: ['a', 'd'],
    seen: ['c']
  })
  t.end()
})

t.test('Cookie header: all values of a name are found in order, and no others', (t) => {
  const word = fc.stringMatching(/^[a-z=]{0,6}$/)
  const names = ['id', 'id-next', 'id-seen', 'xid', 'i', 'idd', 'id-']
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...names), word)), (pairs) => {
      const header = pairs.map(([name, value]) => `${name}=${value}`).join('; ')
      const of = (own: string) => pairs.filter(([name]) => name === own).map(([, value]) => value)
      const expected = { id: of('id'), next: of('id-next'), seen: of('id-seen') }
      const isThere = Object.values(expected).some((values) => values.length > 0)
      t.same(findCookies(header, 'id'), isThere ? expected : undefined)
    })
  )
  t.end()
})
