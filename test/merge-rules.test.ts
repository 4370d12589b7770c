// The built-in merge rules, for keys that two requests change at once.
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { Budget, spending } from '../lib/data/equal.js'
import { append, larger, sum, union } from '../lib/data/merge-rules.js'
import fc from './support/properties.js'

t.test('sum: adds what each side added', async (t) => {
  t.equal(sum(10, 12, 15), 17)
  t.equal(sum(undefined, 2, 3), 5, 'a counter that both started')
  t.equal(sum(10, 7, 12), 9, 'a counter that went down')
  t.equal(sum(5, undefined, 7), 2, "deleted by one side: the other's addition stays")
  t.equal(sum(5, 6, undefined), 1, 'and the other way round')
  t.equal(sum(10n, 12n, 15n), 17n)
  t.equal(sum(undefined, 12n, undefined), 12n)
  t.equal(sum(0.5, 1.5, 2), 3)
  t.equal(sum(undefined, 12n, 1), 13n, 'a number and a bigint')
})

t.test('sum: fails rather than store a wrong number', async (t) => {
  const { MAX_SAFE_INTEGER: most } = Number
  t.equal(sum(-most, 0, 0), most, 'exact up to the limit, whatever the intermediate values')
  t.equal(sum(most, most, -1), -1)
  t.equal(sum(2 ** 32 - 1, 2 ** 32, 2 ** 32), 2 ** 32 + 1)
  for (const [base, mine, theirs] of [
    [0, most, 1],
    [Infinity, Infinity, 1],
    [0, Number.NaN, 1],
    [0, 1.5, 1n],
    ['1', '2', '3'],
    [0, true, 1],
    [null, 1, 2],
    [0, new Date(0), 1]
  ]) {
    t.throws(() => sum(base, mine, theirs), String([base, mine, theirs]))
  }
})

t.test('larger: keeps the larger value', async (t) => {
  t.equal(larger(1, 2, 3), 3)
  t.equal(larger(1, 3, 2), 3)
  t.equal(larger(9, 3, 2), 3, 'the larger of the two new values')
  t.equal(larger(1, undefined, 2), 2, 'a value wins over none')
  t.equal(larger(1, 2, undefined), 2)
  t.equal(larger(1, undefined, undefined), undefined)
  t.same(larger(new Date(1), new Date(2), new Date(3)), new Date(3))
  t.equal(larger('2026-01-01', '2026-01-02', '2026-01-03'), '2026-01-03')
  t.equal(larger(1, Number.NaN, 2), 2, 'NaN is never larger')
  t.equal(larger(1, 2, Number.NaN), 2)
  t.same(larger(1, new Date(Number.NaN), new Date(2)), new Date(2))
  t.ok(Number.isNaN(larger(1, Number.NaN, undefined)))
  t.throws(() => larger([1], [2], [3]), /neither a primitive value nor a Date/)
})

t.test('append: keeps what both added, in commit order, and drops what either removed', async (t) => {
  t.same(append(['a'], ['a', 'mine'], ['a', 'theirs']), ['a', 'theirs', 'mine'])
  t.same(append(['a', 'b'], ['b'], ['a', 'b', 'c']), ['b', 'c'])
  t.same(append(['a', 'b'], ['a', 'b', 'c'], ['b']), ['b', 'c'])
  t.same(append(['a'], ['a', 'a'], ['a', 'a']), ['a', 'a', 'a'], 'as often as it was added')
  t.same(append(undefined, ['mine'], ['theirs']), ['theirs', 'mine'])
  t.same(append(['a'], undefined, ['a', 'b']), ['b'], 'deleted by one side: the addition of the other stays')
  t.same(append([{ n: 1 }], [{ n: 1 }, { n: 2 }], [{ n: 1 }, { n: 3 }]), [{ n: 1 }, { n: 3 }, { n: 2 }])
  t.throws(() => append([], 'text', []), /neither a list nor a Set/)
})

t.test('union: keeps what either added, once', async (t) => {
  t.same(union(['a'], ['a', 'b'], ['a', 'b', 'c']), ['a', 'b', 'c'])
  t.same(union(new Set(['a']), new Set(['a', 'b']), new Set(['c'])), new Set(['c', 'b']))
  t.same(union(undefined, new Set(['b']), undefined), new Set(['b']))
  t.same(union(undefined, ['x', 'y'], ['y', 'z']), ['y', 'z', 'x'])
  t.same(union([], [{ n: 1 }], [{ n: 1 }]), [{ n: 1 }])
})

t.test('merge rules: any number of changes in any order count once each', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 1 }), (changes) => {
      // All requests read the same value and commit one after another.
      const total = changes.reduce((stored, change) => sum(50, 50 + change, stored) as number, 50)
      t.equal(
        total,
        changes.reduce((a, b) => a + b, 50)
      )
      const list = changes.reduce<unknown[]>(
        (stored, n) => append(['x'], ['x', n], stored) as unknown[],
        ['x']
      )
      t.same(list, ['x', ...changes])
      t.same(
        new Set(list),
        changes.reduce(
          (s, n) => union(new Set(['x']), new Set(['x', n]), s) as Set<unknown>,
          new Set<unknown>(['x'])
        )
      )
      t.equal(
        changes.reduce((s, n) => larger(-101, n, s) as number, -101),
        Math.max(...changes)
      )
    }),
    { numRuns: 50 }
  )
})

