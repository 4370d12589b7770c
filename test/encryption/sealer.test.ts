// Sealed records: they come back as they were, and only with the right key, unchanged and at their place.
import t from 'tap'
import { KeyList } from '../../lib/encryption/keys.js'
import { Sealer, type SealerOptions } from '../../lib/encryption/sealer.js'
import {
  isTombstone,
  openRecord,
  revisionOf,
  SEALED,
  type SessionRecord,
  TOUCH
} from '../../lib/records/record.js'
import fc from '../support/properties.js'
import { anyRecord, key, refusalOf } from './stage.js'

const PLACE = 'session:place'
const BITS = 8

function sealerOf(keys: readonly Buffer[], options: Partial<SealerOptions> = {}): Sealer {
  return new Sealer(new KeyList(keys), { required: false, seal: true, ...options })
}

const sealer = sealerOf([key(1)])
const strict = sealerOf([key(1)], { required: true })

t.test('any record comes back byte for byte, and its header stays readable', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyRecord, fc.string(), async ({ bytes, payload }, place) => {
      const sealed = Buffer.from(await strict.seal(place, bytes))
      const header = Buffer.from(sealed.subarray(0, 32))
      header[SEALED.offset] = header.readUInt8(SEALED.offset) & ~SEALED.bit
      t.ok(header.equals(bytes.subarray(0, 32)))
      t.ok(revisionOf(sealed).equals(revisionOf(bytes)))
      t.equal(isTombstone(sealed), isTombstone(bytes))
      if (payload.length > 4) t.equal(sealed.indexOf(payload), -1)
      t.ok(bytes.equals(await strict.open(place, sealed)))
    })
  )
})

t.test('any flipped bit is refused, except of what a touch patches', async (t) => {
  const flips = fc.nat({ max: 1_000 * BITS })
  await fc.assert(
    fc.asyncProperty(anyRecord, flips, async ({ bytes }, flip) => {
      const sealed = Buffer.from(await strict.seal(PLACE, bytes))
      const at = Math.floor(flip / BITS) % sealed.length
      sealed[at] = sealed.readUInt8(at) ^ (1 << (flip % BITS))
      const isPatched = at >= TOUCH.offset && at < TOUCH.offset + TOUCH.length
      t.equal(refusalOf(await strict.open(PLACE, sealed)) === undefined, isPatched)
    }),
    { numRuns: 1_000 }
  )
})

t.test('every bit of one record', async (t) => {
  const [record] = fc.sample(anyRecord, 1)
  const sealed = Buffer.from(await strict.seal(PLACE, (record as SessionRecord).bytes))
  for (let bit = 0; bit < sealed.length * BITS; bit++) {
    const changed = Buffer.from(sealed)
    const at = Math.floor(bit / BITS)
    changed[at] = changed.readUInt8(at) ^ (1 << (bit % BITS))
    if (at < TOUCH.offset || at >= TOUCH.offset + TOUCH.length)
      t.ok(refusalOf(await strict.open(PLACE, changed)), `bit ${bit}`)
  }
})

t.test('what a touch has patched opens, with its patch', async (t) => {
  const patches = fc.uint8Array({ minLength: TOUCH.length, maxLength: TOUCH.length })
  await fc.assert(
    fc.asyncProperty(anyRecord, patches, async ({ bytes }, patch) => {
      const [sealed, expected] = [Buffer.from(await strict.seal(PLACE, bytes)), Buffer.from(bytes)]
      for (const each of [sealed, expected]) each.set(patch, TOUCH.offset)
      t.ok(expected.equals(await strict.open(PLACE, sealed)))
    })
  )
})

