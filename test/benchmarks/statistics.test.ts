// Medians, intervals and slopes of the benchmarks, tested with known answers.
import t from 'tap'
import { median, quantile, ratioOf, scatter, slope } from '../../benchmarks/statistics.js'
import { generator, shuffled } from '../support/random.js'

t.test('quantile(): interpolates between neighbours', async (t) => {
  const cases: [values: number[], share: number, expected: number][] = [
    [[7], 0.5, 7],
    [[3, 1, 2], 0, 1],
    [[3, 1, 2], 0.5, 2],
    [[3, 1, 2], 1, 3],
    [[1, 2], 0.5, 1.5],
    [[10, 20, 30, 40, 50], 0.25, 20],
    [[10, 20], 0.99, 19.9],
    // Sorted by value, not as strings.
    [[9, 10, 100], 0.5, 10]
  ]
  for (const [values, share, expected] of cases) {
    t.ok(Math.abs(quantile(values, share) - expected) < 1e-9, `${share} of ${values} is ${expected}`)
  }
})

t.test('median(): no values are an error', async (t) => {
  t.throws(() => median([]), RangeError)
})

t.test('median(): does not reorder its argument', async (t) => {
  const values = [3, 1, 2]
  median(values)
  t.same(values, [3, 1, 2])
})

t.test('ratioOf(): one outlier changes neither the ratio nor its interval', async (t) => {
  const calm = Array.from({ length: 21 }, (_, index) => 0.9 + index / 1000)
  const { ratio, low, high } = ratioOf([...calm.slice(1), 40])
  t.ok(Math.abs(ratio - 0.911) < 1e-9)
  t.ok(low >= 0.9 && low < ratio)
  t.ok(high > ratio && high < 0.93)
})

t.test('ratioOf(): the same ratios give the same interval', async (t) => {
  t.same(ratioOf([1, 2, 3, 4, 5]), ratioOf([1, 2, 3, 4, 5]))
})

t.test('ratioOf(): if processes differ more than rounds, the interval spans the processes', async (t) => {
  const ratios = [0.9, 1, 1.1].flatMap((ratio) => Array.from({ length: 20 }, () => ratio))
  t.same(ratioOf(ratios, 3), { ratio: 1, low: 0.9, high: 1.1 })
  t.same(ratioOf(ratios), { ratio: 1, low: 1, high: 1 }, 'as if all came from one process')
})

t.test('ratioOf(): the interval holds the true ratio about as often as it says', async (t) => {
  const random = generator(1)
  // Skewed, as measurements are, since disturbances only add time.
  const noisy = () => 1.1 + 0.02 * (random() - 0.5) - 0.05 * Math.log(1 - random())
  const truth = median(Array.from({ length: 20_001 }, noisy))
  const runs = 60
  let held = 0
  for (let run = 0; run < runs; run++) {
    const { low, high } = ratioOf(Array.from({ length: 16 }, noisy))
    if (low <= truth && truth <= high) held++
  }
  t.ok(held > 0.88 * runs, `${held} of ${runs}`)
})

t.test('scatter(): equal values have none, others the spread of their middle half', async (t) => {
  t.equal(scatter([5, 5, 5]), 0)
  t.equal(scatter([8, 9, 10, 11, 12]), 0.2)
})

t.test('slope(): found for a line, and for points around it', async (t) => {
  t.equal(
    slope([
      [0, 5],
      [10, 25],
      [20, 45]
    ]),
    2
  )
  t.ok(
    Math.abs(
      slope([
        [0, 1],
        [1, 0],
        [2, 1],
        [3, 0]
      ]) + 0.2
    ) < 1e-9
  )
})

t.test('shuffled(): keeps all values and does not modify its argument', async (t) => {
  const items = Array.from({ length: 20 }, (_, index) => index)
  const mixed = shuffled(items, generator(7))
  t.not(mixed.join(), items.join())
  t.same(
    mixed.toSorted((a, b) => a - b),
    items
  )
})
