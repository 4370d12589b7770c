import { setImmediate } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { Budget, BudgetError } from '../lib/data/equal.js'
import { MergeConflict, type MergeRules, merge, mergeLive } from '../lib/data/merge.js'
import { append } from '../lib/data/merge-rules.js'
import type { Dictionary } from '../serializers/serializer.js'
import fc from './support/properties.js'

const sum = (base: unknown, mine: unknown, theirs: unknown): number =>
  Number(mine ?? 0) + Number(theirs ?? 0) - Number(base ?? 0)
const same = (data: Dictionary): Dictionary => structuredClone(data)

t.test('merge(): the side that changed a key wins; if both did, mine wins', async (t) => {
  // base, mine, theirs, merged; absent: undefined
  const table = [
    ['neither changed it', { a: 1 }, { a: 1 }, { a: 1 }, { a: 1 }],
    ['only mine changed', { a: 1 }, { a: 2 }, { a: 1 }, { a: 2 }],
    ['only theirs changed', { a: 1 }, { a: 1 }, { a: 3 }, { a: 3 }],
    ['both changed', { a: 1 }, { a: 2 }, { a: 3 }, { a: 2 }],
    ['both made the same change', { a: 1 }, { a: 2 }, { a: 2 }, { a: 2 }],
    ['only mine added', {}, { a: 2 }, {}, { a: 2 }],
    ['only theirs added', {}, {}, { a: 3 }, { a: 3 }],
    ['both added', {}, { a: 2 }, { a: 3 }, { a: 2 }],
    ['only mine deleted', { a: 1 }, {}, { a: 1 }, {}],
    ['only theirs deleted', { a: 1 }, { a: 1 }, {}, {}],
    ['both deleted', { a: 1 }, {}, {}, {}],
    ['mine deleted, theirs changed', { a: 1 }, {}, { a: 3 }, {}],
    ['mine changed, theirs deleted', { a: 1 }, { a: 2 }, {}, { a: 2 }],
    ['different keys', { a: 1, b: 1 }, { a: 2, b: 1 }, { a: 1, b: 3 }, { a: 2, b: 3 }],
    ['inside a key', { a: { x: 1 } }, { a: { x: 1, y: 2 } }, { a: { x: 1 } }, { a: { x: 1, y: 2 } }]
  ] as const
  for (const [name, base, mine, theirs, merged] of table) t.same(merge(base, mine, theirs, {}), merged, name)
})

t.test('merge(): a rule decides only about keys that both changed', async (t) => {
  const asked: unknown[] = []
  const rule = (...values: unknown[]): unknown => {
    asked.push(values)
    return 'ruled'
  }
  const rules: MergeRules = new Proxy(
    {},
    { get: () => rule, getOwnPropertyDescriptor: () => ({ configurable: true, value: rule }) }
  )
  const base = { mine: 1, theirs: 1, none: 1, both: 1, equal: 1, gone: 1, lost: 1 }
  const mine = { mine: 2, theirs: 1, none: 1, both: 2, equal: 2, lost: 2, new: 2 }
  const theirs = { mine: 1, theirs: 3, none: 1, both: 3, equal: 2, gone: 3, new: 3 }
  t.same(merge(base, mine, theirs, rules), {
    mine: 2,
    theirs: 3,
    none: 1,
    ...{ both: 'ruled', equal: 'ruled', gone: 'ruled', lost: 'ruled', new: 'ruled' }
  })
  t.strictSame(asked, [
    [1, 2, 3],
    [1, 2, 2],
    [1, undefined, 3],
    [1, 2, undefined],
    [undefined, 2, 3]
  ])
})

t.test('merge(): a counter that both increment is incremented twice', async (t) => {
  t.same(merge({ n: 1 }, { n: 2 }, { n: 2 }, { n: sum }), { n: 3 })
  t.same(merge({}, { n: 1 }, { n: 1 }, { n: sum }), { n: 2 })
})

t.test('merge(): a rule that returns undefined deletes the key', async (t) => {
  const merged = merge({ a: 1 }, { a: 2 }, { a: 3 }, { a: () => undefined })
  t.notOk(Object.hasOwn(merged, 'a'))
})

t.test("merge(): 'conflict' names every key that two requests changed differently", async (t) => {
  const rules: MergeRules = { a: 'conflict', b: 'conflict', c: 'conflict', d: 'conflict' }
  const base = { a: 1, b: 1, c: 1, d: 1 }
  try {
    merge(base, { a: 2, b: 2, c: 2, d: 1 }, { a: 3, c: 2, d: 3 }, rules)
    t.fail('it was merged')
  } catch (error) {
    t.ok(error instanceof MergeConflict)
    t.same((error as MergeConflict).keys, ['a', 'b'])
    t.equal((error as MergeConflict).message, 'two requests changed a, b')
  }
  t.same(
    merge(base, { ...base, c: 2 }, { ...base, c: 2 }, rules),
    { ...base, c: 2 },
    'the same change is no conflict'
  )
})

