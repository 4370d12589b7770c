// The option `nearCache`, and what a route may say.
import t from 'tap'
import { MemoryStore } from '../../lib/index.js'
import { resolveOptions } from '../../lib/plugin/options.js'
import { createApp } from '../support/app.js'

t.test('the defaults, and what is set', (t) => {
  const limitsOf = (nearCache: boolean | object) => resolveOptions({ nearCache }, true).nearCache
  const defaults = { maxStale: 1, maxBytes: 33_554_432 }
  t.equal(limitsOf(false), undefined)
  t.equal(resolveOptions({}, true).nearCache, undefined, 'it is off unless asked for')
  t.same(limitsOf(true), defaults)
  t.same(limitsOf({}), defaults)
  t.same(limitsOf({ maxStale: undefined, maxBytes: undefined }), defaults)
  t.same(limitsOf({ maxStale: 0.1, maxBytes: 1 }), { maxStale: 0.1, maxBytes: 1 })
  t.end()
})

t.test('what cannot be used is refused by its name', (t) => {
  const client = { getBuffer() {}, set() {}, evalsha() {}, evalshaBuffer() {}, evalBuffer() {} }
  const refused: [object, string][] = [
    [{ nearCache: 1 }, 'nearCache'],
    [{ nearCache: null }, 'nearCache'],
    [{ nearCache: { maxStale: 0 } }, 'nearCache.maxStale'],
    [{ nearCache: { maxStale: 61 } }, 'nearCache.maxStale'],
    [{ nearCache: { maxStale: '1' } }, 'nearCache.maxStale'],
    [{ nearCache: { maxBytes: 0 } }, 'nearCache.maxBytes'],
    [{ nearCache: { maxBytes: 1.5 } }, 'nearCache.maxBytes'],
    [{ nearCache: { maxBytes: 2 ** 33 } }, 'nearCache.maxBytes'],
    [{ nearCache: true, store: new MemoryStore() }, 'nearCache'],
    [{ nearCache: true, redis: client }, 'nearCache']
  ]
  for (const [options, name] of refused) {
    t.throws(() => resolveOptions(options, true), {
      code: 'FST_SESSION_OPTION',
      message: new RegExp(`^option ${name}: `)
    })
  }
  t.end()
})

t.test('a route that says fresh in another way is refused', async (t) => {
  const app = await createApp(t, { store: new MemoryStore() })
  t.throws(() => app.get('/', { config: { session: { fresh: 1 } as object } }, async () => ''), {
    message: /^option config\.session\.fresh: must be true or false/
  })
})
