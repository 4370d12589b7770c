// Session ids: created, signed, found in cookies, verified, and not derivable from stored data.
import { createHmac } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { sign as signCookie } from '@fastify/cookie'
import t, { type Test } from 'tap'
import { type Secret, SessionIds } from '../lib/cookies/session-id.js'
import fc, { anyCharacter } from './support/properties.js'

const NAME = '__Host-session'
const [first, second] = ['a'.repeat(32), 'b'.repeat(32)]
const idsOf = (...secrets: Secret[]) => new SessionIds(NAME, secrets)
/** An id as version 0.1.0 created it. */
const OLD_ID = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
const signedOld = (text: string, secret = first) =>
  `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
const none = { next: undefined, nextCame: false, seenCame: false }

/** The id with the signature that @fastify/cookie makes for this text. */
const byCookiePlugin = (id: string, text: string) => {
  const signature = signCookie(text, first).slice(text.length + 1)
  return `${id}.${Buffer.from(signature, 'base64').toString('base64url')}`
}

/** What a request with these session cookies contains. */
const receive = (ids: SessionIds, ...values: string[]) =>
  ids.receive(values.map((value) => `${NAME}=${value}`).join('; '))
const first_ = (ids: SessionIds, value: string) => receive(ids, value)?.ids[0]

function collectRefusals(t: Test): unknown[] {
  const refusals: unknown[] = []
  const listener = (message: unknown) => void refusals.push(message)
  subscribe('fastify-ioredis-session', listener)
  t.teardown(() => unsubscribe('fastify-ioredis-session', listener))
  return refusals
}

// OWASP ASVS 5.0: V7.2.2, V7.2.3, V11.5.1
t.test('create(): ids have 32 random bytes, a version, and are unique', (t) => {
  const ids = new Set(Array.from({ length: 1000 }, () => idsOf().create()))
  t.equal(ids.size, 1000)
  for (const id of ids) {
    t.match(id, /^2[\w-]{43}$/)
    t.equal(Buffer.from(id.slice(1), 'base64url').length, 32)
  }
  t.end()
})

t.test('receive(): accepts ids that were issued, with and without a secret', (t) => {
  const id = idsOf().create()
  for (const [issuer, reader] of [
    [idsOf(), idsOf()],
    [idsOf(first), idsOf(first)],
    [idsOf(Buffer.from(first)), idsOf(first)]
  ] as const) {
    const received = { id, handle: reader.handleOf(id), outdated: false, seen: undefined }
    for (const value of [issuer.sign(id), issuer.sign(id), `"${issuer.sign(id)}"`]) {
      t.same(receive(reader, value), { ...none, ids: [received], came: true })
    }
    t.same(reader.receive(`x=1; ${NAME}-next=${issuer.signNext(id)}`), {
      ...none,
      ids: [],
      next: received,
      came: false,
      nextCame: true
    })
  }
  t.end()
})

t.test('receive(): a request without a session cookie contains nothing', (t) => {
  for (const header of [undefined, '', 'a=b', `x${NAME}=1`, NAME, `${NAME}-other=1`]) {
    t.equal(idsOf().receive(header), undefined, String(header))
  }
  t.end()
})

t.test('receive(): an older secret still verifies and marks the cookie as outdated', (t) => {
  const id = idsOf().create()
  const value = idsOf(first).sign(id)
  t.match(first_(idsOf(second, first), value), { id, outdated: true })
  t.equal(idsOf(second, first).isRotating, true)
  t.equal(idsOf(first).isRotating, false)
  t.same(receive(idsOf(second), value), { ...none, ids: [], came: true })
  t.end()
})

t.test('secret: changing the passed secret after startup changes no signature', (t) => {
  const secret = Buffer.from(first)
  const list = [secret]
  const ids = new SessionIds(NAME, list)
  list.length = 0
  secret.fill(0)
  t.ok(first_(idsOf(first), ids.sign(ids.create())))
  t.end()
})

t.test('receive(): signatures made for anything else are refused', (t) => {
  const ids = idsOf(first)
  const id = ids.create()
  const text = `fastify-ioredis-session\nid\n${NAME}\n`
  const others: Record<string, string> = {
    'of another registration': new SessionIds('__Host-admin', [first]).sign(id),
    'of the companion': ids.signNext(id),
    'of a plain HMAC': signedOld(id),
    'of @fastify/cookie': byCookiePlugin(id, id),
    'of @fastify/cookie, around the text that is signed': byCookiePlugin(id, `${text}${id}`),
    'of @fastify/cookie, around what looks like all that is signed': byCookiePlugin(id, `\u00ff${text}${id}`)
  }
  for (const [name, value] of Object.entries(others)) t.same(receive(ids, value)?.ids, [], name)
  t.equal(ids.receive(`${NAME}-next=${ids.sign(id)}`)?.next, undefined, 'refused as a companion too')
  t.end()
})

t.test('handleOf(): an id of one registration finds no session in another, even without a secret', (t) => {
  const id = idsOf().create()
  t.not(new SessionIds('__Host-admin', []).handleOf(id), idsOf().handleOf(id))
  t.end()
})

t.test('cookies of version 0.1.0 stay valid', (t) => {
  const handle = 'DwBzhbb51LfusnSGBa_hqYSgo7-j8BTQnip4TOnlzRo'
  t.equal(idsOf().handleOf(OLD_ID), handle, 'base64url(SHA-256(id))')
  const received = { id: OLD_ID, handle, outdated: false, seen: undefined }
  t.same(first_(idsOf(), OLD_ID), received)
  t.same(first_(idsOf(first), signedOld(OLD_ID)), received)
  t.same(first_(idsOf(second, first), signedOld(OLD_ID)), { ...received, outdated: true })
  t.equal(idsOf(first).sign(OLD_ID), signedOld(OLD_ID), 'signed as before')
  const seen = { counter: 4_294_967_295, nonce: 0 }
  t.same(first_(idsOf(first), signedOld(`${OLD_ID}.1z141z3.0`)), { ...received, seen })
  for (const forged of ['.1z141z2.0.', '.1z141z3.1.', '.1z141z3.', '.0.', '.']) {
    const value = signedOld(`${OLD_ID}.1z141z3.0`).replace('.1z141z3.0.', forged)
    t.equal(first_(idsOf(first), value), undefined, forged)
  }
  t.equal(idsOf().receive(`${NAME}-next=${OLD_ID}`)?.next, undefined, 'version 0.1.0 has no companions')
  t.end()
})

// OWASP ASVS 5.0: V3.3.5. Name and value may have 4,096 bytes.
t.test('cookies: no value has more than 110 bytes', (t) => {
  const signed = idsOf(first)
  const id = signed.create()
  const largest = { counter: 2 ** 32 - 1, nonce: 2 ** 32 - 1 }
  const values = [signed.sign(id), signed.signNext(id), signed.signOffer(id)]
  t.same(
    [...values, signed.signSeen(signed.handleOf(id), largest)].map(({ length }) => length),
    [88, 88, 88, 103]
  )
  t.end()
})

t.test('signSeen(): a commit number counts only for its own session', (t) => {
  const ids = idsOf(second, first)
  const [id, other] = [ids.create(), ids.create()]
  const seen = { counter: 4_294_967_295, nonce: 0 }
  const header = (...values: string[]) =>
    [`${NAME}=${ids.sign(id)}`, ...values.map((value) => `${NAME}-seen=${value}`)].join('; ')
  const last = (...values: string[]) => ids.receive(header(...values))?.ids[0]?.seen
  const value = ids.signSeen(ids.handleOf(id), seen)
  t.same(last(value), seen)
  t.same(last(idsOf(first).signSeen(ids.handleOf(id), seen)), seen, 'an older secret')
  t.equal(last(ids.signSeen(ids.handleOf(other), seen)), undefined)
  const before = ids.signSeen(ids.handleOf(id), { counter: 7, nonce: 9 })
  t.same(last(before, value), seen, 'the latest one counts')
  t.same(last(value, before), seen)
  t.equal(last(value.replace('1z141z3', '1z141z2')), undefined, 'forged')
  t.equal(last('', 'x', idsOf('x'.repeat(32)).signSeen(ids.handleOf(id), seen)), undefined)
  const next = ids.receive(`${NAME}-next=${ids.signNext(id)}; ${NAME}-seen=${value}`)
  t.match(next, { ids: [], came: false, nextCame: true, seenCame: true, next: { id, seen } })
  t.end()
})

t.test('receive(): the valid value counts, beside any invalid ones', (t) => {
  const ids = idsOf(second, first)
  const list = Array.from({ length: 6 }, () => ids.create())
  const [id = '', other = ''] = list
  const value = ids.sign(id)
  for (const values of [
    [value, ''],
    ['', value],
    ['x', value, 'y.z'],
    [value, value],
    [id, value],
    [value, idsOf('x'.repeat(32)).sign(other)]
  ]) {
    t.match(receive(ids, ...values), { ids: [{ id, outdated: false }], came: true }, values.join())
    t.equal(receive(ids, ...values)?.ids.length, 1)
  }
  t.same(
    receive(ids, idsOf(first).sign(id), value)?.ids.map(({ id, outdated }) => ({ id, outdated })),
    [{ id, outdated: true }],
    'two values of one id are one id'
  )
  const both = receive(ids, value, ids.sign(other))
  t.same(
    both?.ids.map(({ id }) => id),
    [id, other],
    'two ids are both returned, in the order of the header'
  )
  t.equal(receive(ids, ...list.map((id) => ids.sign(id)))?.ids.length, 4, 'at most four')
  const ambiguous = `${NAME}-next=${ids.signNext(id)}; ${NAME}-next=${ids.signNext(other)}`
  t.match(ids.receive(ambiguous), { next: undefined, nextCame: true })
  t.end()
})

t.test('receive(): without a secret the well-formed value counts', (t) => {
  const ids = idsOf()
  const id = ids.create()
  t.same(
    receive(ids, 'theirs', id, '')?.ids.map(({ id }) => id),
    [id]
  )
  t.end()
})

t.test('receive(): nothing else is accepted', (t) => {
  const ids = idsOf(first)
  const id = ids.create()
  const signed = ids.sign(id)
  const accepts = (value: string, by = ids) => (receive(by, value)?.ids.length ?? 0) > 0
  const wrong = [
    '',
    '.',
    id,
    `${id}.`,
    `${signed}x`,
    `x${signed}`,
    signed.slice(0, -1),
    signed.replace('.', ','),
    `${id}${signed}`,
    `"${signed}`,
    `""${signed}""`
  ]
  for (const value of wrong) t.notOk(accepts(value), value)
  t.notOk(accepts(signed, idsOf()), 'a signature although there is no secret')
  t.notOk(accepts('A'.repeat(42), idsOf()))
  t.notOk(accepts(`${'A'.repeat(42)}B`, idsOf()), 'bits that base64url does not use')
  t.notOk(accepts(`1${OLD_ID}`, idsOf()), 'an unknown derivation')
  t.notOk(accepts('x'.repeat(1_000_000)))
  fc.assert(fc.property(fc.string({ unit: anyCharacter }), (value) => !accepts(value)))
  fc.assert(
    fc.property(fc.nat(signed.length - 1), fc.constantFrom(...'Aa0_-.'), (at, character) => {
      const tampered = signed.slice(0, at) + character + signed.slice(at + 1)
      return tampered === signed || !accepts(tampered)
    })
  )
  t.end()
})

