// The session object in a route.
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import type { RedisSessionOptions, ResponseCookie, Session } from '../lib/index.js'
import { MemoryStore } from '../lib/index.js'
import { createApp, type TestApp } from './support/app.js'
import { Browser } from './support/browser.js'

type Route = (session: Session) => unknown

/** An application that runs, in each request, the function that the test passes. */
async function visitor(t: Test, options: RedisSessionOptions = {}) {
  const store = new MemoryStore()
  t.teardown(() => store.close())
  const app: TestApp = await createApp(t, { store, ...options })
  let next: Route = () => undefined
  app.get('/', async ({ session }, reply) => {
    const result = await next(session)
    return reply.send({ result })
  })
  const browser = new Browser(app)
  /** Runs this in a request and returns its result as decoded JSON. */
  const visit = async (route: Route): Promise<unknown> => {
    next = route
    const response = await browser.request('/')
    return response.statusCode === 200 ? response.json().result : response.json()
  }
  return { app, browser, store, visit }
}

t.test('set(), get(), has() and delete(): work on keys', async (t) => {
  const { visit } = await visitor(t)
  t.same(
    await visit((session) => {
      session.set('userId', 42)
      session.set('name', 'Ada')
      return [
        session.get('userId'),
        session.has('name'),
        session.delete('name'),
        session.delete('name'),
        session.has('name')
      ]
    }),
    [42, true, true, false, false]
  )
  t.same(await visit((session) => session.data()), { userId: 42 })
})

t.test('session properties: keys are set, read, checked and deleted as on a plain object', async (t) => {
  const { visit } = await visitor(t)
  t.same(
    await visit((session) => {
      session.userId = 42
      session.name = 'Ada'
      delete session.name
      return [
        'userId' in session,
        'name' in session,
        Object.keys(session),
        { ...session },
        JSON.stringify(session)
      ]
    }),
    [true, false, ['userId'], { userId: 42 }, '{"userId":42}']
  )
  t.equal(await visit((session) => session.userId), 42)
  t.equal(await visit((session) => Object.getOwnPropertyDescriptor(session, 'name')), undefined)
  t.equal(await visit((session) => Object.hasOwn(session, 'userId')), true)
})

t.test('set(): undefined deletes the key, with every serializer', async (t) => {
  const { visit } = await visitor(t, { serializer: 'msgpack' })
  await visit((session) => {
    session.set('userId', 42)
    session.set('name', 'Ada')
  })
  await visit((session) => session.set('name', undefined))
  t.same(await visit((session) => Object.keys(session)), ['userId'])
})

t.test('set(): a key never shadows a method', async (t) => {
  const { visit } = await visitor(t)
  t.match(await visit((session) => Object.assign(session, { save: 1 })), { code: 'FST_SESSION_KEY' })
  t.match(await visit((session) => Object.assign(session, { id: 'mine' })), { code: 'FST_SESSION_KEY' })
  await visit((session) => session.set('save' as 'anything', 'data'))
  t.same(await visit((session) => [typeof session.save, session.get('save' as 'anything')]), [
    'function',
    'data'
  ])
  t.equal(await visit((session) => Reflect.deleteProperty(session, 'save')), false)
})

t.test('set(): what would change the session object itself is refused', async (t) => {
  const { visit } = await visitor(t)
  const refused: Route[] = [
    (session) => session.set('__proto__' as 'anything', { isAdmin: true }),
    (session) => session.set(7 as unknown as 'anything', 1),
    (session) => Object.assign(session, { [Symbol('key')]: 1 }),
    (session) => Object.defineProperty(session, 'userId', { get: () => 1 })
  ]
  for (const route of refused) t.match(await visit(route), { code: 'FST_SESSION_KEY', statusCode: 500 })
  t.equal(await visit((session) => Reflect.setPrototypeOf(session, null)), false)
  t.equal(await visit((session) => session.get('toString' as 'anything')), undefined)
  t.equal(await visit((session) => session.has('constructor' as 'anything')), false)
})

t.test('session properties: only keys that were set, none inherited', async (t) => {
  const { visit } = await visitor(t)
  const inherited = ['__proto__', ...Object.getOwnPropertyNames(Object.prototype)]
  t.same(
    await visit((session) =>
      inherited.filter((key) => key in session || Reflect.get(session, key) !== undefined)
    ),
    []
  )
  t.same(
    await visit((session) => {
      const names = inherited.filter((key) => key !== '__proto__')
      for (const key of names) Reflect.set(session, key, 'mine')
      return names.filter((key) => Reflect.get(session, key) !== 'mine')
    }),
    []
  )
  t.equal(await visit((session) => Reflect.get(session, 'constructor')), 'mine')
  const { visit: visitAnother } = await visitor(t)
  t.same(
    await visitAnother((session) => {
      session.userId = 1
      const keys = []
      for (const key in session) keys.push(key)
      return keys
    }),
    ['userId']
  )
  t.match(await visit((session) => Reflect.set(session, '__proto__', { isAdmin: true })), {
    code: 'FST_SESSION_KEY'
  })
})

