// The short form of `npm run test:users`, and whether it finds what it has to.
import t from 'tap'
import { generator } from '../support/random.js'
import { check } from './checker/check.js'
import { type Facts, findViolations } from './checker/facts.js'

const SHORT = { engine: 'standalone', seconds: 4, processes: 2, users: 2, browsers: 6, limit: 4 } as const

t.test('nothing that users may not see is found', async (t) => {
  const done = { kills: 0, logins: 0, revocations: 0, lists: 0 }
  const names = Object.keys(done) as (keyof typeof done)[]
  const isMissing = () => names.some((name) => done[name] === 0)
  // On a busy machine a round may happen to do too little.
  for (let round = 1; round <= 12 && isMissing(); round++) {
    const { counts, violations } = await check(t, { ...SHORT, random: generator(round) })
    t.comment(JSON.stringify(counts))
    t.same(violations, [])
    for (const name of names) done[name] += counts[name]
  }
  t.notOk(isMissing())
})

for (const [bug, kind] of [
  ['forgetful', /^MISSING/],
  ['forgiving', /^(ALIVE|DEAD)/],
  ['unlimited', /^LIMIT/]
] as const) {
  t.test(`a planted bug is found: ${bug}`, async (t) => {
    // On a busy machine a round may happen to do too little.
    let found: string[] = []
    for (let round = 1; round <= 12 && found.length === 0; round++) {
      const { violations } = await check(t, { ...SHORT, seconds: 2, bug, random: generator(round) })
      found = violations.filter((each) => kind.test(each))
    }
    t.ok(found.length > 0)
  })
}

t.test('each kind of violation is recognised, and nothing else', (t) => {
  const stay = { user: 'u', stay: 1, signedInAt: 10 }
  const none: Facts = { held: [], served: [], revocations: [], ended: [], lists: [] }
  const held = [{ ...stay, handle: 'a', since: 10, until: 100 }]
  const list = (sentAt: number, handles: string[]) => ({ user: 'u', handles, sentAt, answeredAt: sentAt + 5 })
  const kinds = (facts: Partial<Facts>, limit = 1) =>
    findViolations({ ...none, held, ...facts }, limit).map((each) => each.split(/[ :]/)[0])
  t.same(kinds({ lists: [list(20, [])] }), ['MISSING'])
  t.same(
    kinds({ lists: [list(20, ['a']), list(5, []), list(96, [])] }),
    [],
    'known to be alive only in between'
  )
  t.same(kinds({ lists: [list(20, ['a'])], ended: [{ handle: 'a', answeredAt: 19 }] }), ['DEAD'])
  t.same(kinds({ lists: [list(20, ['a'])], ended: [{ handle: 'a', answeredAt: 21 }] }), [])
  const twice = [
    { handle: 'a', answeredAt: 25 },
    { handle: 'a', answeredAt: 19 }
  ]
  t.same(kinds({ lists: [list(20, ['a'])], ended: twice }), ['DEAD'], 'its first end counts')
  t.same(kinds({ lists: [list(20, ['a'])] }, 0), ['LIMIT'])
  const revocation = { user: 'u', sentAt: 20, answeredAt: 30, except: undefined }
  const served = (sentAt: number) => [{ ...stay, handle: 'b', sentAt, answeredAt: sentAt + 1 }]
  t.same(kinds({ ended: [{ handle: 'b', answeredAt: 30 }], served: served(31) }), ['ALIVE'])
  t.same(kinds({ ended: [{ handle: 'b', answeredAt: 30 }], served: served(29) }), [])
  t.same(kinds({ revocations: [revocation], served: served(31) }), ['ALIVE'])
  t.same(kinds({ revocations: [revocation], served: served(29) }), [])
  t.same(kinds({ revocations: [{ ...revocation, except: 'a' }], served: served(31) }), [], 'it moved')
  t.same(
    kinds({ revocations: [{ ...revocation, sentAt: 9 }], served: served(31) }),
    [],
    'signed in meanwhile'
  )
  t.same(kinds({ revocations: [revocation], lists: [list(101, ['a'])] }), ['DEAD'])
  t.end()
})
