// When SessionCookie sets the session cookie and its companions, step by step. The headers are a fake, since a real
// response would show only the final result.
import t from 'tap'
import { type Cookie, resolveCookie } from '../lib/cookies/cookie.js'
import { CookieMemory, SessionCookie } from '../lib/cookies/session-cookie.js'
import { type RequestCookies, SessionIds } from '../lib/cookies/session-id.js'

const NAME = '__Host-session'
const ids = new SessionIds(NAME, ['a'.repeat(32)])
const options = {
  cookie: resolveCookie({}, 'session', true),
  ids,
  graceAfterRegenerate: 30,
  lifetimes: { touchAfter: 60 }
}

/** A request with these cookies, and the cookies that its response sets. */
function request(cookies: Record<string, string> = {}) {
  const set = new Map<string, { value: string; maxAge: number | undefined; mayWait: boolean }>()
  const headers = {
    isOpen: true,
    memory: new CookieMemory(),
    domainBy() {},
    setCookie: (
      { name }: Cookie,
      value: string,
      sending: { maxAge: number | undefined; withheld?: () => void }
    ) => void set.set(name, { value, maxAge: sending.maxAge, mayWait: sending.withheld !== undefined }),
    withdrawCookie: ({ name }: Cookie) => void set.delete(name)
  }
  const cookie = new SessionCookie(options, headers)
  const header = Object.entries(cookies).map(([name, value]) => `${name}=${value}`)
  const received = ids.receive(header.join('; ')) as RequestCookies
  if (received !== undefined) cookie.receive(received)
  return { cookie, headers, received, sent: () => Object.fromEntries(set) }
}

t.test('offer(): an id whose move is uncertain is sent beside the current one', (t) => {
  const [old, id] = [ids.create(), ids.create()]
  const { cookie, received, sent } = request({ [NAME]: ids.sign(old) })
  if (received.ids[0] !== undefined) cookie.hold(received.ids[0])
  cookie.offer(id)
  t.same(sent(), { [`${NAME}-next`]: { value: ids.signOffer(id), maxAge: 30, mayWait: false } })
  t.end()
})

t.test('send(): restores the session cookie once after following a companion', (t) => {
  const [old, id] = [ids.create(), ids.create()]
  const { cookie, received, sent } = request({ [NAME]: ids.sign(old), [`${NAME}-next`]: ids.signNext(id) })
  if (received.next !== undefined) cookie.hold(received.next)
  cookie.expires(undefined)
  cookie.send(id, undefined, undefined, 60)
  t.same(sent(), { [NAME]: { value: ids.sign(id), maxAge: undefined, mayWait: false } })
  cookie.withdraw()
  cookie.send(id, undefined, undefined, 60)
  t.same(sent(), {})
  t.end()
})

t.test('send(): sets no cookie once the headers are sent', (t) => {
  const { cookie, headers, received, sent } = request({ [NAME]: ids.sign(ids.create()) })
  headers.isOpen = false
  if (received.ids[0] !== undefined) cookie.hold(received.ids[0])
  cookie.send(ids.create(), undefined, undefined, 60)
  cookie.offer(ids.create())
  cookie.ended()
  cookie.clear()
  cookie.withdraw()
  t.equal(cookie.isOpen, false)
  t.same(sent(), {})
  t.end()
})

t.test('send(): a new session replaces the clearing of its cookie', (t) => {
  const [old, id] = [ids.create(), ids.create()]
  const { cookie, sent } = request({ [NAME]: ids.sign(old) })
  cookie.ended()
  t.same(sent(), { [NAME]: { value: '', maxAge: 0, mayWait: true } })
  cookie.send(id, undefined, undefined, 60)
  t.same(sent(), {
    [NAME]: { value: ids.sign(id), maxAge: undefined, mayWait: false },
    [`${NAME}-next`]: { value: ids.signNext(id), maxAge: 30, mayWait: false }
  })
  t.end()
})

t.test('send(): the number of a commit is sent alone and may wait', (t) => {
  const id = ids.create()
  const { cookie, received, sent } = request({ [NAME]: ids.sign(id) })
  if (received.ids[0] !== undefined) cookie.hold(received.ids[0])
  const seen = { counter: 2, nonce: 3 }
  cookie.send(id, undefined, seen, 60)
  const value = ids.signSeen(ids.handleOf(id), seen)
  t.same(sent(), { [`${NAME}-seen`]: { value, maxAge: undefined, mayWait: true } })
  t.end()
})
