// The part `growth`: the cost of a request when something grows, and how fast that cost grows.
import type { Context, Part } from '../part.js'
import type { Column, Row, Table } from '../results.js'
import { startLoad } from '../server/processes.js'
import { watch } from '../server/watch.js'
import { median, quantile } from '../statistics.js'
import { DIMENSIONS } from './dimensions.js'
import { type Curve, type CurvePoint, measureDimension } from './measure.js'
import { growthOf } from './slope.js'

const POINT_COLUMNS: readonly Column[] = [
  { key: 'grows', title: 'what grows', role: 'name' },
  { key: 'scenario', title: 'requests', role: 'name' },
  { key: 'at', title: 'to', role: 'name' },
  { key: 'server', title: 'CPU of the server, µs', role: 'note', digits: 0 },
  { key: 'redis', title: 'CPU of Redis, µs', role: 'note', digits: 0 }
]
const SLOPE_COLUMNS: readonly Column[] = [
  { key: 'grows', title: 'what grows', role: 'name' },
  { key: 'scenario', title: 'requests', role: 'name' },
  { key: 'process', title: 'CPU of', role: 'name' },
  { key: 'from', title: 'from', role: 'note' },
  { key: 'to', title: 'to', role: 'note' },
  { key: 'factor', title: 'cost ×', role: 'note', digits: 1 },
  { key: 'exponent', title: 'exponent', role: 'cost', digits: 2 },
  { key: 'verdict', title: 'verdict', role: 'note' },
  { key: 'disturbed', title: 'disturbed', role: 'note' }
]

/** All of it takes as long as this many starts of a process. */
const STARTS = { quick: 60, thorough: 700 }

export const measureGrowth: Part = {
  work: ({ quick }) => ({
    seconds: 0,
    starts: quick ? STARTS.quick : STARTS.thorough,
    signIns: 0,
    requests: 0,
    orders: 0
  }),
  run: measure
}

async function measure(context: Context): Promise<Table[]> {
  const load = await startLoad()
  const curves: Curve[] = []
  try {
    const bench = { ...context, load, watch: watch(context.redis) }
    for (const dimension of DIMENSIONS) curves.push(...(await measureDimension(dimension, bench)))
  } finally {
    await load.stop()
  }
  return [pointsOf(curves), slopesOf(curves)]
}

function pointsOf(curves: readonly Curve[]): Table {
  const rows = curves.flatMap(({ dimension, scenario, points }) =>
    points.map(({ at, server, redis }) => ({
      grows: dimension.name,
      scenario,
      at,
      ...middle('server', server),
      ...middle('redis', redis)
    }))
  )
  return { name: 'points', title: 'Growth: CPU for a request', columns: POINT_COLUMNS, rows }
}

/** The median and the quartiles. */
function middle(key: string, costs: readonly number[]): Row {
  return { [key]: median(costs), [`${key}Low`]: quantile(costs, 0.25), [`${key}High`]: quantile(costs, 0.75) }
}

function slopesOf(curves: readonly Curve[]): Table {
  const rows = curves.flatMap((curve) =>
    (['server', 'redis'] as const).map((process) => slopeOf(curve, process))
  )
  return { name: 'slopes', title: 'Growth: how fast', columns: SLOPE_COLUMNS, rows }
}

function slopeOf({ dimension, scenario, points, disturbed }: Curve, process: 'server' | 'redis'): Row {
  const first = points[0] as CurvePoint
  const last = points.at(-1) as CurvePoint
  const { exponent, low, high, verdict } = growthOf(points.map(({ at, [process]: costs }) => ({ at, costs })))
  return {
    grows: dimension.name,
    scenario,
    process,
    from: first.at,
    to: last.at,
    factor: median(last[process]) / median(first[process]),
    ...(exponent === undefined ? {} : { exponent, exponentLow: low, exponentHigh: high }),
    verdict,
    disturbed
  }
}
