// A store that fails during a request, and requests that do not await their calls.
import { setTimeout as sleep, setImmediate as tick } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import { UncertainError } from '../lib/errors.js'
import {
  MemoryStore,
  mergeRules,
  type RedisSessionOptions,
  type Session,
  type Store,
  TOUCH
} from '../lib/index.js'
import { revisionOf } from '../lib/records/record.js'
import { createApp } from './support/app.js'
import { Browser, sessionCookie } from './support/browser.js'
import { FailingStore } from './support/failing-store.js'

type Route = (session: Session, reply: FastifyReply) => unknown

async function visitor(t: Test, options: RedisSessionOptions = {}) {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const { operations, plan, store } = new FailingStore(memory)
  const app = await createApp(t, { store, merge: { count: mergeRules.sum }, ...options })
  let next: Route = () => undefined
  app.get('/', async ({ session }, reply) => {
    const result = await next(session, reply)
    return reply.sent ? reply : reply.send({ result })
  })
  let handle: ((error: Error, reply: FastifyReply) => unknown) | undefined
  app.setErrorHandler((error: Error, _request, reply) =>
    handle === undefined ? reply.send(error) : handle(error, reply)
  )
  const onError = (handler: typeof handle) => {
    handle = handler
  }
  app.get('/logout', async ({ session }) => session.destroy())
  app.get('/other', async ({ session }) => {
    session.count = 7
    session.name = 'Bob'
    return {}
  })
  const browser = new Browser(app)
  /** Another tab of the same browser. */
  const tab = () => {
    const other = new Browser(app)
    for (const [name, value] of browser.cookies) other.cookies.set(name, value)
    return other
  }
  const visit = async (route: Route, by = browser) => {
    next = route
    operations.length = 0
    const response = await by.request('/')
    return { status: response.statusCode, body: response.json(), response }
  }
  const data = async () => (await visit((session) => session.data())).body.result
  const unsaved = () => app.logLines.filter(({ msg }) => msg.includes('are lost'))
  return { app, browser, data, memory, onError, operations, plan, tab, unsaved, visit }
}

const login: Route = (session) => {
  session.userId = 1
}

t.test('save(): a change during save() is committed at the end', async (t) => {
  const { data, visit } = await visitor(t)
  await visit(async (session) => {
    session.userId = 1
    const saved = session.save()
    session.name = 'Ada'
    await saved
  })
  t.same(await data(), { userId: 1, name: 'Ada' })
  await visit(async (session) => {
    session.delete('userId')
    session.delete('name')
    const saved = session.save()
    session.count = 1
    await saved
  })
  t.same(await data(), { count: 1 }, 'even if the session was emptied')
})

t.test('regenerate() during save() still gives a new id', async (t) => {
  const { browser, visit } = await visitor(t)
  await visit(login)
  const before = browser.cookies.get('__Host-session')
  await visit(async (session) => {
    session.name = 'Ada'
    const saved = session.save()
    await session.regenerate()
    await saved
  })
  t.not(browser.cookies.get('__Host-session'), before)
})

t.test('commit: a change after the response is reported', async (t) => {
  const { unsaved, visit } = await visitor(t)
  await visit(login)
  await visit((session, reply) => {
    reply.send({})
    session.name = 'Ada'
  })
  while (unsaved().length === 0) await tick()
  t.equal(unsaved().length, 1)
})

t.test('regenerate(): a login whose last answer is lost does not log the user out', async (t) => {
  const { data, operations, plan, visit } = await visitor(t)
  await visit(login)
  const rename: Route = async (session) => {
    await session.regenerate()
    session.name = 'Ada'
  }
  plan.push('pass', 'pass', 'lose')
  t.equal((await visit(rename)).status, 200, 'lost once: it is sent again')
  t.same(operations, ['read', 'create', 'update', 'update'])
  plan.push('pass', 'pass', 'lose', 'lose', 'lose')
  const { status, body } = await visit(async (session) => {
    await session.regenerate()
    session.name = 'Bob'
  })
  t.equal(status, 503)
  t.equal(body.code, 'FST_SESSION_UNCERTAIN')
  t.same(operations, ['read', 'create', 'update', 'update', 'update'])
  t.same(await data(), { userId: 1, name: 'Bob' })
})

