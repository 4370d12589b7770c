// The short form of `npm run test:near-cache`, and whether it finds what it has to.
import t from 'tap'
import { generator } from '../support/random.js'
import { check } from './checker/check.js'
import { ENDED, findStale } from './checker/stale.js'

t.test('a version that was served too late is found', (t) => {
  const key = 'session:1'
  const stored = [
    { process: 1, key, version: 1, at: 0 },
    { process: 1, key, version: 2, at: 100 },
    { process: undefined, key, version: 3, at: 200 },
    { process: 1, key, version: ENDED, at: 300 }
  ]
  const found = (process: number, version: number, at: number) =>
    findStale({ served: [{ process, key, version, at }], stored }, 50).map(({ by }) => by)
  t.same(found(2, 1, 150), [], 'within the bound')
  t.same(found(2, 1, 151), [1])
  t.same(found(1, 1, 101), [1], 'the process that wrote knows at once')
  t.same(found(1, 2, 240), [], 'it does not know what another one saw')
  t.same(found(2, 3, 360), [10], 'an end is a version')
  t.same(findStale({ served: [{ process: 2, key: 'session:2', version: 1, at: 999 }], stored }, 50), [])
  t.end()
})

for (const isCluster of [false, true]) {
  const where = isCluster ? 'on a cluster' : 'on one Redis'

  t.test(`${where} nothing older than the bound is served, whatever fails`, async (t) => {
    const { counts, faults, leaked, stale, unseen } = await check(t, {
      processes: 2,
      seconds: 0,
      ms: 300,
      maxStale: 0.2,
      isCluster,
      random: generator(1)
    })
    t.comment(JSON.stringify(counts), [...faults.keys()].join(', '))
    t.same(stale, [])
    t.same(unseen, [])
    t.same(leaked, [])
  })

  t.test(`${where} a process that holds its lease for longer is found out`, async (t) => {
    // On a busy machine a round may happen to read nothing at the right moment. If none ever does, the test times out.
    let found = 0
    for (let round = 1; found === 0; round++) {
      const { stale } = await check(t, {
        processes: 2,
        seconds: 0,
        ms: 3_000,
        maxStale: 0.2,
        configured: 30,
        isCluster,
        only: 'tracking frozen',
        random: generator(round)
      })
      found = stale.length
    }
    t.ok(found > 0)
  })
}
