import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { includes } from '../lib/records/lineage.js'
import {
  followed,
  type Header,
  isShorter,
  isTombstone,
  MAX_EARLIER,
  NotARecordError,
  newNonce,
  openRecord,
  REVISION,
  recordBytes,
  revisionOf,
  TOUCH,
  touchOf,
  UnsealedRecord
} from '../lib/records/record.js'
import fc, { type Arbitrary } from './support/properties.js'

const header: Header = {
  tag: 3,
  permanent: true,
  lifetime: undefined,
  moved: false,
  schemaVersion: 0x01020304,
  createdAt: 0x0198_1122_3344,
  counter: 0x0a0b0c0d,
  nonce: 0xdeadbeef,
  earlier: [],
  touchedAt: 0x0198_5566_7788,
  idleTimeout: 86_400
}
// magic, layout, tag, flags | schema | createdAt | counter | nonce | touchedAt | idleTimeout | payload
const HEX = 'f5010301 01020304 019811223344 0a0b0c0d deadbeef 019855667788 00015180 68656c6c6f'.replaceAll(
  ' ',
  ''
)

const headers: Arbitrary<Header> = fc
  .record(
    {
      tag: fc.integer({ min: 0, max: 255 }),
      permanent: fc.boolean(),
      moved: fc.boolean(),
      schemaVersion: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      createdAt: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      counter: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      nonce: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      earlier: fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { maxLength: MAX_EARLIER }),
      touchedAt: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      idleTimeout: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      isOwn: fc.boolean(),
      binding: fc.option(fc.uint8Array({ maxLength: 400 }), { nil: undefined })
    },
    { noNullPrototype: true }
  )
  .map(({ binding, isOwn, ...header }) => ({
    ...header,
    lifetime: isOwn ? header.idleTimeout : undefined,
    ...(binding && { binding: Buffer.from(binding) })
  }))

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const sealed = (header: Header, payload: Uint8Array | string): Buffer =>
  new UnsealedRecord(payload).seal(header).bytes

t.test('seal(): the layout equals that of older versions, byte by byte', async (t) => {
  const record = sealed(header, Buffer.from('hello'))
  t.equal(hex(record), HEX)
  t.equal(recordBytes(5), record.length)
  const old = Buffer.from(HEX, 'hex')
  const { header: back, payload, revision, bytes } = openRecord(old)
  t.same(back, header)
  t.equal(payload.toString(), 'hello')
  t.equal(hex(revision), '0a0b0c0ddeadbeef01985566778800015180')
  t.equal(hex(bytes), hex(old))
})

t.test('seal(): earlier commits are listed after the payload', async (t) => {
  const earlier = [1, 0xffffffff]
  const record = sealed({ ...header, earlier }, 'hello')
  t.equal(hex(record), `f5020321${HEX.slice(8)}00000001ffffffff`)
  t.same(openRecord(record).header.earlier, earlier)
  t.equal(openRecord(record).payload.toString(), 'hello')
  t.throws(() => openRecord(record.subarray(0, 39)), { message: 'its end is truncated' })
})

t.test('seal(): a binding stands between the payload and the earlier commits', async (t) => {
  const binding = Buffer.from('key')
  const record = sealed({ ...header, binding, earlier: [1, 0xffffffff] }, 'hello')
  t.equal(hex(record), `f5030321${HEX.slice(8)}${hex(binding)}000300000001ffffffff`)
  const { header: back, payload } = openRecord(record)
  t.same(back, { ...header, binding, earlier: [1, 0xffffffff] })
  t.equal(payload.toString(), 'hello')
  t.equal(hex(sealed({ ...header, binding }, '')), `f5030301${HEX.slice(8, 64)}${hex(binding)}0003`)
  const truncated = { message: 'its end is truncated' }
  t.throws(() => openRecord(Buffer.concat([record.subarray(0, 33), Buffer.alloc(7)])), truncated)
  t.throws(
    () => openRecord(Buffer.from(`f5030301${HEX.slice(8, 64)}0001`, 'hex')),
    truncated,
    'too long a binding'
  )
})

t.test('seal(): a lifetime that the session asked for is a flag beside its idle timeout', async (t) => {
  const record = sealed({ ...header, lifetime: 86_400 }, 'hello')
  t.equal(hex(record), `f5010305${HEX.slice(8)}`)
  t.equal(openRecord(record).header.lifetime, 86_400)
})

t.test('isShorter(): compares the idle timeouts alone', async (t) => {
  const revision = revisionOf(sealed(header, 'hello'))
  const of = (change: Partial<Header>) => isShorter(sealed({ ...header, ...change }, ''), revision)
  t.ok(of({ idleTimeout: 86_399, touchedAt: header.touchedAt + 1 }))
  t.notOk(of({ idleTimeout: 86_400, touchedAt: header.touchedAt - 1 }))
  t.notOk(of({ idleTimeout: 2 ** 31 }), 'not compared as signed numbers')
})

t.test('REVISION and TOUCH: what stores compare and patch has its documented offset', async (t) => {
  t.same(REVISION, { offset: 14, length: 18 })
  t.same(TOUCH, { offset: 22, length: 10 })
  const stored = sealed(header, Buffer.from('hello'))
  const touched = sealed(
    { ...header, touchedAt: header.touchedAt + 1_000, idleTimeout: 60 },
    Buffer.from('hello')
  )
  stored.set(touchOf(touched), TOUCH.offset)
  t.equal(hex(stored), hex(touched), 'a touch patches exactly the bytes that it changes')
})