t.test('regenerate(): a login whose last step is refused changes nothing', async (t) => {
  const { browser, data, memory, plan, visit } = await visitor(t)
  await visit(login)
  const before = browser.cookies.get('__Host-session')
  plan.push('pass', 'pass', 'refuse')
  const { status, response } = await visit(async (session) => {
    await session.regenerate()
    session.name = 'Ada'
  })
  t.equal(status, 503)
  t.equal(sessionCookie(response), undefined)
  t.equal(browser.cookies.get('__Host-session'), before)
  t.equal(memory.size, 1, 'there is only one session')
  t.same(await data(), { userId: 1 })
})

t.test('reload(): if it fails, nothing is written', async (t) => {
  const { data, operations, plan, visit } = await visitor(t)
  await visit(login)
  plan.push('pass', 'refuse')
  const { status } = await visit(async (session) => {
    await session.reload().catch(() => {})
    session.name = 'Ada'
  })
  t.equal(status, 200)
  t.same(operations, ['read', 'read'])
  t.same(await data(), { userId: 1 })
})

t.test('save(): if its answer is lost, it is retried and counts once', async (t) => {
  const { data, plan, visit } = await visitor(t)
  plan.push('lose', 'lose', 'lose')
  await visit(async (session) => {
    session.count = 1
    await session.save().catch(() => {})
  })
  t.same(await data(), { count: 1 })
  plan.push('pass', 'lose', 'lose', 'lose')
  await visit(async (session) => {
    session.count = 2
    await session.save().catch(() => {})
  })
  t.same(await data(), { count: 2 }, 'not merged with itself')
})

t.test('commit: if it fails, the response sets no cookie and has Retry-After', async (t) => {
  const { plan, visit } = await visitor(t)
  for (const fates of [['refuse'], ['lose', 'pass', 'lose', 'pass', 'lose']] as const) {
    plan.push(...fates)
    const { status, response } = await visit(login)
    t.equal(status, 503)
    t.equal(response.headers['retry-after'], '1')
    t.equal(sessionCookie(response), undefined)
  }
})

t.test('save() without await: a failure does not end the process', async (t) => {
  const { data, plan, visit } = await visitor(t)
  plan.push('refuse')
  const { status } = await visit((session) => {
    session.userId = 1
    void session.save()
  })
  t.equal(status, 200, 'the commit stored it')
  t.same(await data(), { userId: 1 })
})

t.test('destroy(): a failure is answered with 503 and keeps the cookie, awaited or not', async (t) => {
  const { data, plan, visit } = await visitor(t)
  await visit(login)
  for (const route of [
    (session: Session) => void session.destroy(),
    (session: Session) => session.destroy().catch(() => {})
  ]) {
    plan.push('pass', 'refuse')
    const { status, response } = await visit(route)
    t.equal(status, 503)
    t.equal(sessionCookie(response), undefined)
  }
  plan.push('pass', 'refuse')
  t.equal((await visit((session) => session.destroy().catch(() => session.destroy()))).status, 200)
  t.same(await data(), {})
})

t.test('destroy(): a change during destroy() is reported', async (t) => {
  const { unsaved, visit } = await visitor(t)
  await visit(login)
  await visit(async (session) => {
    const destroyed = session.destroy()
    session.name = 'Ada'
    await destroyed
  })
  t.match(unsaved(), [{ msg: /destroy\(\) was under way/ }])
})

t.test('data() stays live across a save() that merged', async (t) => {
  const { data, tab, visit } = await visitor(t)
  await visit(login)
  const other = tab()
  await visit(async (session) => {
    const live = session.data()
    await other.request('/other')
    live.userId = 3
    await session.save()
    live.userId = 2
  })
  t.same(await data(), { userId: 2, name: 'Bob', count: 7 })
})

t.test('regenerate(): a login with an id that was just replaced is a 409', async (t) => {
  const { tab, visit } = await visitor(t)
  await visit(login)
  const old = tab()
  await visit((session) => session.regenerate())
  const { status, body } = await visit((session) => session.regenerate(), old)
  t.equal(status, 409)
  t.equal(body.code, 'FST_SESSION_CONFLICT')
})

