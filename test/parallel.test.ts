// Parallel requests of one session, one example for each promise. `test/model` searches for other histories.
import { setImmediate } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import { SessionIds } from '../lib/cookies/session-id.js'
import { MemoryStore, mergeRules, RedisStore, type Session, type Store } from '../lib/index.js'
import { createApp } from './support/app.js'
import { Browser, sessionCookie } from './support/browser.js'
import { gate } from './support/gate.js'
import { HeldStore } from './support/held-store.js'
import { type RedisServer, startRedis } from './support/redis-server.js'

const COOKIE = '__Host-session'
/** How long a request may wait for the store, in ms. High, since these tests check outcomes on busy machines too. */
const PATIENCE = 60_000
const ids = new SessionIds(COOKIE, [])
type Route = (session: Session, data: Record<string, unknown>, reply: FastifyReply) => unknown
type Writer = 'json' | 'superjson' | 'msgpack'

/** Two processes of one service with one store, and a browser with several tabs. */
async function service(t: Test, inner: Store, writers: readonly [Writer, Writer] = ['json', 'msgpack']) {
  const merge = {
    count: mergeRules.sum,
    log: mergeRules.append,
    tags: mergeRules.union,
    best: mergeRules.larger,
    sealed: 'conflict'
  } as const
  const routes: Route[] = []
  const processes = await Promise.all(
    writers.map(async (serializer) => {
      const held = new HeldStore(inner)
      const app = await createApp(t, { store: held.store, serializer, merge, timeout: PATIENCE })
      app.get<{ Params: { route: number } }>('/:route', async (request, reply) => {
        const { session } = request
        const data = session as unknown as Record<string, unknown>
        const result = await routes[request.params.route]?.(session, data, reply)
        return result === reply ? reply : reply.send({ result })
      })
      return { app, held }
    })
  )
  const browser = new Browser((processes[0] as (typeof processes)[0]).app)
  const at = (index: number) => processes[index] as (typeof processes)[0]

  /** Sends a request of the browser to this process. */
  const visit = async (index: number, route: Route) => {
    const url = `/${routes.push(route) - 1}`
    const response = await browser.visit(at(index).app).request(url)
    return {
      status: response.statusCode,
      body: response.body === '' ? undefined : response.json(),
      location: response.headers.location,
      cookie: sessionCookie(response),
      logLines: at(index).app.logLines
    }
  }

  /** A request to the first process that finishes its work before the others begin, and commits after them. */
  const overtaken = async (route: Route, others: () => Promise<unknown>) => {
    const [isDone, mayEnd] = [gate(), gate()]
    const slow = visit(0, async (session, data, reply) => {
      const result = await route(session, data, reply)
      isDone.open()
      await mayEnd.passed
      return result
    })
    await Promise.race([isDone.passed, slow])
    await others()
    mayEnd.open()
    return slow
  }

  const begin = (data: Record<string, unknown>) =>
    visit(0, (session) => {
      for (const [key, value] of Object.entries(data)) session.set(key as 'anything', value)
    })
  const now = async () => (await visit(1, (session) => session.data())).body.result
  const key = (cookie = browser.cookies.get(COOKIE) ?? '') => `session:${ids.handleOf(cookie)}`
  return { at, begin, browser, key, now, overtaken, visit }
}

function has(logLines: readonly { msg: string }[], text: string): boolean {
  return logLines.some(({ msg }) => msg.includes(text))
}

const pairs = [
  ['json', 'msgpack'],
  ['msgpack', 'superjson']
] as const

t.test('parallel requests in Redis', async (t) => {
  const redis = await startRedis(t)
  for (const writers of pairs) {
    await t.test(writers.join(' and '), (t) => promises(t, new RedisStore(redis.client), writers))
  }
  await t.test('Redis has lost its scripts', (t) => forgottenScripts(t, redis))
  await t.test('50 requests at once', (t) => manyAtOnce(t, redis))
})