t.test('receive(): a refused cookie is an event with its reason, without its value', (t) => {
  const refusals = collectRefusals(t)
  const ids = idsOf(first)
  const id = ids.create()
  receive(ids, ids.sign(id))
  t.same(refusals, [])
  receive(ids, id)
  receive(ids, signedOld(OLD_ID, second))
  receive(ids, 'nonsense')
  t.same(refusals, [
    { type: 'refused', reason: 'signature' },
    { type: 'refused', reason: 'signature' },
    { type: 'refused', reason: 'malformed' }
  ])
  t.end()
})

t.test('isFirstAlarm(): a replayed cookie is reported once', (t) => {
  const ids = idsOf(first)
  t.equal(ids.isFirstAlarm('handle', { counter: 1, nonce: 2 }), true)
  t.equal(ids.isFirstAlarm('handle', { counter: 1, nonce: 2 }), false)
  t.equal(ids.isFirstAlarm('handle', { counter: 2, nonce: 2 }), true)
  t.equal(ids.isFirstAlarm('other', { counter: 1, nonce: 2 }), true)
  t.end()
})

t.test(
  'derive(): the id of a session from elsewhere follows from the oldest secret, and is recognised',
  (t) => {
    const [older, newer] = ['an older secret of sufficient length!', 'a newer secret of sufficient length!']
    const ids = new SessionIds('session', [newer, older])
    const id = ids.derive('elsewhere 1')
    t.equal(
      new SessionIds('session', [older]).derive('elsewhere 1'),
      id,
      'processes that rotate secrets agree'
    )
    for (const other of [
      ids.derive('elsewhere 2'),
      new SessionIds('session', [newer]).derive('elsewhere 1'),
      new SessionIds('admin', [newer, older]).derive('elsewhere 1')
    ]) {
      t.not(other, id)
    }
    t.equal(ids.receive(`session=${ids.sign(id)}`)?.ids[0]?.id, id, 'an id like any other')
    t.ok(ids.isDerived(id))
    for (const other of [ids.create(), `${id.slice(0, -1)}${id.endsWith('A') ? 'E' : 'A'}`, 'x'.repeat(43)]) {
      t.notOk(ids.isDerived(other))
    }
    t.end()
  }
)