t.test('merge: a rule that fails is a conflict that names the key and no value', async (t) => {
  const rules = {
    count: () => {
      throw new Error('canary')
    },
    name: async () => 'nobody'
  }
  const { tab, visit } = await visitor(t, { merge: rules })
  await visit(login)
  const other = tab()
  const { status, body } = await visit(async (session) => {
    await other.request('/other')
    session.count = 8
    session.name = 'Ada'
  })
  t.equal(status, 409)
  t.match(body.message, /count \(its rule failed\), name \(its rule is async\)/)
  t.notMatch(body.message, 'canary')
})

t.test("onUndecodable: 'error' still allows a new sign-in", async (t) => {
  const { data, memory, plan, visit } = await visitor(t, { onUndecodable: 'error' })
  await visit(login)
  t.equal(plan.length, 0)
  const id = await visit((session) => session.id)
  const key = `session:${id.body.result}`
  const record = await memory.read(key)
  if (record === undefined) throw new Error('no record')
  await memory.update(key, record.subarray(14, 32), Buffer.from('{"foreign":true}'), Date.now() + 60_000)
  t.equal((await visit((session) => session.data())).body.code, 'FST_SESSION_UNDECODABLE')
  t.equal((await visit(() => 'not looked at')).status, 200)
  const { status } = await visit(async (session) => {
    await session.regenerate(false)
    session.userId = 2
  })
  t.equal(status, 200)
  t.same(await data(), { userId: 2 })
})

t.test('commit: a record that became unreadable since the read is not overwritten', async (t) => {
  const { memory, visit } = await visitor(t)
  for (const damage of [
    () => Buffer.from('{"foreign":true}'),
    (record: Buffer) => Buffer.concat([record.subarray(0, 14), Buffer.alloc(8), record.subarray(22, 32)])
  ]) {
    await visit(async (session) => {
      await session.destroy()
      session.userId = 1
    })
    let damaged: Buffer | undefined
    let key = ''
    const { status, body } = await visit(async (session) => {
      key = `session:${session.id}`
      const record = await memory.read(key)
      if (record === undefined) throw new Error('no record')
      damaged = damage(record)
      await memory.update(key, record.subarray(14, 32), damaged, Date.now() + 60_000)
      session.userId = 2
    })
    t.equal(status, 500)
    t.equal(body.code, 'FST_SESSION_UNDECODABLE')
    t.same(await memory.read(key), damaged)
  }
})

t.test('create(): a store that claims twice that a new id is taken causes a 409', async (t) => {
  const { memory, visit } = await visitor(t, {})
  t.equal(memory.size, 0)
  const taken = { ...new FailingStore(memory).store, create: async () => false }
  const { visit: visitTaken } = await visitor(t, { store: taken })
  t.match((await visitTaken(login)).body, { code: 'FST_SESSION_CONFLICT', statusCode: 409 })
  t.equal((await visit(login)).status, 200)
})

t.test('rolledBack: commits that a failover lost since the read are stored again', async (t) => {
  const { data, memory, unsaved, visit } = await visitor(t)
  let old: Buffer | undefined
  const rollBack = async (session: Session) => {
    const key = `session:${session.id}`
    const now = await memory.read(key)
    if (old === undefined || now === undefined) throw new Error('no record')
    await memory.update(key, now.subarray(14, 32), old, Date.now() + 60_000)
  }
  await visit(login)
  await visit(async (session) => {
    old = await memory.read(`session:${session.id}`)
    session.name = 'Ada'
  })
  const { body } = await visit(async (session) => {
    await rollBack(session)
    session.count = 1
    await session.save()
    return session.rolledBack
  })
  t.equal(body.result, true, 'session.rolledBack says so')
  t.same(await data(), { userId: 1, name: 'Ada', count: 1 })
  t.same(unsaved(), [])
})

t.test('regenerate(keys): dropped keys do not return with commits that a failover lost', async (t) => {
  const { data, memory, visit } = await visitor(t)
  await visit(login)
  let old: Buffer | undefined
  await visit(async (session) => {
    old = await memory.read(`session:${session.id}`)
    session.name = 'Ada'
  })
  await visit(async (session) => {
    const key = `session:${session.id}`
    const now = await memory.read(key)
    if (old === undefined || now === undefined) throw new Error('no record')
    await memory.update(key, now.subarray(14, 32), old, Date.now() + 60_000)
    await session.regenerate(['name'])
  })
  t.same(await data(), { name: 'Ada' })
})

