// Statistics of noisy measurements: medians, and ratios of paired measurements with their confidence intervals.
import { generator } from '../test/support/random.js'

export interface Ratio {
  ratio: number
  /** The interval that holds 95 % of the medians of samples drawn from the pairs (bootstrap). */
  low: number
  high: number
}

const DRAWS = 2_000

/** The quantile of the values, by linear interpolation. @param share Between 0 and 1. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = Float64Array.from(values).sort()
  if (sorted.length === 0) throw new RangeError('no values')
  const place = share * (sorted.length - 1)
  const below = sorted[Math.floor(place)] as number
  const above = sorted[Math.ceil(place)] as number
  return below + (above - below) * (place - Math.floor(place))
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** The interquartile range of the values, relative to their median. */
export function scatter(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values)
}

/**
 * The median of the ratios with its interval. Each is the ratio of a measurement to the reference measured beside it.
 * @param groups The ratios consist of this many equal parts, each from the same processes. Samples are drawn from
 * groups first and then within them, because one process can be faster by chance in all of its measurements.
 */
export function ratioOf(ratios: readonly number[], groups = 1): Ratio {
  // A fixed seed makes the interval a function of the measurements.
  const random = generator(ratios.length)
  const draw = (below: number) => Math.floor(random() * below)
  const size = ratios.length / groups
  const medians = Array.from({ length: DRAWS }, () => {
    const drawn = Array.from({ length: groups }, () => draw(groups) * size)
    return median(
      drawn.flatMap((from) => Array.from({ length: size }, () => ratios[from + draw(size)] as number))
    )
  })
  return { ratio: median(ratios), low: quantile(medians, 0.025), high: quantile(medians, 0.975) }
}

/** The slope of a straight line through these points, by least squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = mean(points.map(([x]) => x))
  const meanY = mean(points.map(([, y]) => y))
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return covariance / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
