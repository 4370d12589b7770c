// The verdicts of the checker, each on a short hand-written history.
import t from 'tap'
import { check, checkAttempts, explain, type Kind } from './check.js'
import type { Answer, Change, Content, Entry, Life } from './history.js'
import { kindsOf } from './stage.js'

const OK: Answer = { status: 200, life: 'a' }
const UNCERTAIN: Answer = { status: 503, code: 'FST_SESSION_UNCERTAIN' }
const UNAVAILABLE: Answer = { status: 503, code: 'FST_SESSION_UNAVAILABLE' }
const EMPTY: Content = { life: undefined, log: [], count: 0, tags: [] }

/** The session with these values. */
function content(...log: string[]): Content {
  return { life: 'a', log, count: log.length, tags: [...new Set(log)] }
}

let number = 0
/** A request that appends this value, and the times of its start and end. */
function append(value: string, answer: Answer | string, when: [number, number] = [0, 1000]): Entry {
  return request('append', [{ value, when: 'last' }], answer, when)
}

function request(
  action: Entry['action'],
  changes: Change[],
  answer: Answer | string,
  [sentAt, endedAt]: [number, number] = [0, 1000]
): Entry {
  const heard = typeof answer === 'string' ? { failure: answer } : { answer }
  return { number: ++number, tab: 'tab 1', action, process: 0, changes, id: 1, sentAt, endedAt, ...heard }
}

function kinds(entries: Entry[], browser: Content, end: Partial<Life['end']> = {}): Kind[] {
  return check({ name: 'a', entries, end: { browser, others: [], ...end } }).map(({ kind }) => kind)
}

t.test('check(): an acknowledged value is stored exactly once', async (t) => {
  t.same(kinds([append('v', OK)], content('v')), [])
  t.same(kinds([append('v', OK)], content()), ['lost'])
  t.same(kinds([append('v', OK)], content('v', 'v')), ['twice'])
})

t.test('check(): a refused value is not stored', async (t) => {
  const refusals: (Answer | string)[] = [
    UNAVAILABLE,
    { status: 503, code: 'FST_SESSION_STORE_FULL' },
    { status: 500, code: 'FST_SESSION_STORE_DENIED' },
    { status: 409, code: 'FST_SESSION_CONFLICT' },
    { status: 500 },
    { status: 200, detached: 'moved', life: 'a' },
    'ECONNREFUSED'
  ]
  for (const answer of refusals) {
    t.same(kinds([append('v', answer)], content()), [])
    t.same(kinds([append('v', answer)], content('v')), ['stored'], JSON.stringify(answer))
  }
  const reload: Change[] = [
    { value: 'v', when: 'before reload' },
    { value: 'w', when: 'last' }
  ]
  t.same(kinds([request('append, reload, append', reload, OK)], content('w')), [])
  t.same(kinds([request('append, reload, append', reload, OK)], content('v', 'w')), ['stored'])
})

t.test('check(): an uncertain value is stored at most once', async (t) => {
  for (const answer of [UNCERTAIN, { status: 503, code: 'FST_SESSION_NOT_REPLICATED' }, 'ECONNRESET']) {
    t.same(kinds([append('v', answer)], content()), [])
    t.same(kinds([append('v', answer)], content('v')), [])
    t.same(kinds([append('v', answer)], content('v', 'v')), ['twice'])
  }
})

t.test('check(): what save() stored remains; the rest may follow at the commit', async (t) => {
  const changes: Change[] = [
    { value: 'v', when: 'before save' },
    { value: 'w', when: 'last' }
  ]
  const saving = (answer: Answer | string) => request('append, save, append', changes, answer)
  t.same(kinds([saving({ ...UNAVAILABLE, saved: 'done' })], content('v')), [])
  t.same(kinds([saving({ ...UNAVAILABLE, saved: 'done' })], content()), ['lost'])
  t.same(kinds([saving({ ...OK, saved: 'FST_SESSION_UNCERTAIN' })], content('v', 'w')), [])
  t.same(kinds([saving({ ...OK, saved: 'FST_SESSION_UNCERTAIN' })], content('v', 'w', 'v')), ['twice'])
  t.same(kinds([saving({ ...OK, saved: 'FST_SESSION_UNCERTAIN' })], content('w')), ['lost'])
  t.same(kinds([saving({ ...UNAVAILABLE, saved: 'FST_SESSION_UNCERTAIN' })], content('v')), [])
  t.same(kinds([saving({ ...UNAVAILABLE, saved: 'FST_SESSION_UNCERTAIN' })], content('v', 'w')), ['stored'])
  t.same(kinds([saving({ ...UNAVAILABLE, saved: 'FST_SESSION_UNAVAILABLE' })], content('v')), ['stored'])
  t.same(kinds([saving({ ...UNCERTAIN, saved: 'FST_SESSION_UNAVAILABLE' })], content('v', 'w')), [])
  t.same(kinds([saving({ ...UNAVAILABLE })], content('v')), ['stored'], 'the request failed before save()')
  t.same(kinds([saving({ ...UNCERTAIN })], content('v')), [])
  t.same(kinds([saving('ECONNRESET')], content('v')), [])
})

t.test('check(): values are stored in the order of their acknowledgements', async (t) => {
  const [first, beside, second] = [
    append('v', OK, [0, 10]),
    append('w', OK, [5, 25]),
    append('x', OK, [20, 30])
  ]
  const entries = [first, beside, second]
  for (const order of ['vwx', 'wvx', 'vxw']) t.same(kinds(entries, content(...order)), [], order)
  for (const order of ['xvw', 'xwv', 'wxv']) t.same(kinds(entries, content(...order)), ['order'], order)
})