t.test(
  'at any other place, a record is refused: another handle, another prefix, any other character',
  async (t) => {
    const handles = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((hash) => Buffer.from(hash).toString('base64url'))
    await fc.assert(
      fc.asyncProperty(anyRecord, handles, handles, fc.nat(), async ({ bytes }, handle, other, at) => {
        fc.pre(handle !== other)
        const place = `session:${handle}`
        const sealed = await strict.seal(place, bytes)
        const index = at % place.length
        const changed = `${place.slice(0, index)}~${place.slice(index + 1)}`
        for (const elsewhere of [`session:${other}`, `staff:${handle}`, handle, changed]) {
          const refusal = refusalOf(await strict.open(elsewhere, sealed))
          t.match(refusal, /^it was changed or copied from another place/)
        }
      })
    )
  }
)

t.test('truncated and extended records are refused', async (t) => {
  await fc.assert(
    fc.asyncProperty(anyRecord, fc.nat(), fc.uint8Array({ minLength: 1 }), async ({ bytes }, cut, more) => {
      const sealed = Buffer.from(await strict.seal(PLACE, bytes))
      t.type(refusalOf(await strict.open(PLACE, sealed.subarray(0, cut % sealed.length))), 'string')
      t.type(refusalOf(await strict.open(PLACE, Buffer.concat([sealed, more]))), 'string')
    })
  )
})

t.test('keys: the newest seals, all of them open, others do not', async (t) => {
  const rotated = sealerOf([key(2), key(1)])
  await fc.assert(
    fc.asyncProperty(anyRecord, async ({ bytes }) => {
      const [older, newer] = [await sealer.seal(PLACE, bytes), await rotated.seal(PLACE, bytes)]
      t.ok(bytes.equals(await rotated.open(PLACE, older)))
      t.ok(bytes.equals(await rotated.open(PLACE, newer)))
      t.match(
        refusalOf(await sealer.open(PLACE, newer)),
        /^it is sealed by a key that is not in encryption\.keys/
      )
    }),
    { numRuns: 20 }
  )
})

t.test('no nonce comes twice, and a record that is sent again stays the same', async (t) => {
  const [record] = fc.sample(anyRecord, 1) as [SessionRecord]
  const nonces = new Set<string>()
  for (let n = 0; n < 2_000; n++) {
    const sealed = Buffer.from(await sealer.seal(PLACE, Buffer.from(record.bytes)))
    nonces.add(sealed.toString('hex', 40, 52))
  }
  t.equal(nonces.size, 2_000)
  const first = await sealer.seal(PLACE, record.bytes)
  t.equal(await sealer.seal(PLACE, record.bytes), first)
  t.not(await sealer.seal('session:other', record.bytes), first, 'at another place it is another one')
})

t.test('records that are not sealed: read, unless they are refused', async (t) => {
  const off = sealerOf([key(1)], { seal: false })
  await fc.assert(
    fc.asyncProperty(anyRecord, async ({ bytes }) => {
      t.equal(await off.seal(PLACE, bytes), bytes)
      t.ok(bytes.equals(await off.open(PLACE, await sealer.seal(PLACE, bytes))))
      t.ok(bytes.equals(await sealer.open(PLACE, bytes)))
      t.match(
        refusalOf(await strict.open(PLACE, bytes)),
        /^it is not sealed, and encryption\.required is set/
      )
      t.ok(openRecord(bytes), 'its bytes stay as they are')
    }),
    { numRuns: 20 }
  )
  for (const foreign of ['', '{"json":true}', '\xf5']) {
    const bytes = Buffer.from(foreign, 'latin1')
    t.ok(bytes.equals(await sealer.open(PLACE, bytes)))
    t.not(refusalOf(await strict.open(PLACE, bytes)), undefined)
  }
  t.equal(refusalOf(await strict.open(PLACE, Buffer.from('{}'))), 'it is not a record of this package')
})

t.test('without the option, a sealed record says what is missing', async (t) => {
  const [record] = fc.sample(anyRecord, 1) as [SessionRecord]
  t.match(refusalOf(await sealer.seal(PLACE, record.bytes)), /the option encryption is not set/)
})
