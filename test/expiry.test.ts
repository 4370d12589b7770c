import t from 'tap'
import {
  expiresAt,
  isExtendable,
  isTooOld,
  isTouchDue,
  type Lifetimes,
  newHeader,
  remaining,
  touched
} from '../lib/records/expiry.js'
import fc from './support/properties.js'

const NOW = 1_800_000_000_000
const DAY = 86_400
const lifetimes: Lifetimes = {
  idleTimeout: DAY,
  permanentLifetime: 31 * DAY,
  absoluteTimeout: undefined,
  touchAfter: 60,
  rolling: true
}
const after = (seconds: number): number => NOW + seconds * 1000
const lasting = (permanent: boolean, lifetime?: number) => ({ permanent, lifetime })

t.test('expiresAt(): a session ends at the earlier of its two deadlines', async (t) => {
  // permanent, absoluteTimeout, seconds until the last touch, seconds until the end
  const table = [
    [false, undefined, 0, DAY],
    [false, undefined, 100, DAY + 100],
    [true, undefined, 0, 31 * DAY],
    [true, undefined, DAY, 32 * DAY],
    [false, 10 * DAY, 0, DAY],
    [false, 10 * DAY, 9 * DAY, 10 * DAY],
    [false, 10 * DAY, 9 * DAY + 1, 10 * DAY],
    [false, 10 * DAY, 8 * DAY, 9 * DAY],
    [true, 10 * DAY, 0, 10 * DAY],
    [true, 31 * DAY, 0, 31 * DAY],
    [true, 31 * DAY, 1, 31 * DAY]
  ] as const
  for (const [permanent, absoluteTimeout, used, end] of table) {
    const rules = { ...lifetimes, absoluteTimeout }
    const header = touched(newHeader(lasting(permanent), rules, NOW), lasting(permanent), rules, after(used))
    const name = JSON.stringify({ permanent, absoluteTimeout, used })
    t.equal(expiresAt(header, rules), after(end), name)
    t.equal(remaining(header, rules, after(used)), (end - used) * 1000, `${name}: remaining time`)
  }
})

t.test('isTouchDue(): a session is extended once touchAfter has passed', async (t) => {
  const due = (permanent: boolean, rules: Lifetimes, now: number): boolean =>
    isTouchDue(newHeader(lasting(permanent), rules, NOW), rules, now)
  t.notOk(due(false, lifetimes, after(60) - 1))
  t.ok(due(false, lifetimes, after(60)))
  t.ok(due(false, { ...lifetimes, touchAfter: 0 }, NOW))
  t.notOk(due(false, lifetimes, after(-59)), 'another clock is a little ahead')
  t.ok(due(false, lifetimes, after(-3_600)), 'another clock is far ahead')
})

t.test('isExtendable(): a permanent session is extended only if it rolls', async (t) => {
  const fixed = { ...lifetimes, rolling: false }
  for (const [permanent, rules, extendable] of [
    [false, lifetimes, true],
    [true, lifetimes, true],
    [false, fixed, true],
    [true, fixed, false]
  ] as const) {
    t.equal(isExtendable(lasting(permanent), rules), extendable)
    t.equal(isTouchDue(newHeader(lasting(permanent), rules, NOW), rules, after(DAY)), extendable)
  }
})

t.test('newHeader(): the header of a new session', async (t) => {
  const header = newHeader(lasting(false), lifetimes, NOW)
  t.match(header, {
    createdAt: NOW,
    touchedAt: NOW,
    idleTimeout: DAY,
    counter: 1,
    permanent: false,
    moved: false
  })
  t.match(newHeader(lasting(true), lifetimes, NOW), { idleTimeout: 31 * DAY, permanent: true })
})

t.test('touched(): a touch changes only the expiry of a session', async (t) => {
  const header = { ...newHeader(lasting(false), lifetimes, NOW), tag: 3, schemaVersion: 7, counter: 9 }
  t.same(touched(header, lasting(false), lifetimes, after(5)), { ...header, touchedAt: after(5) })
  t.same(touched(header, lasting(true), lifetimes, NOW), {
    ...header,
    permanent: true,
    idleTimeout: 31 * DAY
  })
})

t.test('isTooOld(): a session ends at its absoluteTimeout, however it is used', async (t) => {
  const rules = { ...lifetimes, absoluteTimeout: 2 * DAY }
  const header = touched(newHeader(lasting(false), rules, NOW), lasting(false), rules, after(2 * DAY - 1))
  t.notOk(isTooOld(header, rules, after(2 * DAY) - 1))
  t.ok(isTooOld(header, rules, after(2 * DAY)))
  t.notOk(isTooOld(header, lifetimes, after(400 * DAY)), 'no absoluteTimeout')
})

const seconds = fc.integer({ min: 1, max: 400 * DAY })
const anyLifetimes = fc.record({
  idleTimeout: seconds,
  permanentLifetime: seconds,
  absoluteTimeout: fc.option(seconds, { nil: undefined }),
  touchAfter: fc.nat(DAY),
  rolling: fc.boolean()
})

t.test(
  'remaining(): a touched session keeps its whole idle timeout, for any options and clocks',
  async (t) => {
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(
          anyLifetimes,
          fc.boolean(),
          fc.integer({ min: -DAY, max: DAY }),
          (rules, permanent, skew) => {
            const begun = newHeader(lasting(permanent), rules, NOW)
            const header = touched(begun, lasting(permanent), rules, after(skew))
            const idle = (permanent ? rules.permanentLifetime : rules.idleTimeout) * 1000
            const age = Math.max(0, skew) * 1000
            const old = (rules.absoluteTimeout ?? Number.POSITIVE_INFINITY) * 1000 - age
            return remaining(header, rules, after(skew)) === Math.min(idle, old)
          }
        )
      )
    )
  }
)

t.test(
  'remaining(): another clock ends no session at once and extends none beyond its idle timeout',
  async (t) => {
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(
          anyLifetimes,
          fc.boolean(),
          fc.integer({ min: -DAY, max: DAY }),
          (rules, permanent, skew) => {
            const { absoluteTimeout: _, ...rest } = rules
            const idleOnly = { ...rest, absoluteTimeout: undefined }
            const header = newHeader(lasting(permanent), idleOnly, NOW)
            const left = remaining(header, idleOnly, after(skew))
            return left > 0 && left <= header.idleTimeout * 1000
          }
        )
      )
    )
  }
)