t.test('merge(): the key `__proto__` is an ordinary key', async (t) => {
  const parse = (text: string): Dictionary => JSON.parse(text)
  const [base, mine] = [parse('{}'), parse('{"__proto__":{"polluted":1}}')]
  for (const merged of [
    merge(base, mine, base, {}),
    merge(base, base, mine, {}),
    mergeLive(base, mine, base, {}, (data) => data)
  ]) {
    t.equal(JSON.stringify(merged), '{"__proto__":{"polluted":1}}')
    t.equal(Object.getPrototypeOf(merged), Object.prototype)
  }
  t.equal(JSON.stringify(merge(mine, base, mine, {})), '{}', 'deleted')
  t.equal(({} as Dictionary).polluted, undefined)
  t.same(merge({}, { toString: 1 }, { toString: 2 }, {}), { toString: 1 }, 'no rule is inherited')
})

const data = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', 'd'),
  fc.oneof(fc.nat(3), fc.array(fc.nat(2), { maxLength: 2 })),
  { noNullPrototype: true }
)
const triples = fc.tuple(data, data, data)

t.test(
  'merge(), for any data: a side without changes does not matter, and no argument is modified',
  async (t) => {
    t.doesNotThrow(() =>
      fc.assert(
        fc.property(triples, ([base, mine, theirs]) => {
          const before = structuredClone([base, mine, theirs])
          const isRight =
            isDeepStrictEqual(merge(base, base, theirs, {}), { ...theirs }) &&
            isDeepStrictEqual(merge(base, mine, base, {}), { ...mine }) &&
            isDeepStrictEqual(merge(base, mine, mine, {}), { ...mine })
          merge(base, mine, theirs, {})
          return isRight && isDeepStrictEqual([base, mine, theirs], before)
        })
      )
    )
  }
)

t.test('merge(), for any data: each key comes from one of the two sides', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(triples, ([base, mine, theirs]) => {
        const merged = merge(base, mine, theirs, {})
        return Object.keys({ ...base, ...mine, ...theirs }).every((key) => {
          const side = isDeepStrictEqual(base[key], mine[key]) ? theirs : mine
          return (
            isDeepStrictEqual(merged[key], side[key]) &&
            Object.hasOwn(merged, key) === Object.hasOwn(side, key)
          )
        })
      })
    )
  )
})

t.test('merge(), for any data: commutative rules give the same result in any order', async (t) => {
  const counters = fc.dictionary(fc.constantFrom('a', 'b'), fc.nat(100))
  const rules = { a: sum, b: sum }
  const full = (values: Dictionary): Dictionary => ({ a: 0, b: 0, ...values })
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(counters, counters, counters, counters, (...all) => {
        const [base = {}, one = {}, two = {}, three = {}] = all.map(full)
        const left = merge(base, three, merge(base, two, one, rules), rules)
        const right = merge(base, one, merge(base, three, two, rules), rules)
        return isDeepStrictEqual(left, right)
      })
    )
  )
})

t.test('mergeLive(): objects that the request holds stay in its session', async (t) => {
  const cart = { items: ['a', 'b'] }
  const user = { name: 'Ada' }
  const base = { cart: { items: ['a'] }, user: { name: 'Ada' }, n: 1 }
  const theirs = { cart: { items: ['a'] }, user: { name: 'Eve' }, n: 2 }
  const merged = mergeLive(base, { cart, user, n: 2 }, theirs, { n: sum }, same)
  t.equal(merged.cart, cart, 'the same object, if its value is right')
  t.same(merged, { cart: { items: ['a', 'b'] }, user: { name: 'Eve' }, n: 3 })
  t.not(merged.user, user)
})

t.test('mergeLive(): a rule may modify its arguments without losing data of either side', async (t) => {
  const append = (base: unknown, mine: unknown, theirs: unknown): unknown => {
    const list = mine as number[]
    list.push(...(theirs as number[]).slice((base as number[]).length))
    return list
  }
  const mine = { list: [1, 2], other: [1, 2] }
  const rules = { list: append, other: append }
  t.same(mergeLive({ list: [1], other: [1] }, mine, { list: [1, 3], other: [1] }, rules, same), {
    list: [1, 2, 3],
    other: [1, 2]
  })
  t.same(mine, { list: [1, 2], other: [1, 2] })
})