t.test('commit: a value that cannot be encoded is a 500, however the route replies', async (t) => {
  const { visit } = await visitor(t)
  await visit(login)
  const { status, body } = await visit((session, reply) => {
    session.set('anything', 1n)
    setImmediate(() => reply.send({}))
    return reply
  })
  t.equal(status, 500)
  t.equal(body.code, 'FST_SESSION_ENCODE')
})

t.test(
  'update(): a write whose answer is lost counts once, even if it was resent or touched since',
  async (t) => {
    const memory = new MemoryStore()
    t.teardown(() => memory.close())
    const touchByAnother = async (key: string) => {
      const there = (await memory.read(key)) ?? Buffer.alloc(0)
      const patch = Buffer.from(there.subarray(TOUCH.offset, TOUCH.offset + TOUCH.length))
      patch.writeUIntBE(patch.readUIntBE(0, 6) + 1, 0, 6)
      await memory.touch(key, revisionOf(there), patch, Date.now() + 60_000)
    }
    let trouble = ''
    const store: Store = {
      read: (key) => memory.read(key),
      create: (...args) => memory.create(...args),
      touch: (...args) => memory.touch(...args),
      destroy: (...args) => memory.destroy(...args),
      async update(...args) {
        const [first, then] = trouble.split(', ')
        trouble = ''
        const outcome = await memory.update(...args)
        if (then === 'touched') await touchByAnother(args[0])
        if (first === 'sent again') return memory.update(...args)
        if (first === 'lost') throw new UncertainError('EVALSHA', 'no answer')
        return outcome
      }
    }
    const app = await createApp(t, { store, merge: { count: mergeRules.sum } })
    app.get('/begin', async ({ session }) => session.set('count', 0))
    app.get('/add', async ({ session }) => {
      session.count = (session.count ?? 0) + 1
      await session.save().catch(() => session.save())
    })
    app.get('/read', async ({ session }) => session.count)
    for (const what of ['lost', 'lost, touched', 'sent again', 'sent again, touched']) {
      const browser = new Browser(app)
      await browser.request('/begin')
      trouble = what
      t.equal((await browser.request('/add')).statusCode, 200)
      t.equal(await browser.json('/read'), 1, what)
    }
  }
)

t.test('rolledBack: changes on the new primary are kept and merged', async (t) => {
  const { data, memory, tab, visit } = await visitor(t)
  await visit((session) => Object.assign(session, { userId: 1, count: 1 }))
  const other = tab()
  let old: Buffer | undefined
  await visit(async (session) => {
    old = await memory.read(`session:${session.id}`)
    session.name = 'lost in the failover'
  })
  const { body } = await visit(async (session) => {
    const key = `session:${session.id}`
    const now = await memory.read(key)
    if (old === undefined || now === undefined) throw new Error('no record')
    await memory.update(key, now.subarray(14, 32), old, Date.now() + 60_000)
    // The new primary accepts count 7 and the name Bob.
    await other.request('/other')
    session.count = (session.count ?? 0) + 1
    await session.save()
    return session.rolledBack
  })
  t.equal(body.result, true)
  t.same(await data(), { userId: 1, count: 8, name: 'Bob' })
})

t.test(
  'destroy(): a session that has ended is not reachable under a new id that was uncertain',
  async (t) => {
    const { browser, data, plan, tab, visit } = await visitor(t)
    await visit(login)
    const other = tab()
    const { status, response } = await visit(async (session) => {
      await session.regenerate()
      // Another tab signs out before the old id is replaced.
      await other.request('/logout')
      session.name = 'Ada'
      plan.push('pass', 'lose', 'lose', 'lose')
    })
    t.equal(status, 503)
    t.ok(
      response.cookies.some(({ name }) => name.endsWith('-next')),
      'the new id is offered, since the outcome is uncertain'
    )
    browser.cookies.delete('__Host-session')
    t.same(await data(), {})
  }
)