t.test('check(): the counter and the set agree with the list', async (t) => {
  const entries = [append('v', OK), append('w', UNCERTAIN)]
  t.same(kinds(entries, { ...content('v'), count: 2 }), ['counter'])
  t.same(kinds(entries, { ...content('v', 'w'), count: 1 }), ['counter'])
  t.same(kinds(entries, { ...content('v', 'w'), tags: ['v'] }), ['counter'])
  t.same(kinds(entries, { ...content('v'), tags: ['v', 'w'] }), ['counter'])
})

t.test('check(): no browser loses its session without a logout', async (t) => {
  const stranger = request('append', [], { status: 401 }, [10, 20])
  t.same(kinds([append('v', OK)], EMPTY), ['vanished'])
  t.same(kinds([stranger], content()), ['vanished'], 'for a while')
  t.same(kinds([request('read', [], { status: 401, detached: 'moved' })], content()), [], 'an old id')
  const unheard = request('append, new id', [{ value: 'v', when: 'last' }], 'ECONNRESET', [0, 5])
  t.same(kinds([unheard, stranger], EMPTY), [], 'the answer with the new id never arrived')
  t.same(
    kinds([stranger, { ...unheard, sentAt: 15 }], content()),
    ['vanished'],
    'the answer was lost only later'
  )
  for (const answer of [OK, UNCERTAIN, 'ECONNRESET']) {
    t.same(kinds([append('v', OK), request('log out', [], answer)], EMPTY), [])
  }
  t.same(kinds([request('log out', [], UNAVAILABLE)], EMPTY), ['vanished'], 'the logout was refused')
  t.same(
    kinds([{ ...request('log out', [], OK), id: undefined }], EMPTY),
    ['vanished'],
    'the logout had no session'
  )
})

t.test('check(): a session stays ended after a logout', async (t) => {
  const logout = request('log out', [], OK, [10, 20])
  t.same(kinds([append('v', OK), logout], EMPTY), [])
  t.same(kinds([logout], content()), ['resurrected'])
  t.same(kinds([logout], EMPTY, { atLogout: content() }), ['resurrected'])
  t.same(kinds([logout], EMPTY, { others: [{ cookie: 'an id', content: content() }] }), ['resurrected'])
  t.same(kinds([logout, append('v', OK, [15, 25])], EMPTY), [], 'in flight during the logout')
  t.same(kinds([logout, append('v', OK, [21, 25])], EMPTY), ['resurrected'])
  t.same(kinds([request('log out', [], UNCERTAIN), append('v', OK)], content('v')), [], 'uncertain')
  t.same(kinds([request('log out', [], UNCERTAIN), append('v', OK)], content()), ['lost'])
})

t.test('check(): an old id leads nowhere, and no browser reads the session of another', async (t) => {
  const others = [{ cookie: 'an old id', content: content() }]
  t.same(kinds([append('v', OK)], content('v'), { others }), ['oldId'])
  t.same(kinds([append('v', OK)], content('v'), { others: [{ cookie: 'an old id', content: EMPTY }] }), [])
  t.same(kinds([request('read', [], { status: 200, life: 'b' })], content()), ['foreign'])
  t.same(kinds([request('log out', [], UNCERTAIN)], { ...EMPTY, life: 'b' }), ['foreign'])
})

t.test('check(): reports a request that never ends or takes too long', async (t) => {
  t.same(kinds([append('v', 'hang')], content()), ['hung'])
  const life = {
    name: 'a',
    entries: [append('v', { ...OK, took: 501 })],
    end: { browser: content('v'), others: [] }
  }
  t.same(kindsOf(check(life, 500)), ['late'])
  t.same(kindsOf(check(life, 501)), [])
})

t.test('checkAttempts(): a refused sign-in leaves no session in the store', async (t) => {
  const attempt = (name: string, answer: Answer) => ({ name, entry: request('sign in', [], answer) })
  const attempts = [
    attempt('b1.001', UNAVAILABLE),
    attempt('b1.002', UNCERTAIN),
    attempt('b1.003', UNAVAILABLE)
  ]
  const records = ['b1.001', 'b1.002', 'b1.004'].map((name) => Buffer.from(`header {"life":"${name}"}`))
  t.same(
    checkAttempts(attempts, records).map(({ kind, life }) => [kind, life]),
    [['stored', 'b1.001']]
  )
})

t.test('explain(): shows the requests in flight during a violation', async (t) => {
  const entries = [
    append('before', OK, [0, 5]),
    append('lost', OK, [10, 30]),
    append('beside', { ...UNCERTAIN, detached: 'moved', saved: 'done' }, [20, 40]),
    { ...request('append, new id', [{ value: 'after', when: 'last' }], 'ECONNRESET', [50, 60]), newId: 4 }
  ]
  const [violation] = check({ name: 'a', entries, end: { browser: content('before'), others: [] } })
  const text = violation && explain(violation)
  t.match(text, /^acknowledged but not stored, session a: lost is not stored\n/)
  t.match(text, /tab 1 at process 0: append lost \(id of #1\) -> 200\n/)
  t.match(text, /append beside \(id of #1\) -> 503 FST_SESSION_UNCERTAIN detached: moved save\(\): done$/)
  t.notMatch(text, /append before|append after/)
})