t.test('mergeLive(): compares values as they are decoded', async (t) => {
  const json = (data: Dictionary): Dictionary => JSON.parse(JSON.stringify(data))
  const at = new Date(0)
  const base = { at: at.toISOString(), n: 1 }
  const merged = mergeLive(base, { at, n: 2 }, { at: at.toISOString(), n: 1 }, { at: 'conflict' }, json)
  t.equal(merged.at, at, 'a Date that JSON stores as a string has not changed')
  const theirs = { at: 'later', n: 1 }
  t.same(mergeLive(base, { at, n: 2 }, theirs, { at: 'conflict' }, json), { at: 'later', n: 2 })
})

function conflictOf(work: () => unknown): MergeConflict {
  try {
    work()
  } catch (error) {
    if (error instanceof MergeConflict) return error
    throw error
  }
  throw new Error('no conflict')
}

t.test('merge(): a rule that throws is a conflict of its key and leaks no value', async (t) => {
  const failing = (): never => {
    throw new Error('canary')
  }
  const error = conflictOf(() =>
    merge({ a: 1, b: 1 }, { a: 2, b: 2 }, { a: 3, b: 3 }, { a: failing, b: 'conflict' })
  )
  t.same(error.keys, ['a', 'b'])
  t.equal(error.message, 'two requests changed a (its rule failed), b')
})

t.test('merge(): an async rule is a conflict, and its rejection does not end the process', async (t) => {
  const unhandled: unknown[] = []
  const listen = (reason: unknown): void => {
    unhandled.push(reason)
  }
  process.on('unhandledRejection', listen)
  t.teardown(() => process.off('unhandledRejection', listen))
  const rules: unknown[] = [
    async () => Promise.reject(new Error('canary')),
    async () => 5,
    // biome-ignore lint/suspicious/noThenProperty: what some libraries return instead of a promise
    () => ({ then: (_: unknown, reject: (reason: unknown) => void) => reject(new Error('canary')) })
  ]
  for (const rule of rules) {
    const { message } = conflictOf(() => merge({ a: 1 }, { a: 2 }, { a: 3 }, { a: rule } as MergeRules))
    t.equal(message, 'two requests changed a (its rule is async)')
  }
  // Twice, since Node reports an unhandled rejection only at the end of a turn.
  await setImmediate()
  await setImmediate()
  t.same(unhandled, [])
})

t.test('merge(): keys in the message can neither forge nor flood a log line', async (t) => {
  const names = ['a\nb', 'x'.repeat(1_000), '\u202eltr', 'žluť "1"', ...'cdefghijkl']
  const data = (value: number): Dictionary => Object.fromEntries(names.map((name) => [name, value]))
  const rules: MergeRules = Object.fromEntries(names.map((name) => [name, 'conflict' as const]))
  const { message, keys } = conflictOf(() => merge(data(1), data(2), data(3), rules))
  t.same(keys, names)
  t.equal(
    message,
    `two requests changed a\\u{a}b, ${'x'.repeat(60)}…, \\u{202e}ltr, žluť \\"1\\", c, d, e, f, g, h and 4 more`
  )
})

t.test('merge(): a value that is too large to compare is a conflict of its key', async (t) => {
  const list = Array.from({ length: 300 }, (_, n) => ({ n }))
  const [base, mine] = [new Set(list), new Set(structuredClone(list).reverse())]
  const { keys, message } = conflictOf(() =>
    merge({ fine: 1, set: base }, { fine: 2, set: mine }, {}, {}, undefined, new Budget(1_000))
  )
  t.same(keys, ['set'])
  t.equal(message, 'key set is too large to merge: store less in it')
  const rule = (): never => {
    throw new BudgetError('a rule of this package, within one of the application')
  }
  t.equal(
    conflictOf(() => merge({ a: 1 }, { a: 2 }, { a: 3 }, { a: rule })).message,
    'key a is too large to merge: store less in it'
  )
})

t.test('merge(): all keys of a merge share one budget', async (t) => {
  const list = Array.from({ length: 100 }, (_, n) => n)
  const data = (last: number) => Object.fromEntries(['a', 'b', 'c', 'd'].map((key) => [key, [...list, last]]))
  const rules: MergeRules = { a: append, b: (...sides) => append(...sides), c: append, d: append }
  const steps = (keys: number): number => {
    const budget = new Budget()
    const { left } = budget
    const some = (all: Dictionary) => Object.fromEntries(Object.entries(all).slice(0, keys))
    merge(some(data(1)), some(data(2)), some(data(3)), rules, undefined, budget)
    return left - budget.left
  }
  t.equal(steps(4), 4 * steps(1))
})

t.test('merge(): an error thrown by the data is rethrown', async (t) => {
  const failing = {
    get value() {
      throw new TypeError('oops')
    }
  }
  t.throws(() => merge({ a: failing }, { a: { value: 1 } }, {}, {}), { message: 'oops' })
})