t.test('regenerate(): a tombstone that may have expired may have replaced the old id', async (t) => {
  const { browser, data, plan, visit } = await visitor(t, { graceAfterRegenerate: 1 })
  await visit(login)
  const { body, status } = await visit(async (session) => {
    await session.regenerate()
    session.name = 'Ada'
    plan.push('pass', 'lose', 'lose', 'lose')
    await session.save().catch(() => {})
    await sleep(1_100)
  })
  t.same([status, body.code], [503, 'FST_SESSION_UNCERTAIN'])
  t.ok(browser.cookies.has('__Host-session-next'))
  t.same(await data(), {}, 'the tombstone has expired, so nothing leads to the new id')
})

t.test(
  'commit: its error has its own status, even if the route has answered with another error',
  async (t) => {
    const { data, plan, visit } = await visitor(t)
    await visit(login)
    for (const statusCode of [400, 409]) {
      const { body, status } = await visit((session) => {
        session.name = 'Ada'
        plan.push('refuse')
        throw Object.assign(new Error('refused by the route'), { statusCode })
      })
      t.same([status, body.statusCode, body.code], [503, 503, 'FST_SESSION_UNAVAILABLE'])
    }
    t.same(await data(), { userId: 1 })
  }
)

t.test('a touch that fails does not hide that a write may be stored', async (t) => {
  const { data, plan, visit } = await visitor(t, { touchAfter: 0 })
  await visit(login)
  const { body, status } = await visit(async (session) => {
    session.name = 'Ada'
    plan.push('lose', 'lose', 'lose')
    await session.save().catch(() => {})
    session.delete('name')
    plan.push('refuse')
  })
  t.same([status, body.code], [503, 'FST_SESSION_UNCERTAIN'])
  t.same(await data(), { userId: 1, name: 'Ada' })
})

t.test('reload(): a change during reload() is an error and is reported', async (t) => {
  const { data, tab, visit } = await visitor(t)
  await visit(login)
  const other = tab()
  for (const change of [
    (session: Session) => session.set('userId', 2),
    (session: Session) => session.delete('userId'),
    (session: Session) => Object.assign(session, { permanent: true }),
    (session: Session) => void session.regenerate(false)
  ]) {
    const { status, body } = await visit(async (session) => {
      await other.request('/other')
      void session.reload()
      change(session)
    })
    t.equal(status, 500)
    t.equal(body.code, 'FST_SESSION_RELOADING')
  }
  t.same(await data(), { userId: 1, count: 7, name: 'Bob' })
  const { body } = await visit(async (session) => {
    session.userId = 9
    await session.reload()
    session.userId = (session.userId ?? 0) + 1
    return session.data()
  })
  t.same(body.result, { userId: 2, count: 7, name: 'Bob' })
})

t.test('regenerate() then reload(): the new id is kept', async (t) => {
  const { browser, data, visit } = await visitor(t)
  await visit(login)
  const before = browser.cookies.get('__Host-session')
  await visit(async (session) => {
    await session.regenerate()
    await session.reload()
  })
  t.not(browser.cookies.get('__Host-session'), before)
  t.same(await data(), { userId: 1 })
})

t.test('regenerate() during save(), then again: the last id wins', async (t) => {
  const { memory, visit } = await visitor(t)
  await visit(login)
  const { body } = await visit(async (session) => {
    await session.regenerate()
    const saved = session.save()
    await session.regenerate()
    await saved
    return session.id
  })
  t.ok(await memory.read(`session:${body.result}`))
  t.same((await visit((session) => [session.id, session.userId])).body.result, [body.result, 1])
  const fresh = await visitor(t)
  const answer = await fresh.visit(async (session) => {
    session.userId = 1
    await Promise.all([session.save(), session.regenerate()])
    return session.id
  })
  t.equal(answer.status, 200)
  t.same((await fresh.visit((session) => [session.id, session.userId])).body.result, [answer.body.result, 1])
})

t.test('regenerate() after an uncertain one: the browser reaches its session', async (t) => {
  for (const fate of ['lose', 'refuse'] as const) {
    const { data, plan, visit } = await visitor(t)
    await visit(login)
    plan.push('pass', 'pass', ...(fate === 'lose' ? (['lose', 'lose', 'lose'] as const) : ([fate] as const)))
    const { status } = await visit(async (session) => {
      await session.regenerate()
      await session.save().catch(() => {})
      await session.regenerate()
      session.name = 'Ada'
    })
    t.equal(status, 200)
    t.same(await data(), { userId: 1, name: 'Ada' }, fate)
  }
})