// Reference versions, which compare each item with every other one.
const quadratic = {
  append(base: unknown, mine: unknown, theirs: unknown): unknown[] {
    const listOf = (value: unknown): unknown[] => [...((value ?? []) as Iterable<unknown>)]
    const without = (items: unknown[], others: unknown[]): unknown[] => {
      const left = [...others]
      return items.filter((item) => {
        const at = left.findIndex((other) => isDeepStrictEqual(other, item))
        if (at >= 0) left.splice(at, 1)
        return at < 0
      })
    }
    const [before, own, others] = [listOf(base), listOf(mine), listOf(theirs)]
    return [...without(others, without(before, own)), ...without(own, before)]
  },
  union(base: unknown, mine: unknown, theirs: unknown): unknown {
    const merged = quadratic.append(base, mine, theirs)
    if (mine instanceof Set || theirs instanceof Set) return new Set(merged)
    return merged.filter((item, at) => merged.findIndex((other) => isDeepStrictEqual(other, item)) === at)
  }
}

const run = (): string => 'run'
const { item: items } = fc.letrec<{ item: unknown }>((tie) => ({
  item: fc.oneof(
    { withCrossShrink: true },
    fc.constantFrom<unknown>(
      0,
      -0,
      1,
      '1',
      1n,
      'n1',
      Number.NaN,
      null,
      undefined,
      true,
      run,
      Symbol.for('s')
    ),
    fc
      .constantFrom<() => unknown>(
        () => new Date(0),
        () => new Date(1),
        () => /a/,
        () => new Error('a'),
        () => Buffer.from('a'),
        () => Object.create(null)
      )
      .map((create) => create()),
    fc.array(tie('item'), { maxLength: 9 }),
    fc.dictionary(fc.constantFrom(...'abcdefghij'), tie('item'), { noNullPrototype: true }),
    fc.array(tie('item'), { maxLength: 3 }).map((list) => new Set(list)),
    fc.array(fc.tuple(tie('item'), tie('item')), { maxLength: 3 }).map((list) => new Map(list))
  )
}))
/** Three lists or Sets with many items in common. */
const triples = fc.array(items, { minLength: 1, maxLength: 5 }).chain((pool) => {
  const list = fc.array(fc.constantFrom(...pool), { maxLength: 8 })
  const side = fc.oneof(
    list,
    list.map((values) => new Set(values)),
    fc.constant(undefined)
  )
  return fc.tuple(side, side, side)
})

t.test('append and union: same result as comparing each item with every other one', async (t) => {
  for (const [name, rule] of Object.entries({ append, union })) {
    t.doesNotThrow(
      () =>
        fc.assert(
          fc.property(triples, (sides) => {
            const [is, should] = [rule(...sides), quadratic[name as 'append'](...sides)].map((value) => [
              ...(value as Iterable<unknown>)
            ])
            // The same objects in the same order.
            return is?.length === should?.length && is?.every((item, at) => Object.is(item, should?.[at]))
          }),
          { numRuns: 400 }
        ),
      name
    )
  }
})

/** The steps that the work takes. */
function steps(work: () => unknown): number {
  const budget = new Budget(1e9)
  spending(budget, work)
  return 1e9 - budget.left
}

t.test('append and union: steps grow with the length of lists, not with its square', async (t) => {
  const kinds: Record<string, (n: number) => unknown> = {
    numbers: (n) => n,
    texts: (n) => `text ${n}`,
    objects: (n) => ({ sku: n, name: `article ${n}`, price: n / 100 })
  }
  for (const [name, kind] of Object.entries(kinds)) {
    const listOf = (length: number) => Array.from({ length }, (_, n) => kind(n))
    const work = (length: number) => () => {
      const [base, mine, theirs] = [listOf(length), listOf(length).reverse(), listOf(length)]
      for (const rule of [append, union]) rule(base, [...mine, kind(-1)], [...theirs.slice(5), kind(-2)])
      union(new Set(base), new Set(mine.slice(0, 1_000)), new Set())
    }
    const [short, long] = [steps(work(500)), steps(work(4_000))]
    t.ok(long < short * 10, `${name}: ${short} steps, ${long} for eight times as many`)
  }
})

t.test('append and union: items that need too many comparisons are refused', async (t) => {
  const items = Array.from({ length: 3_000 }, (_, n) => [[[[n]]]])
  t.throws(() => append(items, [...items].reverse(), items.slice(1)), { message: 'too much to compare' })
  const numbers = Array.from({ length: 3_000 }, (_, n) => n)
  const others = new Set(numbers.map((n) => n + 3_000))
  t.throws(() => union([], new Set(numbers), others), { message: 'too many entries' })
})

t.test('sum: fails for integers that are not exact, whichever side has them', (t) => {
  for (const [base, mine, theirs] of [
    [0, 2 ** 53, 1],
    [0, 1, 2 ** 53],
    [2 ** 53, 1, 2]
  ]) {
    t.throws(() => sum(base, mine, theirs), RangeError)
  }
  t.equal(sum(0.5, 1.5, 1), 2)
  t.end()
})
