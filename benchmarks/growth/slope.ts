// How fast a cost grows: the exponent of what it adds, and a verdict.
import { generator } from '../../test/support/random.js'
import { median, quantile, slope } from '../statistics.js'

/** What was measured at one point, round by round. */
export interface Point {
  at: number
  costs: readonly number[]
}

export interface Growth {
  /** 1 is linear, 2 is square; missing where there is too little growth to tell. */
  exponent?: number
  /** 95 % of what samples drawn from the rounds give lie between these. */
  low?: number
  high?: number
  verdict: 'hardly grows' | 'not faster than linear' | 'faster than linear' | 'not clear'
}

const DRAWS = 1_000
/**
 * More than 1, since caches that become too small and more garbage in flight make linear work look like this: with
 * hundreds of requests at once that of the hand-written session too. What is truly worse has 2.
 */
const LINEAR = 1.2
/** The last point costs less than so many times the first. */
const LITTLE = 1.25
const INVISIBLE = 0.01

/** `points` in ascending order, with as many rounds each. */
export function growthOf(points: readonly Point[]): Growth {
  const costs = points.map(({ costs }) => median(costs))
  const [first = 0] = costs
  if ((costs.at(-1) as number) < LITTLE * first) return { verdict: 'hardly grows' }
  const rounds = points[0]?.costs.length ?? 0
  const random = generator(rounds)
  const exponents = Array.from({ length: DRAWS }, () => {
    const drawn = Array.from({ length: rounds }, () => Math.floor(random() * rounds))
    return exponentOf(points, (costs) => median(drawn.map((round) => costs[round] as number)))
  })
  const low = quantile(exponents, 0.025)
  const high = quantile(exponents, 0.975)
  return { exponent: exponentOf(points, median), low, high, verdict: verdictOf(low, high) }
}

// Every request costs something that does not depend on what grows, and that would hide a square behind it. So what is
// fitted is the cost of the upper half beyond the cheapest of the lower one. That need not be the first point: requests
// that are answered sooner share fewer commands.
function exponentOf(points: readonly Point[], costOf: (costs: readonly number[]) => number): number {
  const half = Math.ceil(points.length / 2)
  const constant = Math.min(...points.slice(0, half).map(({ costs }) => costOf(costs)))
  const added = points.slice(half).map(({ at, costs }) => ({
    at,
    // A median of a few may fall below that of the cheapest point: then what was added is not to be seen.
    cost: Math.max(costOf(costs) - constant, constant * INVISIBLE)
  }))
  return slope(added.map(({ at, cost }) => [Math.log(at), Math.log(cost)] as const))
}

function verdictOf(low: number, high: number): Growth['verdict'] {
  if (high <= LINEAR) return 'not faster than linear'
  return low > LINEAR ? 'faster than linear' : 'not clear'
}
