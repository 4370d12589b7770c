// The session id: made, signed, verified, and never readable from what is derived of it.

import t from 'tap'
import { handleOf, newSessionId, signId, verifyId } from '../lib/session-id.js'
import fc from './support/properties.js'

const [first, second] = ['a'.repeat(32), 'b'.repeat(32)]

t.test('an id has 32 random bytes, and no two are the same', (t) => {
  const ids = new Set(Array.from({ length: 1000 }, newSessionId))
  t.equal(ids.size, 1000)
  for (const id of ids) t.equal(Buffer.from(id, 'base64url').length, 32)
  t.end()
})

t.test('what is issued is accepted, with and without a secret', (t) => {
  const id = newSessionId()
  t.same(verifyId(signId(id, []), []), { id, outdated: false, seen: undefined })
  t.same(verifyId(signId(id, [first]), [first]), { id, outdated: false, seen: undefined })
  t.same(
    verifyId(signId(id, [Buffer.from(first)]), [first]),
    { id, outdated: false, seen: undefined },
    'a Buffer is the same secret'
  )
  t.end()
})

t.test('an older secret still verifies, and says that the cookie is to be renewed', (t) => {
  const id = newSessionId()
  t.same(verifyId(signId(id, [first]), [second, first]), { id, outdated: true, seen: undefined })
  t.equal(verifyId(signId(id, [first]), [second]), undefined)
  t.end()
})

t.test('a commit is remembered under the signature, or not at all', (t) => {
  const id = newSessionId()
  const seen = { counter: 4_294_967_295, nonce: 0 }
  const value = signId(id, [first], seen)
  t.same(verifyId(value, [first]), { id, outdated: false, seen })
  const other = { counter: 1, nonce: 4_294_967_295 }
  t.same(verifyId(signId(id, [first], other), [second, first]), { id, outdated: true, seen: other })
  for (const forged of ['.1z141z2.0.', '.1z141z3.1.', '.1z141z3.', '.0.', '.']) {
    t.equal(verifyId(value.replace('.1z141z3.0.', forged), [first]), undefined, forged)
  }
  t.equal(signId(id, [], seen), id)
  t.end()
})

t.test('nothing else is accepted', (t) => {
  const id = newSessionId()
  const signed = signId(id, [first])
  const wrong = [
    '',
    '.',
    id,
    `${id}.`,
    `${signed}x`,
    ` ${signed}`,
    signed.slice(0, -1),
    signed.replace('.', ';'),
    `${id}${signed}`
  ]
  for (const value of wrong) t.equal(verifyId(value, [first]), undefined, value)
  t.equal(verifyId(signed, []), undefined, 'a signature where none is expected')
  t.equal(verifyId('A'.repeat(42), []), undefined)
  t.equal(verifyId('A'.repeat(42).concat('B'), []), undefined, 'bits that base64url does not use')
  t.equal(verifyId('x'.repeat(1_000_000), [first]), undefined)
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (value) => verifyId(value, [first]) === undefined))
  fc.assert(
    fc.property(fc.nat(signed.length - 1), fc.constantFrom(...'Aa0_-.'), (at, character) => {
      const tampered = signed.slice(0, at) + character + signed.slice(at + 1)
      return tampered === signed || verifyId(tampered, [first]) === undefined
    })
  )
  t.end()
})

t.test('a handle is the same for the same id, and holds nothing of it', (t) => {
  const id = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
  t.equal(handleOf(id), 'DwBzhbb51LfusnSGBa_hqYSgo7-j8BTQnip4TOnlzRo', 'base64url(SHA-256(id))')
  t.not(handleOf(newSessionId()), handleOf(newSessionId()))
  t.end()
})
