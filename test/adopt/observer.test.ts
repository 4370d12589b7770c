// Parts that follow the lives of sessions learn of an adopted one before its record is stored, and may refuse it.
import t from 'tap'
import { openAdoption } from '../../lib/adopt/adoption.js'
import { expressSession } from '../../lib/adopt/index.js'
import { CookieMemory } from '../../lib/cookies/session-cookie.js'
import { createContext } from '../../lib/plugin/context.js'
import { resolveOptions } from '../../lib/plugin/options.js'
import { Transaction } from '../../lib/request/transaction.js'
import { MemoryStore } from '../../lib/stores/memory.js'
import { startRedis } from '../support/redis-server.js'
import { OLD_SECRET, oldCookie, oldRecord, SECRET } from './old-application.js'

t.test('observer: learns of an adopted session first, and may refuse it', async (t) => {
  const { client } = await startRedis(t)
  const store = new MemoryStore()
  t.teardown(() => store.close())
  await client.set('sess:1', oldRecord({ name: 'Ada' }), 'EX', 1_000)
  const adopt = [expressSession({ secret: OLD_SECRET, redis: client })]
  const settings = resolveOptions({ store, secret: SECRET, adopt }, false)
  const log = { error() {}, warn() {}, info() {} }
  const calls: [handle: string, size: number][] = []
  let isRefused = true
  const context = await createContext(settings, store, log, false, {
    async created(handle) {
      calls.push([handle, store.size])
      if (isRefused) throw new Error('refused')
    }
  })
  const origins = openAdoption(settings, undefined, context.ids)
  const request = async () => {
    const transaction = new Transaction(context, {
      log,
      memory: new CookieMemory(),
      isOpen: true,
      domainBy() {},
      setCookie() {},
      withdrawCookie() {},
      onceClosed() {},
      onceOver() {}
    })
    const none = { ids: [], next: undefined, came: false, nextCame: false, seenCame: false }
    await transaction.load(none, 'error', false, origins.receive(`connect.sid=${oldCookie('1')}`))
    return transaction.state
  }
  await t.rejects(request(), { message: 'refused' })
  t.equal(store.size, 0)
  isRefused = false
  const { draft, handle } = await request()
  t.equal(draft.get('name'), 'Ada')
  t.same(calls, [
    [handle, 0],
    [handle, 0]
  ])
})