t.test('prototype: nothing that sessions share can be changed through one of them', async (t) => {
  const { visit } = await visitor(t)
  await visit((session) => {
    for (
      let shared = Object.getPrototypeOf(session);
      shared !== null;
      shared = Object.getPrototypeOf(shared)
    ) {
      t.ok(Object.isFrozen(shared))
      t.not(shared, Object.prototype)
      for (const key of Reflect.ownKeys(shared)) {
        const { value, get, set } = Object.getOwnPropertyDescriptor(shared, key) ?? {}
        for (const part of [value, get, set]) {
          if (typeof part === 'function')
            t.throws(() => Object.assign(part, { canary: 1 }), TypeError, String(key))
        }
      }
    }
  })
})

t.test('String(session): its handle, without data', async (t) => {
  const { visit } = await visitor(t)
  const [text, id] = (await visit((session) => {
    session.userId = 42
    return [`${session}`, session.id]
  })) as string[]
  t.equal(text, `Session ${id}`)
})

t.test('Object.freeze(): trying to freeze a session does not break it', async (t) => {
  const { visit } = await visitor(t)
  for (const freeze of [Object.freeze, Object.seal, Object.preventExtensions]) {
    t.same(
      await visit((session) => {
        session.userId = 1
        try {
          freeze(session)
          return 'frozen'
        } catch {}
        session.name = 'Ada'
        delete session.userId
        return [{ ...session }, 'name' in session, Object.isFrozen(session), Object.isExtensible(session)]
      }),
      [{ name: 'Ada' }, true, false, true]
    )
    t.equal(await visit((session) => Reflect.preventExtensions(session)), false)
  }
})

t.test('data(): can be cloned', async (t) => {
  const { visit } = await visitor(t)
  await visit((session) => session.set('cart', { items: ['tea'] }))
  t.same(
    await visit((session) => [
      structuredClone(session.data()),
      JSON.parse(JSON.stringify(session)),
      { ...session }
    ]),
    Array(3).fill({ cart: { items: ['tea'] } })
  )
})

t.test('session properties: a change inside an object is kept', async (t) => {
  for (const serializer of ['json', 'superjson', 'msgpack'] as const) {
    const { visit } = await visitor(t, { serializer })
    await visit((session) => session.set('cart', { items: [] }))
    await visit((session) => session.cart?.items.push('tea'))
    await visit((session) => session.get('cart')?.items.push('milk'))
    await visit((session) => session.data().cart?.items.push('rice'))
    t.same(await visit((session) => session.cart), { items: ['tea', 'milk', 'rice'] }, serializer)
  }
})

t.test('session state: isNew, id, permanent, destroyed and detached', async (t) => {
  const { visit } = await visitor(t)
  const state: Route = ({ isNew, id, sessionId, permanent, destroyed, detached }) => ({
    isNew,
    handles: [id.length, id === sessionId],
    permanent,
    destroyed,
    detached
  })
  const fresh = { isNew: true, handles: [43, true], permanent: false, destroyed: false }
  t.same(await visit(state), fresh)
  await visit((session) => {
    session.userId = 1
    session.permanent = true
  })
  t.same(await visit(state), { ...fresh, isNew: false, permanent: true })
})

t.test('id: the handle stays the same until regenerate()', async (t) => {
  const { visit } = await visitor(t)
  const first = await visit((session) => {
    session.userId = 1
    return session.id
  })
  t.equal(await visit((session) => session.id), first)
  await visit((session) => session.regenerate())
  t.not(await visit((session) => session.id), first)
})

t.test('isModified() and isSaved(): whether a commit would store something', async (t) => {
  const { visit } = await visitor(t)
  const ask = (session: Session) => [session.isModified(), session.isSaved()]
  t.same(await visit(ask), [false, false])
  t.same(
    await visit((session) => {
      session.cart = { items: [] }
      return ask(session)
    }),
    [true, false]
  )
  t.same(await visit(ask), [false, true])
  t.same(
    await visit((session) => {
      const before = ask(session)
      session.cart?.items.push('tea')
      return [before, ask(session)]
    }),
    [
      [false, true],
      [true, false]
    ]
  )
})

t.test('save(): commits at once; later changes are committed at the end', async (t) => {
  const { visit } = await visitor(t)
  t.match(
    await visit(async (session) => {
      session.userId = 1
      await session.save()
      session.name = 'lost'
      throw Object.assign(new Error('after the save'), { statusCode: 500 })
    }),
    { message: 'after the save' }
  )
  t.same(await visit((session) => session.data()), { userId: 1 })
  await visit(async (session) => {
    session.userId = 2
    await session.save()
    session.name = 'Ada'
  })
  t.same(await visit((session) => session.data()), { userId: 2, name: 'Ada' })
})