t.test('parallel requests in memory', async (t) => {
  for (const writers of pairs) {
    const store = new MemoryStore()
    t.teardown(() => store.close())
    await t.test(writers.join(' and '), (t) => promises(t, store, writers))
  }
})

async function promises(t: Test, store: Store, writers: readonly [Writer, Writer]): Promise<void> {
  const start = (t: Test) => service(t, store, writers)

  t.test('merge: changes to different keys are all kept', async (t) => {
    const { begin, now, overtaken, visit } = await start(t)
    await begin({ name: 'Ada', userId: 1, count: 0 })
    const slow = await overtaken(
      (_, data) => {
        data.name = 'Bob'
        delete data.userId
      },
      () => visit(1, (_, data) => Object.assign(data, { count: 5, cart: { items: ['tea'] } }))
    )
    t.equal(slow.status, 200)
    t.same(await now(), { name: 'Bob', count: 5, cart: { items: ['tea'] } })
  })

  t.test('merge: if two requests change one key, the later commit wins', async (t) => {
    const { begin, now, overtaken, visit } = await start(t)
    await begin({ name: 'Ada', a: 1 })
    await overtaken(
      (_, data) => Object.assign(data, { name: 'late' }),
      () => visit(1, (_, data) => Object.assign(data, { name: 'early', a: 2 }))
    )
    t.same(await now(), { name: 'late', a: 2 })
  })

  t.test(
    'merge: what an earlier request of the same process stored does not hide newer changes',
    async (t) => {
      const { at, begin, now, visit } = await start(t)
      await begin({ name: 'Ada' })
      const answer = at(0).held.hold('update', 'after')
      const first = visit(0, (_, data) => Object.assign(data, { name: 'Bob' }))
      const release = await answer
      await visit(1, (_, data) => Object.assign(data, { name: 'Eve' }))
      const isHandled = gate()
      const second = visit(0, (_, data) => {
        data.name = 'Bob'
        isHandled.open()
      })
      await isHandled.passed
      // Wait until the second commit queues behind the first one.
      await setImmediate()
      await setImmediate()
      release()
      await Promise.all([first, second])
      t.same(await now(), { name: 'Bob' })
    }
  )

  t.test('merge: a change inside an object counts as a change of its top-level key', async (t) => {
    const { begin, now, overtaken, visit } = await start(t)
    await begin({ cart: { items: ['tea'] }, other: { deep: [1] } })
    await overtaken(
      (session) => session.cart?.items.push('milk'),
      () => visit(1, (_, data) => (data.other as { deep: number[] }).deep.push(2))
    )
    t.same(await now(), { cart: { items: ['tea', 'milk'] }, other: { deep: [1, 2] } })
  })

  t.test('merge: if one deletes a key and the other changes it, the later commit wins', async (t) => {
    const { begin, now, overtaken, visit } = await start(t)
    await begin({ a: 1, b: 1, stays: true })
    await overtaken(
      (_, data) => {
        delete data.a
        data.b = 2
      },
      () =>
        visit(1, (_, data) => {
          data.a = 2
          delete data.b
        })
    )
    t.same(await now(), { b: 2, stays: true })
  })

  t.test('mergeRules: each built-in rule', async (t) => {
    const { begin, now, overtaken, visit } = await start(t)
    await begin({ count: 10, log: ['a'], tags: ['x'], best: 3 })
    const change = (by: number, entry: string) => (_: Session, data: Record<string, unknown>) => {
      data.count = Number(data.count) + by
      ;(data.log as string[]).push(entry)
      ;(data.tags as string[]).push(entry, 'both')
      data.best = by
    }
    await overtaken(change(5, 'slow'), () => visit(1, change(7, 'quick')))
    t.same(await now(), {
      count: 22,
      log: ['a', 'quick', 'slow'],
      tags: ['x', 'quick', 'both', 'slow'],
      best: 7
    })
  })

  t.test("merge: 'conflict' is a 409 that names the key, and nothing is written", async (t) => {
    const { begin, now, overtaken, visit } = await start(t)
    await begin({ sealed: 1, name: 'Ada' })
    const slow = await overtaken(
      (_, data) => Object.assign(data, { sealed: 2, name: 'Bob' }),
      () => visit(1, (_, data) => Object.assign(data, { sealed: 3 }))
    )
    t.equal(slow.status, 409)
    t.match(slow.body, { code: 'FST_SESSION_CONFLICT', message: /sealed/ })
    t.equal(slow.cookie, undefined)
    t.same(await now(), { sealed: 3, name: 'Ada' })
    const again = await visit(0, (_, data) => Object.assign(data, { sealed: 2, name: 'Bob' }))
    t.equal(again.status, 200, 'the client may retry')
  })

  t.test('merge: changes that another request has already stored are not written again', async (t) => {
    const { at, begin, key, now, overtaken, visit } = await start(t)
    await begin({ name: 'Ada' })
    let written: unknown
    const slow = await overtaken(
      (_, data) => Object.assign(data, { name: 'Bob', list: [1, { two: 2 }] }),
      async () => {
        await visit(1, (_, data) => Object.assign(data, { name: 'Bob', list: [1, { two: 2 }] }))
        written = await store.read(key())
        at(0).held.operations.length = 0
      }
    )
    t.equal(slow.status, 200)
    t.same(at(0).held.operations, ['update'], 'one try, no second')
    t.same(await store.read(key()), written)
    t.same(await now(), { name: 'Bob', list: [1, { two: 2 }] })
  })

  t.test(
    'permanent: the later commit sends the cookie of a session that another request made permanent',
    async (t) => {
      const { begin, overtaken, visit } = await start(t)
      await begin({ name: 'Ada' })
      const slow = await overtaken(
        (_, data) => Object.assign(data, { name: 'Bob' }),
        () => visit(1, (session) => Object.assign(session, { permanent: true }))
      )
      t.ok(slow.cookie?.maxAge, 'the later commit keeps permanent')
    }
  )

  // OWASP ASVS 5.0: V7.4.1, logout
  t.test('destroy(): a session that has ended stays ended', async (t) => {
    const logout: Route = (session) => session.destroy()
    const vanished = (
      slow: Awaited<ReturnType<Awaited<ReturnType<typeof start>>['visit']>>,
      route: string
    ) => {
      t.equal(slow.cookie, undefined, `${route}: no cookie`)
      t.ok(has(slow.logLines, 'was ended while a request used it'), `${route}: a line in the log`)
    }
    const lateRoutes: Record<string, Route> = {
      'an update': (_, data) => Object.assign(data, { name: 'Bob' }),
      'a touch': (session) => session.touch(),
      'a regenerate': (session) => session.regenerate(),
      'a login': async (session) => {
        await session.regenerate(false)
        session.userId = 1
      },
      'an emptied session': (_, data) => delete data.name
    }
    for (const [name, route] of Object.entries(lateRoutes)) {
      const { begin, browser, key, overtaken, visit } = await start(t)
      await begin({ name: 'Ada' })
      const id = browser.cookies.get(COOKIE)
      let session: Session | undefined
      const slow = await overtaken(
        (its, data, reply) => {
          session = its
          return route(its, data, reply)
        },
        () => visit(1, logout)
      )
      vanished(slow, name)
      t.equal(session?.destroyed, true, `${name}: session.destroyed`)
      t.equal(browser.cookies.get(COOKIE), undefined, `${name}: the logout cleared the cookie`)
      t.equal(await store.read(key(id)), undefined, `${name}: nothing is stored`)
    }

    const { at, begin, browser, key, visit } = await start(t)
    await begin({ name: 'Ada' })
    const id = browser.cookies.get(COOKIE)
    const firstTry = at(0).held.hold('update')
    const slow = visit(0, (_, data) => Object.assign(data, { name: 'Bob' }))
    const release = await firstTry
    await visit(1, (_, data) => Object.assign(data, { a: 1 }))
    const retry = at(0).held.hold('update')
    release()
    const releaseRetry = await retry
    await visit(1, logout)
    releaseRetry()
    vanished(await slow, 'a merge that is retried')
    t.equal(await store.read(key(id)), undefined)
  })

  t.test('save() and reload(): report at once that a session has ended', async (t) => {
    for (const method of ['save', 'reload'] as const) {
      const { at, begin, visit } = await start(t)
      await begin({ name: 'Ada' })
      const handle = gate()
      const isLoaded = gate()
      let seen: unknown
      const slow = visit(0, async (session) => {
        isLoaded.open()
        await handle.passed
        session.name = 'Bob'
        await session[method]().catch((error) => {
          seen = error.code
        })
        return [session.destroyed, session.detached]
      })
      await isLoaded.passed
      await visit(1, (session) => session.destroy())
      at(0).held.operations.length = 0
      handle.open()
      const { body, cookie } = await slow
      t.same(body.result, [true, 'destroyed'], method)
      t.equal(seen, method === 'save' ? 'FST_SESSION_DETACHED' : undefined)
      t.equal(cookie, undefined)
    }
  })

  t.test('save(): its cookie is withdrawn if the session has ended before the response', async (t) => {
    for (const end of ['destroy', 'regenerate'] as const) {
      const { begin, overtaken, visit } = await start(t)
      await begin({ name: 'Ada' })
      const slow = await overtaken(
        async (session, data, reply) => {
          reply.header('set-cookie', 'theme=dark')
          session.permanent = true
          await session.save()
          data.name = 'Bob'
        },
        () => visit(1, (session) => session[end]())
      )
      t.equal(slow.status, 200)
      t.equal(slow.cookie, undefined, `${end}: the cookie would overwrite the new one or lead nowhere`)
    }
  })

  t.test(
    'regenerate(): a parallel request with the old id neither sees nor changes the new session',
    async (t) => {
      const { begin, browser, now, overtaken, visit } = await start(t)
      await begin({ name: 'Ada', count: 1 })
      const oldId = browser.cookies.get(COOKIE) ?? ''
      const slow = await overtaken(
        (_, data) => Object.assign(data, { name: 'late' }),
        () =>
          visit(1, async (session) => {
            await session.regenerate()
            session.userId = 42
          })
      )
      const newId = browser.cookies.get(COOKIE)
      t.not(newId, oldId)
      t.equal(slow.status, 200)
      t.equal(slow.cookie, undefined, 'it does not overwrite the new cookie')
      t.ok(has(slow.logLines, 'are lost'), 'its changes are lost, and the log says so')
      t.same(await now(), { name: 'Ada', count: 1, userId: 42 })
      browser.cookies.set(COOKIE, oldId)
      const withOldId = await visit(1, (session, data) => {
        const seen = [structuredClone(session.data()), session.detached]
        data.name = 'thief'
        return seen
      })
      t.same(withOldId.body.result, [{}, 'moved'])
      t.equal(withOldId.cookie, undefined)
      browser.cookies.set(COOKIE, newId ?? '')
      t.same(await now(), { name: 'Ada', count: 1, userId: 42 })
    }
  )

  t.test('regenerate(): a parallel commit under the old id moves to the new one', async (t) => {
    const { begin, now, overtaken, visit } = await start(t)
    await begin({ name: 'Ada', count: 1 })
    await overtaken(
      (session) => session.regenerate(),
      () => visit(1, (_, data) => Object.assign(data, { count: 3, a: 1 }))
    )
    t.same(await now(), { name: 'Ada', count: 3, a: 1 })
  })

  t.test('regenerate(keys): dropped keys never move, even if another request adds them', async (t) => {
    for (const before of [{ log: ['x'] }, { log: ['x'], name: 'Ada' }]) {
      const { begin, now, overtaken, visit } = await start(t)
      await begin(before)
      await overtaken(
        (session) => session.regenerate(['log'] as never),
        () => visit(1, (_, data) => Object.assign(data, { cart: { items: ['old'] }, log: ['x', 'y'] }))
      )
      t.same(await now(), { log: ['x', 'y'] })
    }
  })

  t.test(
    'regenerate(): of two parallel ones, one wins and the other is a 409 without a cookie',
    async (t) => {
      const { begin, browser, now, overtaken, visit } = await start(t)
      await begin({ name: 'Ada' })
      const login = (userId: number) => async (session: Session) => {
        await session.regenerate()
        session.userId = userId
      }
      const slow = await overtaken(login(1), () => visit(1, login(2)))
      t.equal(slow.status, 409)
      t.equal(slow.body.code, 'FST_SESSION_CONFLICT')
      t.equal(slow.cookie, undefined)
      t.same(await now(), { name: 'Ada', userId: 2 })
      t.ok(browser.cookies.get(COOKIE))
    }
  )

  t.test('destroy() with the old id: a 409, and the session stays under its new id', async (t) => {
    const { begin, browser, now, visit } = await start(t)
    await begin({ name: 'Ada' })
    const oldId = browser.cookies.get(COOKIE) ?? ''
    const [isLoaded, mayEnd] = [gate(), gate()]
    const slow = visit(0, async (session) => {
      isLoaded.open()
      await mayEnd.passed
      await session.destroy()
    })
    await isLoaded.passed
    await visit(1, (session) => session.regenerate())
    const newId = browser.cookies.get(COOKIE) ?? ''
    mayEnd.open()
    const { status, cookie } = await slow
    t.equal(status, 409)
    t.equal(cookie, undefined, 'the new cookie stays')
    browser.cookies.set(COOKIE, oldId)
    t.equal((await visit(0, (session) => session.destroy())).status, 409, 'a later request too')
    browser.cookies.set(COOKIE, newId)
    t.same(await now(), { name: 'Ada' })
  })

  t.test(
    'destroy() between the new record and the tombstone of a regenerate(): both are deleted',
    async (t) => {
      const { at, begin, browser, visit } = await start(t)
      await begin({ name: 'Ada' })
      const mark = at(0).held.hold('update')
      const slow = visit(0, (session) => session.regenerate())
      const release = await mark
      await visit(1, (session) => session.destroy())
      at(0).held.operations.length = 0
      release()
      const { cookie, status } = await slow
      t.equal(status, 200)
      t.equal(cookie, undefined)
      t.same(at(0).held.operations, ['destroy'], 'the record of the unknown new id is deleted too')
      t.equal(browser.cookies.get(COOKIE), undefined)
    }
  )

  t.test('commit: a failed request stores nothing, not even a new id', async (t) => {
    const { at, begin, browser, now, visit } = await start(t)
    await begin({ name: 'Ada' })
    const id = browser.cookies.get(COOKIE)
    at(0).held.operations.length = 0
    const failed = await visit(0, async (session, _, reply) => {
      await session.regenerate(false)
      session.userId = 1
      session.permanent = true
      reply.code(500)
    })
    t.equal(failed.status, 500)
    t.equal(failed.cookie, undefined)
    t.same(at(0).held.operations, ['read'])
    t.equal(browser.cookies.get(COOKIE), id)
    t.same(await now(), { name: 'Ada' })
  })

  t.test('save(): commits the changes so far; the end of the request commits the rest', async (t) => {
    const { begin, now, visit } = await start(t)
    await begin({ count: 1 })
    await visit(0, async (session, data) => {
      session.count = 2
      await session.save()
      t.same(await now(), { count: 2 }, 'other processes see it at once')
      await visit(1, (_, other) => Object.assign(other, { name: 'Bob' }))
      data.count = 3
    })
    t.same(await now(), { count: 3, name: 'Bob' })
    const failed = await visit(0, async (session, _, reply) => {
      session.count = 10
      await session.save()
      session.count = 20
      reply.code(500)
    })
    t.equal(failed.status, 500)
    t.same(await now(), { count: 10, name: 'Bob' }, 'an error discards only later changes')
  })

  t.test('data(): stays live after a merge', async (t) => {
    const { begin, now, visit } = await start(t)
    await begin({ count: 1 })
    await visit(0, async (session) => {
      const all = session.data() as Record<string, unknown>
      all.mine = 'before'
      await visit(1, (_, other) => Object.assign(other, { name: 'Bob' }))
      await session.save()
      t.same(all, { count: 1, name: 'Bob', mine: 'before' })
      all.mine = 'after'
    })
    t.same(await now(), { count: 1, name: 'Bob', mine: 'after' })
  })

  t.test("reload(): re-reads the session and drops this request's changes", async (t) => {
    const { begin, now, visit } = await start(t)
    await begin({ name: 'Ada', cart: { items: ['tea'] } })
    const { body } = await visit(0, async (session) => {
      session.name = 'dropped'
      session.cart?.items.push('dropped')
      await visit(1, (other) => Object.assign(other, { name: 'Bob' }))
      await session.reload()
      const seen = structuredClone(session.data())
      session.count = 1
      return seen
    })
    t.same(body.result, { name: 'Bob', cart: { items: ['tea'] } })
    t.same(await now(), { name: 'Bob', cart: { items: ['tea'] }, count: 1 })
  })

  t.test('destroy(): later changes begin a new session with a new id', async (t) => {
    const { begin, browser, key, now, visit } = await start(t)
    await begin({ name: 'Ada' })
    const oldId = browser.cookies.get(COOKIE) ?? ''
    const { cookie } = await visit(0, async (session) => {
      await session.destroy()
      session.name = 'Bob'
    })
    t.ok(cookie)
    t.not(cookie?.value, oldId)
    t.equal(await store.read(key(oldId)), undefined)
    t.same(await now(), { name: 'Bob' })
  })

  t.test(
    'commit: ends before the response, so the next request sees its changes, even after a redirect',
    async (t) => {
      const { at, begin, now, visit } = await start(t)
      await begin({ count: 0 })
      let isAnswered = false
      const written = at(0).held.hold('update', 'after')
      const login = visit(0, (session, _, reply) => {
        session.userId = 7
        return reply.redirect('/elsewhere')
      }).finally(() => {
        isAnswered = true
      })
      const release = await written
      t.same(await now(), { count: 0, userId: 7 })
      t.equal(isAnswered, false, 'the response waits for the commit')
      release()
      const { location, status } = await login
      t.equal(status, 302)
      t.equal(location, '/elsewhere')
      t.same((await visit(1, (session) => session.userId)).body.result, 7)
    }
  )
}

