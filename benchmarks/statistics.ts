// What a few noisy measurements say: medians, and the ratio of paired ones with the interval that holds it.
import { generator } from '../test/support/random.js'

export interface Ratio {
  ratio: number
  /** 95 % of the medians of samples drawn from the pairs lie between these. */
  low: number
  high: number
}

const DRAWS = 2_000

/** The value below which this share of the values lies, between two of them in proportion. */
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

/** How far apart the middle half of the values lies, as a share of their median. */
export function scatter(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values)
}

/**
 * The median of the ratios, each of a measurement to that of the reference beside it.
 * @param groups So many equal parts, one after the other, are each of the same processes: samples are drawn of groups, and
 * then within these, since what one process is better at by chance it is better at in all of its measurements.
 */
export function ratioOf(ratios: readonly number[], groups = 1): Ratio {
  // Always the same draws: the interval is a function of what was measured.
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

/** A straight line's slope through these points, by least squares. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = mean(points.map(([x]) => x))
  const meanY = mean(points.map(([, y]) => y))
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return covariance / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