t.test('openRecord(): every header and payload survives a round trip', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(headers, fc.uint8Array(), (header, payload) => {
        const opened = openRecord(sealed(header, payload))
        return (
          isDeepStrictEqual(opened.header, header) &&
          Buffer.from(payload).equals(opened.payload) &&
          isTombstone(opened.bytes) === header.moved
        )
      })
    )
  )
})

t.test('UnsealedRecord: a string is stored in UTF-8, even with lone surrogates', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', '\ud800', '\0') }), (text) => {
        const { length, payload } = new UnsealedRecord(text)
        return payload.equals(Buffer.from(text)) && length === recordBytes(payload.length)
      })
    )
  )
})

t.test('openRecord(): reads a record from the middle of a buffer', async (t) => {
  const record = sealed(header, Buffer.from('hello'))
  const network = new Uint8Array(Buffer.concat([Buffer.alloc(7, 1), record, Buffer.alloc(7, 2)]))
  const opened = openRecord(network.subarray(7, 7 + record.length))
  t.same(opened.header, header)
  t.equal(opened.payload.toString(), 'hello')
  t.equal(hex(revisionOf(network.subarray(7))), hex(opened.revision))
})

t.test('newNonce(): nonces differ and fit into the header', async (t) => {
  const nonces = Array.from({ length: 200 }, newNonce)
  t.equal(new Set(nonces).size, 200)
  for (const nonce of nonces) {
    t.equal(openRecord(sealed({ ...header, nonce }, Buffer.alloc(0))).header.nonce, nonce)
  }
})

const FOREIGN = {
  'a JSON object': '7b',
  'a JSON list': '5b',
  'a JSON text': '22',
  'a msgpack map': '81a161',
  'a large msgpack map': 'de0001',
  'a huge msgpack map': 'df00000001',
  'a msgpackr record': 'd47240',
  'a CBOR map': 'a1',
  'an indefinite CBOR map': 'bf',
  pickle: '8004',
  'an old pickle': '286470',
  gzip: '1f8b',
  zlib: '789c',
  zstd: '28b52ffd',
  v8: 'ff0f',
  Java: 'aced0005',
  zeros: '00'
}

t.test('openRecord(): data of other systems is refused', async (t) => {
  for (const [name, start] of Object.entries(FOREIGN)) {
    const bytes = Buffer.concat([Buffer.from(start, 'hex'), Buffer.alloc(64, 1)])
    t.throws(() => openRecord(bytes), { message: 'it is not a record of this package' }, name)
    t.notOk(isTombstone(bytes))
  }
})

t.test('openRecord(): unknown layouts, unknown flags and truncated headers are refused', async (t) => {
  const record = sealed(header, Buffer.alloc(0))
  for (let length = 0; length < record.length; length++) {
    try {
      openRecord(record.subarray(0, length))
      t.fail(`${length} bytes were taken for a record`)
    } catch (error) {
      t.ok(error instanceof NotARecordError)
    }
  }
  t.equal(openRecord(record).payload.length, 0)
  const patched = (offset: number, value: number): Buffer => {
    const copy = Buffer.from(record)
    copy[offset] = value
    return copy
  }
  t.throws(() => openRecord(patched(1, 4)), {
    message: 'its layout version 4 is unknown (perhaps written by a later version'
  })
  for (const flag of [16, 32, 64, 128]) {
    t.throws(() => openRecord(patched(3, 1 | flag)), {
      message: `its flags ${1 | flag} are unknown (perhaps written by a later version`
    })
  }
  t.throws(() => openRecord(patched(3, 1 | 8)), {
    message: 'it is sealed, and the option encryption is not set'
  })
  const many = Buffer.concat([record, Buffer.alloc(60)])
  many[1] = 2
  many[3] = 9 << 4
  t.throws(
    () => openRecord(many),
    { message: 'its flags 144 are unknown (perhaps written by a later version' },
    'more commits than a record can list'
  )
})

t.test('isTombstone(): a tombstone has a flag', async (t) => {
  t.ok(isTombstone(sealed({ ...header, moved: true }, Buffer.alloc(0))))
  t.notOk(isTombstone(sealed(header, Buffer.from('hello'))))
  t.notOk(isTombstone(Buffer.alloc(0)))
  t.notOk(isTombstone(Buffer.of(0xf5)))
})

t.test('followed(): a commit remembers the commits before it', async (t) => {
  let current: Header = { ...header, counter: 1 }
  const all = [current]
  for (let count = 0; count < 12; count++) {
    current = followed(current)
    all.push(current)
  }
  for (const [index, { counter, nonce }] of all.entries()) {
    t.equal(counter, index + 1)
    const isRemembered = index >= all.length - 1 - MAX_EARLIER
    t.equal(includes(current, { counter, nonce }), isRemembered || undefined)
    t.equal(
      includes(current, { counter, nonce: nonce + 1 }),
      isRemembered ? false : undefined,
      'another history'
    )
  }
  t.equal(includes(current, { counter: 99, nonce: current.nonce }), false, 'a future commit')
})

t.test('followed(): the counter wraps around, and earlier commits are still known', async (t) => {
  const last = { ...header, counter: 2 ** 32 - 1, earlier: [1, 2] }
  const next = followed(last)
  t.match(openRecord(sealed(next, '')).header, { counter: 0, earlier: [last.nonce, 1, 2] })
  t.equal(includes(next, last), true)
  t.equal(includes(last, next), false)
})