/** Scripts are sent again if Redis has lost them, even during a merge. */
async function forgottenScripts(t: Test, redis: RedisServer): Promise<void> {
  const { at, begin, now, overtaken, visit } = await service(t, new RedisStore(redis.client))
  await begin({ count: 0 })
  const slow = await overtaken(
    (_, data) => Object.assign(data, { count: 1 }),
    async () => {
      await visit(1, (_, data) => Object.assign(data, { count: 10 }))
      await redis.client.script('FLUSH')
      const retry = at(0).held.hold('update', 'after')
      void retry.then(async (release) => {
        await redis.client.script('FLUSH')
        release()
      })
    }
  )
  t.equal(slow.status, 200)
  t.same(await now(), { count: 11 })
}

async function manyAtOnce(t: Test, redis: RedisServer): Promise<void> {
  const { begin, now, visit } = await service(t, new RedisStore(redis.client))
  await begin({ count: 0, log: [] })
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      visit(index % 2, (session, data) => {
        session.count = (session.count ?? 0) + 1
        data[`key${index}`] = index
        ;(data.log as number[]).push(index)
      })
    )
  )
  t.ok(answers.every(({ status }) => status === 200))
  const { count, log, ...keys } = await now()
  t.equal(count, 50)
  t.same(
    [...log].sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, index) => index)
  )
  t.equal(Object.keys(keys).length, 50)
}