t.test('reload(): later changes are kept, whatever happened to an earlier save()', async (t) => {
  const { data, plan, tab, visit } = await visitor(t)
  await visit(login)
  const other = tab()
  plan.push('pass', 'lose', 'lose', 'lose')
  const { status } = await visit(async (session) => {
    session.count = 1
    await session.save().catch(() => {})
    await session.reload()
    session.userId = 2
    await other.request('/other')
  })
  t.equal(status, 200)
  t.same(await data(), { userId: 2, count: 7, name: 'Bob' })
})

t.test('commit: an emptied session whose answer is lost is deleted with its cookie', async (t) => {
  const { browser, memory, plan, unsaved, visit } = await visitor(t)
  await visit(login)
  plan.push('pass', 'lose')
  t.equal((await visit((session) => session.delete('userId'))).status, 200)
  t.equal(memory.size, 0)
  t.equal(browser.cookies.size, 0)
  t.same(unsaved(), [])
})

t.test('save(): a write that an earlier try stored is not refused because of a later failure', async (t) => {
  const { data, plan, tab, visit } = await visitor(t, { touchAfter: 0 })
  await visit(login)
  const other = tab()
  const { status } = await visit(async (session) => {
    session.anything = 'mine'
    // The update is executed but its answer is lost. The retry reads the record; anything after that would be
    // refused.
    plan.push('lose')
    const saved = session.save()
    await other.request('/other')
    plan.push('pass', 'refuse')
    await saved
  })
  t.equal(status, 200)
  t.match(await data(), { userId: 1, anything: 'mine' })
})

t.test('destroy(): also ends what an uncertain regenerate() left', async (t) => {
  const { data, memory, plan, visit } = await visitor(t)
  await visit(login)
  plan.push('pass', 'pass', 'lose', 'lose', 'lose')
  const { status } = await visit(async (session) => {
    await session.regenerate()
    await session.save().catch(() => {})
    await session.destroy()
  })
  t.equal(status, 200)
  t.same(await data(), {})
  t.ok(memory.size <= 1, 'nothing except the tombstone')
})

t.test('destroy(): a logout that is impossible is a 409, awaited or not', async (t) => {
  const { tab, visit } = await visitor(t)
  await visit(login)
  const old = tab()
  await visit((session) => session.regenerate())
  for (const route of [
    (session: Session) => void session.destroy(),
    (session: Session) => session.destroy().catch(() => {})
  ]) {
    t.match((await visit(route, old)).body, { code: 'FST_SESSION_CONFLICT' })
  }
})

t.test('store: a rejection without an error counts as unavailable', async (t) => {
  const { browser, visit } = await visitor(t, {
    store: { ...new FailingStore(new MemoryStore()).store, read: () => Promise.reject() }
  })
  browser.cookies.set('__Host-session', `2${'A'.repeat(43)}`)
  const { body, status } = await visit(() => undefined)
  t.equal(status, 503)
  t.equal(body.code, 'FST_SESSION_UNAVAILABLE')
})

t.test('commit: a change after the response is reported once', async (t) => {
  const { unsaved, visit } = await visitor(t)
  await visit(login)
  let held: Session | undefined
  await visit((session) => {
    held = session
  })
  t.same(unsaved(), [])
  if (held === undefined) throw new Error('no session')
  held.set('name', 'Ada')
  while (unsaved().length === 0) await tick()
  held.set('name', 'Bob')
  await tick()
  t.match(unsaved(), [{ msg: /without a commit; call save\(\)/ }])
})

t.test('commit: changes that a 5xx response discards are reported; reads are not', async (t) => {
  const { unsaved, visit } = await visitor(t)
  await visit(login)
  await visit((session, reply) => {
    t.ok(session.data())
    return reply.code(500).send({})
  })
  t.same(unsaved(), [])
  await visit((session, reply) => {
    session.name = 'Ada'
    return reply.code(502).send({})
  })
  t.match(unsaved(), [{ msg: /the response has status 502/, session: { type: 'unsaved' } }])
})

