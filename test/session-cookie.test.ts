// What the session cookie and its companions are sent for, step by step. The headers are a fake: of a response that is
// on its way a test would see only the sum.
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

/** A request with these cookies, and what its response is to set. */
function request(cookies: Record<string, string> = {}) {
  const set = new Map<string, { value: string; maxAge: number | undefined; mayWait: boolean }>()
  const headers = {
    isOpen: true,
    memory: new CookieMemory(),
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

t.test('an id whose move is uncertain is offered beside the one that the browser holds', (t) => {
  const [old, id] = [ids.create(), ids.create()]
  const { cookie, received, sent } = request({ [NAME]: ids.sign(old) })
  if (received.ids[0] !== undefined) cookie.hold(received.ids[0])
  cookie.offer(id)
  t.same(sent(), { [`${NAME}-next`]: { value: ids.signOffer(id), maxAge: 30, mayWait: false } })
  t.end()
})

t.test('a companion that was followed restores the session cookie, once', (t) => {
  const [old, id] = [ids.create(), ids.create()]
  const { cookie, received, sent } = request({ [NAME]: ids.sign(old), [`${NAME}-next`]: ids.signNext(id) })
  if (received.next !== undefined) cookie.hold(received.next)
  cookie.expires(undefined)
  cookie.send(id, undefined, undefined)
  t.same(sent(), { [NAME]: { value: ids.sign(id), maxAge: undefined, mayWait: false } })
  cookie.withdraw()
  cookie.send(id, undefined, undefined)
  t.same(sent(), {})
  t.end()
})

t.test('nothing is sent when the headers are gone', (t) => {
  const { cookie, headers, received, sent } = request({ [NAME]: ids.sign(ids.create()) })
  headers.isOpen = false
  if (received.ids[0] !== undefined) cookie.hold(received.ids[0])
  cookie.send(ids.create(), undefined, undefined)
  cookie.offer(ids.create())
  cookie.ended()
  cookie.clear()
  cookie.withdraw()
  t.equal(cookie.isOpen, false)
  t.same(sent(), {})
  t.end()
})

t.test('a session that is begun after all takes the place of the clearing', (t) => {
  const [old, id] = [ids.create(), ids.create()]
  const { cookie, sent } = request({ [NAME]: ids.sign(old) })
  cookie.ended()
  t.same(sent(), { [NAME]: { value: '', maxAge: 0, mayWait: true } })
  cookie.send(id, undefined, undefined)
  t.same(sent(), {
    [NAME]: { value: ids.sign(id), maxAge: undefined, mayWait: false },
    [`${NAME}-next`]: { value: ids.signNext(id), maxAge: 30, mayWait: false }
  })
  t.end()
})

t.test('the number of a commit is sent alone, and may wait', (t) => {
  const id = ids.create()
  const { cookie, received, sent } = request({ [NAME]: ids.sign(id) })
  if (received.ids[0] !== undefined) cookie.hold(received.ids[0])
  const seen = { counter: 2, nonce: 3 }
  cookie.send(id, undefined, seen)
  const value = ids.signSeen(ids.handleOf(id), seen)
  t.same(sent(), { [`${NAME}-seen`]: { value, maxAge: undefined, mayWait: true } })
  t.end()
})
