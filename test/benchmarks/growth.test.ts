// How fast a cost grows, tested with curves of known growth.
import t from 'tap'
import { type Growth, growthOf } from '../../benchmarks/growth/slope.js'
import { generator } from '../support/random.js'

const AT = [1, 10, 100, 250, 500, 1_000]

/** Ten rounds of this cost, each a few percent off. */
function measured(cost: (at: number) => number): Growth {
  const random = generator(1)
  const noisy = (at: number) => Array.from({ length: 10 }, () => cost(at) * (0.97 + 0.06 * random()))
  return growthOf(AT.map((at) => ({ at, costs: noisy(at) })))
}

t.test(
  'growth: linear growth beside a constant is not called worse, nor quadratic growth linear',
  async (t) => {
    const curves: [verdict: Growth['verdict'], cost: (at: number) => number][] = [
      ['hardly grows', () => 30],
      ['hardly grows', (at) => 30 + at / 200],
      ['not faster than linear', (at) => 30 + Math.log2(at)],
      ['not faster than linear', (at) => 30 + at / 20],
      ['not faster than linear', (at) => 30 + at / 5],
      ['not faster than linear', (at) => 30 + at],
      ['not faster than linear', (at) => at],
      ['not faster than linear', (at) => 30 + 10 * Math.sqrt(at)],
      // Cheaper at first.
      ['not faster than linear', (at) => 30 + 20 / at + at / 4],
      ['faster than linear', (at) => 30 + at ** 2 / 1_000],
      ['faster than linear', (at) => 30 + at ** 1.5 / 50],
      ['faster than linear', (at) => at ** 2]
    ]
    for (const [verdict, cost] of curves) t.equal(measured(cost).verdict, verdict, String(cost))
  }
)

t.test('growth: the exponent is that of the part that grows', async (t) => {
  for (const exponent of [0.5, 1, 2]) {
    const { exponent: found = 0, low = 0, high = 0 } = measured((at) => 1 + at ** exponent)
    t.ok(Math.abs(found - exponent) < 0.1, `${found}`)
    t.ok(low <= found && found <= high)
  }
})
