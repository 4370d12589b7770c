// How fast a cost grows: the exponent of the added cost, and a verdict.
import { generator } from '../../test/support/random.js'
import { median, quantile, slope } from '../statistics.js'

/** The costs at one point, round by round. */
export interface Point {
  at: number
  costs: readonly number[]
}

export interface Growth {
  /** 1 is linear, 2 is quadratic; missing if the cost hardly grows. */
  exponent?: number
  /** The interval that holds 95 % of the exponents of samples drawn from the rounds (bootstrap). */
  low?: number
  high?: number
  verdict: 'hardly grows' | 'not faster than linear' | 'faster than linear' | 'not clear'
}

const DRAWS = 1_000
/**
 * More than 1, because full caches and more garbage in flight make linear work look worse. Hundreds of parallel
 * requests show this with the hand-written session too. Quadratic growth has an exponent of 2.
 */
const LINEAR = 1.2
/** A cost hardly grows if the last point costs less than this many times the first. */
const LITTLE = 1.25
const INVISIBLE = 0.01

/** @param points In ascending order, with the same number of rounds each. */
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

// Every request has a fixed cost, which would hide quadratic growth. The line therefore fits the cost of the upper
// half, less that of the cheapest point of the lower half. That point need not be the first one: requests that are
// answered sooner share fewer commands.
function exponentOf(points: readonly Point[], costOf: (costs: readonly number[]) => number): number {
  const half = Math.ceil(points.length / 2)
  const constant = Math.min(...points.slice(0, half).map(({ costs }) => costOf(costs)))
  const added = points.slice(half).map(({ at, costs }) => ({
    at,
    // The median of few rounds may fall below the cheapest point. The added cost is then too small to see.
    cost: Math.max(costOf(costs) - constant, constant * INVISIBLE)
  }))
  return slope(added.map(({ at, cost }) => [Math.log(at), Math.log(cost)] as const))
}

function verdictOf(low: number, high: number): Growth['verdict'] {
  if (high <= LINEAR) return 'not faster than linear'
  return low > LINEAR ? 'faster than linear' : 'not clear'
}