t.test('commit: setting a key to its current value is no change', async (t) => {
  const { operations, unsaved, visit } = await visitor(t)
  await visit(login)
  await visit(login)
  t.same(operations, ['read'])
  await tick()
  t.same(unsaved(), [])
})

t.test('touch(): a failure is logged and never fails the request', async (t) => {
  const { app, operations, plan, visit } = await visitor(t, { touchAfter: 0 })
  await visit(login)
  for (const fate of ['refuse', 'lose'] as const) {
    plan.push('pass', fate)
    t.equal((await visit((session) => session.userId)).status, 200)
    t.same(operations, ['read', 'touch'])
    plan.push('pass', fate)
    t.equal((await visit((session) => session.touch())).status, 200)
  }
  const lines = app.logLines.filter(({ msg }) => msg.includes('was not extended'))
  t.equal(lines.length, 4)
  t.match(lines[0], { level: 40, session: { type: 'untouched', reason: 'FST_SESSION_UNAVAILABLE' } })
})

t.test('session.id: after regenerate() it is the id that is stored', async (t) => {
  const { memory, visit } = await visitor(t)
  await visit(login)
  const { body } = await visit(async (session) => {
    const before = session.id
    await session.regenerate()
    return [before, session.id]
  })
  const [before, after] = body.result
  t.not(before, after)
  t.ok(await memory.read(`session:${after}`))
  t.equal((await visit((session) => session.id)).body.result, after)
})

t.test('regenerate(): a failure fails the request, awaited or not', async (t) => {
  const { tab, visit } = await visitor(t)
  await visit(login)
  const old = tab()
  await visit((session) => session.regenerate())
  for (const route of [
    (session: Session) => void session.regenerate(),
    (session: Session) => session.regenerate().catch(() => {})
  ]) {
    t.match((await visit(route, old)).body, { code: 'FST_SESSION_CONFLICT', statusCode: 409 })
  }
})

t.test('save(): after a deletion whose answer was lost, new data begins another session', async (t) => {
  const { browser, data, operations, plan, visit } = await visitor(t)
  await visit(login)
  const before = browser.cookies.get('__Host-session')
  plan.push('pass', 'lose', 'lose', 'lose')
  const { status } = await visit(async (session) => {
    session.delete('userId')
    await t.rejects(session.save(), { code: 'FST_SESSION_UNCERTAIN' })
    session.name = 'Ada'
  })
  t.equal(status, 200)
  t.same(operations, ['read', 'destroy', 'destroy', 'destroy', 'update', 'create'])
  t.same(await data(), { name: 'Ada' })
  t.not(browser.cookies.get('__Host-session'), before)
})

t.test('a value that is set back after an uncertain save() is what is stored', async (t) => {
  const { data, plan, visit } = await visitor(t)
  await visit(login)
  plan.push('pass', 'lose', 'lose', 'lose')
  const { status } = await visit(async (session) => {
    session.userId = 2
    await t.rejects(session.save(), { code: 'FST_SESSION_UNCERTAIN' })
    session.userId = 1
  })
  t.equal(status, 200)
  t.same(await data(), { userId: 1 })
})

t.test('what is set back after an uncertain removal is stored', async (t) => {
  for (const fate of ['lose', 'drop'] as const) {
    const { data, plan, visit } = await visitor(t)
    await visit(login)
    plan.push('pass', fate, fate, fate)
    const { status } = await visit(async (session) => {
      session.delete('userId')
      await t.rejects(session.save(), { code: 'FST_SESSION_UNCERTAIN' })
      session.userId = 1
    })
    t.equal(status, 200)
    t.same(await data(), { userId: 1 }, fate)
  }
})

t.test('a removal that did not take place does not undo a later logout', async (t) => {
  const { memory, plan, tab, visit } = await visitor(t)
  await visit(login)
  const other = tab()
  plan.push('pass', 'drop', 'drop', 'drop')
  await visit(async (session) => {
    session.delete('userId')
    await t.rejects(session.save(), { code: 'FST_SESSION_UNCERTAIN' })
    session.userId = 2
    await session.save()
    await other.request('/logout')
    session.name = 'Ada'
  })
  t.equal(memory.size, 0)
})