t.test("reload(): re-reads the session and drops this request's changes", async (t) => {
  const { visit } = await visitor(t)
  await visit((session) => session.set('userId', 1))
  t.same(
    await visit(async (session) => {
      session.userId = 2
      session.name = 'Ada'
      await session.reload()
      return session.data()
    }),
    { userId: 1 }
  )
  t.same(await visit((session) => session.data()), { userId: 1 })
  const { visit: visitFresh } = await visitor(t)
  t.same(
    await visitFresh(async (session) => {
      session.userId = 2
      await session.reload()
      return session.data()
    }),
    {}
  )
})

t.test('destroy(): ends the session; later changes begin another', async (t) => {
  const { browser, store, visit } = await visitor(t)
  const first = await visit((session) => {
    session.userId = 1
    return session.id
  })
  t.same(
    await visit(async (session) => {
      await session.destroy()
      return [session.data(), session.destroyed, session.isNew]
    }),
    [{}, true, true]
  )
  t.equal(store.size, 0)
  t.equal(browser.cookies.size, 0)
  await visit((session) => session.set('userId', 1))
  const second = await visit(async (session) => {
    await session.destroy()
    session.set('name', 'Ada')
    return session.id
  })
  t.not(second, first)
  t.same(await visit((session) => session.data()), { name: 'Ada' })
  t.equal(store.size, 1)
})

t.test('regenerate(): keeps all data, or the given keys', async (t) => {
  const kept: [boolean | ('userId' | 'name')[] | undefined, object][] = [
    [undefined, { userId: 1, name: 'Ada' }],
    [true, { userId: 1, name: 'Ada' }],
    [['name'], { name: 'Ada' }],
    [[], {}],
    [false, {}]
  ]
  for (const [keep, data] of kept) {
    const { visit } = await visitor(t)
    await visit((session) => {
      session.userId = 1
      session.name = 'Ada'
    })
    await visit((session) => session.regenerate(keep))
    t.same(await visit((session) => session.data()), data, JSON.stringify(keep))
  }
})

t.test('id: after regenerate() it is the id that the next request sees', async (t) => {
  const { visit } = await visitor(t)
  const first = await visit((session) => {
    session.userId = 1
    return session.id
  })
  for (const keep of [true, ['userId' as const], false]) {
    const after = await visit(async (session) => {
      await session.regenerate(keep)
      session.userId = 2
      return session.id
    })
    t.not(after, first)
    t.equal(await visit((session) => session.id), after, JSON.stringify(keep))
  }
})

t.test('regenerate(): a second call in one request restores nothing that was dropped', async (t) => {
  const { visit } = await visitor(t)
  await visit((session) => {
    session.userId = 1
    session.name = 'Ada'
    session.count = 2
  })
  t.same(
    await visit(async (session) => {
      await session.regenerate(['userId', 'name'])
      await session.regenerate(['name', 'count'])
      await session.regenerate()
      return session.data()
    }),
    { name: 'Ada' }
  )
})

t.test('console.log: shows data and handle, but neither the secret id nor internals', async (t) => {
  const { browser, visit } = await visitor(t)
  await visit((session) => session.set('userId', 42))
  const [shown, id] = (await visit((session) => [
    inspect(session, { depth: 9, showHidden: true }),
    session.id
  ])) as string[]
  t.match(shown, 'userId: 42')
  t.match(shown, id)
  t.notMatch(shown, [...browser.cookies.values()][0])
})

t.test('options(): sets cookie attributes of a response, but no second cookie', async (t) => {
  const { app } = await visitor(t, { cookie: { secure: 'auto' } })
  app.get<{ Querystring: ResponseCookie }>('/options', async ({ query, session }) => {
    session.userId = 1
    session.options(query)
    return {}
  })
  t.match((await app.inject('/options?sameSite=strict&path=/&userInfo=x')).cookies[0], {
    sameSite: 'Strict',
    path: '/'
  })
  for (const wrong of ['sameSite=never', 'path=/app', 'domain=example.com', 'maxAge=60', 'samesite=lax']) {
    const name = wrong.split('=')[0]
    const response = await app.inject(`/options?${wrong}`)
    t.match(response.json(), { code: 'FST_SESSION_OPTION', message: `cookie.${name}` })
    t.equal(response.cookies.length, 0)
  }
})

t.test('options(): the cookie is sent even if the session is unchanged', async (t) => {
  const { browser, visit } = await visitor(t)
  await visit((session) => session.set('userId', 1))
  const before = [...browser.cookies]
  browser.cookies.set('other', '1')
  await visit((session) => session.options({ sameSite: 'strict' }))
  t.same([...browser.cookies].slice(0, 1), before, 'the same id')
})
