// Addresses that send many ids which the store does not know.
import t from 'tap'
import { SessionIds } from '../../lib/cookies/session-id.js'
import type { RedisSessionOptions } from '../../lib/index.js'
import { UnknownIds } from '../../lib/replay/unknown-ids.js'
import { memory } from '../support/memory.js'
import fc from '../support/properties.js'
import { COOKIE, deploy, listen } from './stage.js'

const secret = 'a secret of the tests, long enough'
const MINUTE = 60_000

function cookie(ids: SessionIds, count = 1): { cookie: string } {
  return { cookie: Array.from({ length: count }, () => `${COOKIE}=${ids.sign(ids.create())}`).join('; ') }
}

t.test('guessing shows: the tenth unknown id of an address within a minute is reported', async (t) => {
  for (const options of [{ secret }, {}] as RedisSessionOptions[]) {
    const ids = new SessionIds(COOKIE, options.secret === undefined ? [] : [secret])
    const app = await deploy(t, { store: memory(t), onReplay: 'report', ...options })
    const events = listen(t, 'unknown')
    const send = (remoteAddress: string, count = 1) =>
      app.inject({ url: '/look', headers: cookie(ids, count), remoteAddress })
    for (let n = 0; n < 9; n++) await Promise.all([send('10.0.0.1'), send('10.0.0.2')])
    t.same(events, [])
    await send('10.0.0.1')
    t.same(events, [{ type: 'unknown', address: '10.0.0.1', count: 10 }])
    for (let n = 0; n < 50; n++) await send('10.0.0.1')
    t.equal(events.length, 1, 'at most one a minute')
    await send('10.0.0.3', 4)
    await send('10.0.0.3', 4)
    await send('10.0.0.3', 4)
    t.same(events.slice(1), [{ type: 'unknown', address: '10.0.0.3', count: 12 }], 'each id counts')
    const lines = app.logLines.filter(({ msg }) => msg.includes('that the store does not know'))
    t.match(lines, [{ level: 40, msg: /^10\.0\.0\.1 has sent 10 / }])
    t.equal(lines.length, 1, 'many addresses do not fill the log')
  }
})

t.test('neither living sessions nor ids that are no ids count', async (t) => {
  const app = await deploy(t, { store: memory(t), secret, onReplay: 'report' })
  const events = listen(t, 'unknown')
  const login = await app.inject('/login')
  const own = `${COOKIE}=${login.cookies[0]?.value}`
  const forged = cookie(new SessionIds(COOKIE, ['another secret, just as long as ours']))
  for (let n = 0; n < 20; n++) {
    await app.inject({ url: '/look', headers: { cookie: own } })
    await app.inject({ url: '/look', headers: forged })
    await app.inject({ url: '/look', headers: { cookie: `${COOKIE}=guess` } })
    await app.inject('/look')
  }
  t.same(events, [])
})

t.test('without the option nothing is reported', async (t) => {
  const app = await deploy(t, { store: memory(t) })
  const events = listen(t, 'unknown')
  for (let n = 0; n < 20; n++) await app.inject({ url: '/look', headers: cookie(new SessionIds(COOKIE, [])) })
  t.same(events, [])
})

t.test('UnknownIds: what goes on is reported once a minute, with all that came since', async (t) => {
  const ids = new UnknownIds()
  t.equal(ids.add('a', 10, 0), 10)
  t.equal(ids.add('a', 100, 1), undefined)
  t.equal(ids.add('a', 5, MINUTE), undefined)
  t.equal(ids.add('a', 5, MINUTE + 1), 110)
  t.equal(ids.add('a', 9, 2 * MINUTE + 1), undefined)
  t.equal(ids.add('a', 9, 3 * MINUTE + 1), undefined, 'few in each minute are nobody guessing')
  t.equal(ids.add('a', 1, 3 * MINUTE + 2), 10)
})

t.test(
  'UnknownIds: any sequence leads to at most one report a minute, and none for less than ten ids',
  async (t) => {
    const steps = fc.array(fc.record({ ids: fc.nat(12), after: fc.nat(MINUTE / 4) }), { maxLength: 60 })
    fc.assert(
      fc.property(steps, (steps) => {
        const counts = new UnknownIds()
        let [now, sent, reported] = [0, 0, 0]
        let last = Number.NEGATIVE_INFINITY
        for (const { ids, after } of steps) {
          now += after
          sent += ids
          const count = counts.add('a', ids, now)
          if (count === undefined) continue
          reported += count
          if (count < 10 || reported > sent || now - last < MINUTE) return false
          last = now
        }
        return true
      })
    )
    t.pass()
  }
)