t.test('a refused create after a removal is not called uncertain because of an earlier write', async (t) => {
  const { plan, visit } = await visitor(t)
  await visit(login)
  plan.push('pass', 'drop', 'drop', 'drop', 'pass', 'refuse')
  const { body } = await visit(async (session) => {
    session.userId = 2
    await t.rejects(session.save(), { code: 'FST_SESSION_UNCERTAIN' })
    session.delete('userId')
    await session.save()
    session.userId = 3
  })
  t.equal(body.code, 'FST_SESSION_UNAVAILABLE')
})

t.test('save() of a new id after the headers says so, whatever was uncertain before', async (t) => {
  const { plan, visit } = await visitor(t)
  await visit(login)
  plan.push('pass', 'drop', 'drop', 'drop')
  let saved: Promise<void> | undefined
  await visit(async (session, reply) => {
    session.userId = 2
    await t.rejects(session.save(), { code: 'FST_SESSION_UNCERTAIN' })
    reply.hijack()
    reply.raw.end('{}')
    await session.regenerate()
    saved = session.save()
  })
  await t.rejects(saved as Promise<void>, { code: 'FST_SESSION_HEADERS_SENT' })
})

t.test('store: an answer other than bytes fails the request', async (t) => {
  const memory = new MemoryStore()
  t.teardown(() => memory.close())
  const store = { ...new FailingStore(memory).store, read: async () => 5 as never }
  const app = await createApp(t, { store })
  app.get('/', async ({ session }) => session.data())
  app.get('/login', async ({ session }) => {
    session.userId = 1
  })
  const browser = new Browser(app)
  await browser.request('/login')
  t.equal((await browser.request('/')).statusCode, 500)
})

t.test('destroy(): an error handler cannot make its failure look like a logout', async (t) => {
  const { data, onError, plan, visit } = await visitor(t)
  await visit(login)
  for (const route of [
    async (session: Session) => session.destroy(),
    (session: Session) => void session.destroy(),
    async (session: Session) => session.destroy().catch(() => {}),
    async (session: Session) => {
      await session.destroy().catch(() => {})
      await session.regenerate()
    }
  ]) {
    onError((_error, reply) => reply.redirect('/goodbye'))
    plan.push('pass', 'refuse')
    t.equal((await visit(route)).status, 503)
    onError(undefined)
    t.same(await data(), { userId: 1 })
  }
})

t.test('destroy(): an error handler may answer its failure as one', async (t) => {
  const { onError, plan, visit } = await visitor(t)
  await visit(login)
  onError((_error, reply) => reply.code(409).send({ error: 'Please try again.' }))
  for (const route of [
    async (session: Session) => session.destroy(),
    (session: Session) => void session.destroy()
  ]) {
    plan.push('pass', 'refuse')
    const { body, status } = await visit(route)
    t.equal(status, 409)
    t.same(body, { error: 'Please try again.' })
  }
})

t.test('what an error handler writes after a failed commit is reported', async (t) => {
  const { onError, plan, unsaved, visit } = await visitor(t)
  await visit(login)
  let write = () => {}
  onError((_error, reply) => {
    write()
    return reply.code(400).send({})
  })
  plan.push('pass', 'refuse')
  await visit((session) => {
    session.name = 'Ada'
    write = () => {
      session.name = 'Bob'
    }
  })
  while (unsaved().length === 0) await tick()
  t.equal(unsaved().length, 1)
})

t.test('reload(): after a failure another one brings the session back', async (t) => {
  const { data, plan, visit } = await visitor(t)
  await visit(login)
  plan.push('pass', 'refuse')
  const { body } = await visit(async (session) => {
    await t.rejects(session.reload(), { code: 'FST_SESSION_UNAVAILABLE' })
    t.equal(session.detached, 'unavailable')
    await t.rejects(session.save(), { code: 'FST_SESSION_DETACHED' })
    await session.reload()
    session.name = 'Ada'
    return session.detached === undefined
  })
  t.equal(body.result, true)
  t.same(await data(), { userId: 1, name: 'Ada' })
  plan.push('pass', 'refuse')
  await visit(async (session) => {
    await t.rejects(session.reload())
    await session.destroy()
  })
  t.same(await data(), {})
})
