// What the sessions of a user promise, over every store.
import { createHash } from 'node:crypto'
import type { LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import { NotReplicatedError, UnavailableError, UncertainError } from '../../lib/errors.js'
import type { Store } from '../../lib/index.js'
import { revisionOf } from '../../lib/records/record.js'
import type { Operation } from '../../lib/stores/store.js'
import { Browser, sessionCookie } from '../support/browser.js'
import { until } from '../support/gate.js'
import { PausedStore } from '../users/paused-store.js'
import { createService, idsOf, newUser, signedIn, userOf } from '../users/service.js'

/** The same browser, once more: it has the cookies of this moment. */
function copyOf(browser: Browser, app: ConstructorParameters<typeof Browser>[0]): Browser {
  const copy = new Browser(app)
  for (const [name, value] of browser.cookies) copy.cookies.set(name, value)
  return copy
}

/**
 * Runs the contract as subtests of this test.
 * @param open Opens the same storage each time, through another connection if it has connections.
 */
export async function usersContract(t: Test, open: () => Store): Promise<void> {
  // Two processes, which each test fills with users of its own.
  const store = open()
  const paused = new PausedStore(store)
  const app = await createService(t, paused.store)
  const other = await createService(t, open())

  t.test('of(): the living sessions of a user, newest first', async (t) => {
    const [user, stranger] = [newUser(), newUser()]
    t.same(await app.sessions.of(user), [])
    const before = Date.now()
    const first = await signedIn(app, user)
    const second = await signedIn(other, user)
    await signedIn(app, stranger)
    await first.browser.request('/count')
    const list = await other.sessions.of(user)
    t.same(new Set(list.map(({ id }) => id)), new Set([first.id, second.id]))
    const info = list.find(({ id }) => id === first.id)
    t.match(info, { permanent: false, data: { userId: user, count: 1 } })
    const { createdAt = 0, lastUsedAt = 0, expiresAt = 0 } = info ?? {}
    t.ok(before <= createdAt && createdAt <= lastUsedAt && lastUsedAt <= Date.now())
    t.equal(expiresAt, lastUsedAt + 86_400_000)
    t.ok((list[0]?.createdAt ?? 0) >= (list[1]?.createdAt ?? 0))
    t.same(await app.sessions.of(String(user)), list, 'a number and its digits are one user')
    t.same(await app.sessions.of(BigInt(user)), list)
  })

  t.test('of(): parallel logins are all in the list', async (t) => {
    const user = newUser()
    const ids = await Promise.all(
      Array.from({ length: 30 }, async (_, at) => (await signedIn(at % 2 === 0 ? app : other, user)).id)
    )
    t.same(new Set(await idsOf(app, user)), new Set(ids))
  })

  t.test('regenerate(): the list has the session once, under the id that the route saw', async (t) => {
    const user = newUser()
    const { browser, id } = await signedIn(app, user)
    const { id: next } = await browser.json<{ id: string }>('/move')
    t.not(next, id)
    t.same(await idsOf(app, user), [next])
    t.equal(await userOf(browser), user)
    const { id: again } = await browser.json<{ id: string }>(`/login/${user}`)
    t.same(await idsOf(app, user), [again], 'signing in again is no further session')
  })

  t.test('logout, by every way: the list forgets the session', async (t) => {
    for (const url of ['/logout', '/forget', '/leave']) {
      const user = newUser()
      const { browser } = await signedIn(app, user)
      t.equal((await idsOf(app, user)).length, 1)
      paused.operations.length = 0
      await browser.request(url)
      t.equal(paused.operations.filter((each) => each === 'leave').length, 1, url)
      t.same(await idsOf(app, user), [], url)
    }
  })

  t.test('a change of user inside a session moves it from one list to the other', async (t) => {
    const [one, two] = [newUser(), newUser()]
    const browser = new Browser(app)
    await browser.request('/cart')
    const { id } = await browser.json<{ id: string }>(`/become/${one}`)
    t.same(await idsOf(app, one), [id], 'an anonymous session whose visitor signs in')
    await browser.request(`/become/${two}`)
    t.same([await idsOf(app, one), await idsOf(app, two)], [[], [id]])
    await browser.request('/forget')
    t.same(await idsOf(app, two), [], 'signed out, but the session has other data')
    await browser.request(`/become/${one}`)
    const { id: next } = await browser.json<{ id: string }>(`/login/${two}`)
    t.same([await idsOf(app, one), await idsOf(app, two)], [[], [next]], 'with a new id')
    // What is left in the index after a failure shows nobody else's session.
    const held = paused.hold('leave', 'before')
    const change = browser.request(`/become/${one}`)
    ;(await held)(new UnavailableError('leave', 'a test'))
    t.equal((await change).statusCode, 200)
    t.same([await idsOf(app, one), await idsOf(app, two)], [[next], []])
  })

  t.test('endAllOf(): ends all sessions but the one to keep; the others may sign in at once', async (t) => {
    const [user, stranger] = [newUser(), newUser()]
    const mine = await signedIn(app, user)
    const others = [await signedIn(other, user), await signedIn(app, user)]
    const bystander = await signedIn(app, stranger)
    t.equal(await other.sessions.endAllOf(user, { except: mine.id }), 2)
    t.same(await idsOf(app, user), [mine.id])
    t.equal(await userOf(mine.browser), user)
    t.equal(await userOf(bystander.browser), stranger)
    for (const { browser } of others) {
      const response = await browser.request('/me')
      t.same(response.json(), {}, 'no user, and not detached')
      t.match(sessionCookie(response), { value: '', maxAge: 0 })
      const { id } = await browser.json<{ id: string }>(`/login/${user}`)
      t.ok((await idsOf(app, user)).includes(id))
    }
    t.equal((await idsOf(app, user)).length, 3)
    await mine.browser.request('/move')
    t.equal(await userOf(mine.browser), user, 'the session that was kept may move')
    t.equal(await app.sessions.endAllOf(user), 3)
    t.equal(await app.sessions.endAllOf(user), 0)
    t.same(await idsOf(app, user), [])
  })

  t.test('find(), all() and end() with a reason, on another process', async (t) => {
    const user = newUser()
    const { browser, id } = await signedIn(app, user)
    const found = await other.sessions.find(id)
    t.equal(found?.userId, user)
    found?.set('count', 5)
    await found?.save()
    t.match(await app.sessions.of(user), [{ id, data: { count: 5 } }])
    const all = new Map<string, unknown>()
    for await (const info of other.sessions.all()) all.set(info.id, info.data)
    t.match(all.get(id), { userId: user, count: 5 })
    t.equal(await other.sessions.end(id, { reason: 'ended-by-user' }), true)
    t.equal(await other.sessions.end(id), false)
    t.same(await browser.json('/me'), { endedBecause: 'ended-by-user' })
    t.same(await idsOf(app, user), [])
  })

  t.test('endAllOf(): a request in flight does not undo it, and a second tab finds no session', async (t) => {
    const user = newUser()
    const { browser } = await signedIn(app, user)
    const tab = copyOf(browser, app)
    const held = paused.hold('update', 'before')
    const count = browser.request('/count')
    const release = await held
    t.equal(await app.sessions.endAllOf(user), 1)
    release()
    await count
    t.equal(await userOf(browser), undefined)
    t.equal(await userOf(tab), undefined)
    t.same(await idsOf(app, user), [])
  })

  const steps: [Operation, 'before' | 'after'][] = [
    ['enter', 'before'],
    ['enter', 'after'],
    ['create', 'before'],
    ['create', 'after'],
    ['update', 'before'],
    ['update', 'after'],
    ['leave', 'before'],
    ['leave', 'after']
  ]

  for (const [operation, where] of steps.slice(0, 4)) {
    t.test(`login ∥ endAllOf(): ${where} the step ${operation}`, async (t) => {
      const user = newUser()
      const browser = new Browser(app)
      const held = paused.hold(operation, where)
      const login = browser.request(`/login/${user}`)
      const release = await held
      await other.sessions.endAllOf(user)
      release()
      const { statusCode } = await login
      const isLater = operation === 'enter' && where === 'before'
      const isStored = operation === 'create' && where === 'after'
      t.equal(statusCode, isLater || isStored ? 200 : 409)
      if (statusCode === 409) t.same([...browser.cookies], [], 'no cookie')
      t.equal(await userOf(browser), isLater ? user : undefined)
      t.equal((await idsOf(app, user)).length, isLater ? 1 : 0)
      await browser.request(`/login/${user}`)
      t.equal(await userOf(browser), user, 'the next login works')
    })
  }

  for (const [operation, where] of steps) {
    for (const url of ['/move', '/confirm']) {
      t.test(`${url} ∥ endAllOf(): ${where} the step ${operation}`, async (t) => {
        const user = newUser()
        const { browser } = await signedIn(app, user)
        const old = copyOf(browser, app)
        const held = paused.hold(operation, where)
        const moving = browser.request(url === '/move' ? url : `${url}/${user}`)
        const release = await held
        t.ok((await other.sessions.endAllOf(user)) >= 1)
        release()
        const response = await moving
        if (url === '/confirm') {
          t.equal(response.statusCode === 200, Boolean(sessionCookie(response)?.value), 'a 200 has a cookie')
        }
        t.equal(await userOf(old), undefined)
        t.equal(await userOf(browser), undefined, `after ${response.statusCode}`)
        t.same(await idsOf(app, user), [])
        await browser.request(`/login/${user}`)
        t.equal(await userOf(browser), user, 'the next login works')
      })
    }
  }

  for (const [url, status] of [
    ['/move', 200],
    ['/confirm', 409]
  ] as const) {
    t.test(`${url} ∥ end(): nothing is left, even if an answer was lost`, async (t) => {
      const user = newUser()
      const { browser, id } = await signedIn(app, user)
      const held = paused.hold('update', 'before')
      const moving = browser.request(url === '/move' ? url : `${url}/${user}`)
      const release = await held
      t.equal(await other.sessions.end(id), true)
      release(new UncertainError('update', 'a test'))
      const response = await moving
      t.equal(response.statusCode, status)
      t.notOk(sessionCookie(response)?.value, 'no cookie')
      t.same(await idsOf(app, user), [])
    })
  }

  t.test('endAllOf(): if it fails halfway, the next one ends the rest', async (t) => {
    const user = newUser()
    const devices = [await signedIn(app, user), await signedIn(app, user)]
    const held = paused.hold('end', 'before')
    const failing = app.sessions.endAllOf(user)
    ;(await held)(new UnavailableError('end', 'a test'))
    await t.rejects(failing, { code: 'FST_SESSION_UNAVAILABLE' })
    t.equal(await app.sessions.endAllOf(user), 1)
    for (const { browser } of devices) t.equal(await userOf(browser), undefined)
    t.same(await idsOf(app, user), [])
  })

  t.test('a record that cannot be decoded is in the list without data, and ends', async (t) => {
    const user = newUser()
    const [kept, again] = [await signedIn(app, user), await signedIn(app, user)]
    for (const { id } of [kept, again]) {
      const key = `session:${id}`
      const bytes = (await store.read(key)) as Buffer
      const broken = Buffer.concat([bytes.subarray(0, 32), Buffer.from('{')])
      t.equal(await store.update(key, revisionOf(bytes), broken, Date.now() + 60_000), 'done')
    }
    const list = await app.sessions.of(user)
    t.same(new Map(list.map(({ id, data }) => [id, data])), new Map([kept, again].map(({ id }) => [id, {}])))
    const { id } = await again.browser.json<{ id: string }>(`/login/${user}`)
    t.same(new Set(await idsOf(app, user)), new Set([kept.id, id]))
    t.equal(await app.sessions.endAllOf(user), 2)
    t.equal(await store.read(`session:${kept.id}`).then((bytes) => bytes?.length === 32), true, 'a mark')
  })

  t.test('endAllOf(): follows a session that a process without users has moved', async (t) => {
    const old = await createService(t, store, {})
    const [user, stranger] = [newUser(), newUser()]
    const [moved, changed] = [await signedIn(app, user), await signedIn(app, user)]
    for (const { browser } of [moved, changed]) browser.visit(old)
    await moved.browser.request('/move')
    await changed.browser.request(`/login/${stranger}`)
    t.equal(await app.sessions.endAllOf(user), 1)
    t.equal(await userOf(moved.browser), undefined)
    t.equal(await userOf(changed.browser), stranger, 'the session of another user is left alone')
  })

  t.test('a login whose index step fails sets no cookie and stores no record', async (t) => {
    const user = newUser()
    const browser = new Browser(app)
    paused.operations.length = 0
    const held = paused.hold('enter', 'after')
    const login = browser.request(`/login/${user}`)
    ;(await held)(new UnavailableError('enter', 'a test'))
    t.equal((await login).statusCode, 503)
    t.same([...browser.cookies], [])
    t.notOk(paused.operations.includes('create'))
    t.same(await idsOf(app, user), [])
  })

  t.test('a login that fails between its two steps is in no list', async (t) => {
    const user = newUser()
    const browser = new Browser(app)
    const held = paused.hold('create', 'before')
    const login = browser.request(`/login/${user}`)
    ;(await held)(new UnavailableError('create', 'a test'))
    t.equal((await login).statusCode, 503)
    t.same([...browser.cookies], [])
    t.same(await idsOf(app, user), [])
  })

  t.test('sessions from before the option was set: they enter when they are used', async (t) => {
    const old = await createService(t, store, {})
    const [user, locked] = [newUser(), newUser()]
    const [used, moved, ended] = [
      await signedIn(old, user),
      await signedIn(old, user),
      await signedIn(old, locked)
    ]
    const [endedToo, renewed] = [await signedIn(old, locked), await signedIn(old, locked)]
    t.same(await idsOf(app, user), [])
    for (const { browser } of [used, moved, ended, endedToo, renewed]) browser.visit(app)
    await moved.browser.request('/move')
    t.equal((await idsOf(app, user)).length, 1)
    let ahead = 0
    const now = Date.now
    t.intercept(Date, 'now', { value: () => now() + ahead })
    t.equal(await app.sessions.endAllOf(locked), 0, 'it does not know them')
    const response = await endedToo.browser.request('/move')
    t.equal(response.statusCode, 200)
    t.match(sessionCookie(response), { value: '', maxAge: 0 })
    t.equal(await userOf(endedToo.browser), undefined, 'nor may they move')
    t.match(await renewed.browser.request('/renew'), { statusCode: 409 }, 'and no answer looks like a login')
    t.equal(await userOf(renewed.browser), undefined)
    ahead = 12 * 3_600_000
    await used.browser.request('/me')
    t.equal((await idsOf(app, user)).length, 2)
    const last = await ended.browser.request('/me')
    t.match(sessionCookie(last), { value: '', maxAge: 0 })
    t.equal(await userOf(ended.browser), undefined, 'what was unknown may not come back')
  })

  for (const onFull of ['end-oldest', 'refuse'] as const) {
    t.test(`maxPerUser: holds under 50 simultaneous logins, with '${onFull}'`, async (t) => {
      // A busy machine needs more than the default for the last of them.
      const options = { user: 'userId', maxPerUser: { limit: 5, onFull }, timeout: 60_000 } as const
      const apps = [await createService(t, open(), options), await createService(t, open(), options)]
      const user = newUser()
      const browsers = apps.flatMap((app) => Array.from({ length: 25 }, () => new Browser(app)))
      const responses = await Promise.all(browsers.map((browser) => browser.request(`/login/${user}`)))
      const succeeded = responses.filter(({ statusCode }) => statusCode === 200)
      t.equal((await idsOf(apps[0] as never, user)).length, 5)
      const alive = await Promise.all(browsers.map(userOf))
      t.equal(alive.filter((each) => each === user).length, 5)
      if (onFull === 'end-oldest') t.equal(succeeded.length, 50)
      else {
        t.equal(succeeded.length, 5)
        const refused = (each: LightMyRequestResponse) => each.statusCode === 409 && each.json().code
        t.same(
          new Set(responses.filter((each) => !succeeded.includes(each)).map(refused)),
          new Set(['FST_SESSION_LIMIT'])
        )
        t.equal(browsers.filter(({ cookies }) => cookies.size > 0).length, 5)
      }
    })
  }

  t.test('maxPerUser: the session that was used least recently ends', async (t) => {
    const options = { user: 'userId', touchAfter: 0, maxPerUser: { limit: 3, onFull: 'end-oldest' } } as const
    const app = await createService(t, open(), options)
    const user = newUser()
    const [first, second] = [await signedIn(app, user), await signedIn(app, user)]
    const third = await signedIn(app, user)
    const later = () => new Promise((resolve) => setTimeout(resolve, 5))
    await later()
    for (const { browser } of [first, third]) {
      await browser.request('/me')
      await later()
    }
    await second.browser.request('/move')
    await later()
    const fourth = await signedIn(app, user)
    t.equal(await userOf(first.browser), undefined)
    await later()
    t.equal(await userOf(second.browser), user, 'a new id is use too')
    await fourth.browser.request(`/login/${user}`)
    t.equal((await idsOf(app, user)).length, 3, 'to sign in again ends no session')
    const fifth = new Browser(app)
    await fifth.request('/cart')
    await fifth.request(`/become/${user}`)
    t.equal(await userOf(third.browser), undefined, 'signing in without a new id counts')
    t.equal((await idsOf(app, user)).length, 3)
  })

  for (const [url, operation] of [
    ['/move', 'destroy'],
    ['/become', 'update']
  ] as const) {
    t.test(`maxPerUser: a session stays in the list if a failover undoes ${url}`, async (t) => {
      const paused = new PausedStore(open())
      const options = { user: 'userId', maxPerUser: { limit: 2, onFull: 'refuse' } } as const
      const app = await createService(t, paused.store, options)
      const user = newUser()
      const { browser, id } = await signedIn(app, user)
      const others = url === '/move' ? [] : [await signedIn(app, user)]
      // Its login is long over.
      const index = await (store as Required<Store>).openIndex()
      const set = `session:user:${createHash('sha256').update(String(user)).digest('base64url')}`
      const entry = {
        handle: id,
        lifetime: 60_000,
        entering: 0,
        from: '',
        isLogin: true,
        limit: 0,
        drop: [id]
      }
      await index.enter(set, entry)
      const key = `session:${id}`
      const before = (await store.read(key)) as Buffer
      const held = paused.hold('update', 'after')
      const change = browser.request(url === '/move' ? url : `${url}/${newUser()}`)
      const release = await held
      // No replica has that, and this is noticed when it is written again.
      void paused
        .hold(operation, 'after')
        .then((fail) => fail(new NotReplicatedError('EVALSHA', '0 of 1 replicas')))
      t.equal((await new Browser(app).request(`/login/${user}`)).statusCode, 503)
      const after = (await store.read(key)) as Buffer
      t.equal(await store.update(key, revisionOf(after), before, Date.now() + 60_000), 'done')
      t.same(new Set(await idsOf(app, user)), new Set([id, ...others.map((each) => each.id)]))
      release()
      await change
    })
  }

  t.test('maxPerUser: sessions that have ended do not count', async (t) => {
    const options = { user: 'userId', maxPerUser: { limit: 2, onFull: 'refuse' } } as const
    const app = await createService(t, open(), options)
    const user = newUser()
    const [ended, moved] = [await signedIn(app, user), await signedIn(app, user)]
    t.equal((await new Browser(app).request(`/login/${user}`)).statusCode, 409)
    t.equal(await app.sessions.end(ended.id), true)
    const next = new Browser(app)
    t.equal((await next.request(`/login/${user}`)).statusCode, 200)
    await moved.browser.request('/move')
    t.equal(await app.sessions.end(moved.id), true, 'it ends under its new id')
    t.equal((await new Browser(app).request(`/login/${user}`)).statusCode, 200)
    t.equal((await new Browser(app).request(`/login/${user}`)).statusCode, 409)
    await next.request('/logout')
    t.equal((await new Browser(app).request(`/login/${user}`)).statusCode, 200)
    await app.sessions.endAllOf(user)
    t.equal((await new Browser(app).request(`/login/${user}`)).statusCode, 200)
  })

  t.test('maxPerUser: a login that stores nothing counts until its record can no longer come', async (t) => {
    const paused = new PausedStore(open())
    const options = { user: 'userId', maxPerUser: { limit: 1, onFull: 'refuse' } } as const
    const app = await createService(t, paused.store, { ...options, timeout: 1_000 })
    // A login that waits does not keep the process alive, as a server would.
    const server = setInterval(() => {}, 60_000)
    t.teardown(() => clearInterval(server))
    const user = newUser()
    const held = paused.hold('create', 'before')
    const login = new Browser(app).request(`/login/${user}`)
    ;(await held)(new UnavailableError('create', 'a test'))
    t.equal((await login).statusCode, 503)
    t.equal((await new Browser(app).request(`/login/${user}`)).statusCode, 409)
    await until(async () => (await new Browser(app).request(`/login/${user}`)).statusCode === 200)
    t.equal((await idsOf(app, user)).length, 1)
  })
}
