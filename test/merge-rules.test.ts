// The rules that come with the package, for keys that two requests change at once.

import t from 'tap'
import { append, larger, sum, union } from '../lib/merge-rules.js'
import fc from './support/properties.js'

t.test('sum adds what each side added', async (t) => {
  t.equal(sum(10, 12, 15), 17)
  t.equal(sum(undefined, 2, 3), 5, 'a counter that both began')
  t.equal(sum(10, 7, 12), 9, 'one that went down')
  t.equal(sum(5, undefined, 7), 2, 'one that one side deleted: what the other added stays')
  t.equal(sum(5, 6, undefined), 1, 'and the other way round')
  t.equal(sum(10n, 12n, 15n), 17n)
  t.equal(sum(undefined, 12n, undefined), 12n)
  t.throws(() => sum('1', 'x', '3'), SyntaxError)
})

t.test('larger keeps the larger one', async (t) => {
  t.equal(larger(1, 2, 3), 3)
  t.equal(larger(1, 3, 2), 3)
  t.equal(larger(9, 3, 2), 3, 'of what there is now')
  t.equal(larger(1, undefined, 2), 2, 'a value before none')
  t.equal(larger(1, 2, undefined), 2)
  t.equal(larger(1, undefined, undefined), undefined)
  t.same(larger(new Date(1), new Date(2), new Date(3)), new Date(3))
  t.equal(larger('2026-01-01', '2026-01-02', '2026-01-03'), '2026-01-03')
})

t.test(
  'append keeps what both added, in the order of the commits, and drops what either removed',
  async (t) => {
    t.same(append(['a'], ['a', 'mine'], ['a', 'theirs']), ['a', 'theirs', 'mine'])
    t.same(append(['a', 'b'], ['b'], ['a', 'b', 'c']), ['b', 'c'])
    t.same(append(['a', 'b'], ['a', 'b', 'c'], ['b']), ['b', 'c'])
    t.same(append(['a'], ['a', 'a'], ['a', 'a']), ['a', 'a', 'a'], 'each as often as it was added')
    t.same(append(undefined, ['mine'], ['theirs']), ['theirs', 'mine'])
    t.same(
      append(['a'], undefined, ['a', 'b']),
      ['b'],
      'a list that one side deleted: what the other added stays'
    )
    t.same(append([{ n: 1 }], [{ n: 1 }, { n: 2 }], [{ n: 1 }, { n: 3 }]), [{ n: 1 }, { n: 3 }, { n: 2 }])
    t.throws(() => append([], 'text', []), /neither a list nor a Set/)
  }
)

t.test('union keeps what either added, once', async (t) => {
  t.same(union(['a'], ['a', 'b'], ['a', 'b', 'c']), ['a', 'b', 'c'])
  t.same(union(new Set(['a']), new Set(['a', 'b']), new Set(['c'])), new Set(['c', 'b']))
  t.same(union(undefined, new Set(['b']), undefined), new Set(['b']))
  t.same(union(undefined, ['x', 'y'], ['y', 'z']), ['y', 'z', 'x'])
  t.same(union([], [{ n: 1 }], [{ n: 1 }]), [{ n: 1 }])
})

t.test('however many changes meet, in whatever order, each counts once', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 1 }), (changes) => {
      // All read the same, and commit one after the other.
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
