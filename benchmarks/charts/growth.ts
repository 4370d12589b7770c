// The chart of growth: the cost of a request against what grows, on logarithmic scales, with a line for linear growth.
// All panels share one scale of cost.
import type { EChartsOption, LineSeriesOption } from 'echarts'
import type { Row, Table } from '../results.js'
import { type Chart, TEXT, type Theme } from './theme.js'
import { countText, timeText } from './units.js'

const WIDTH = 880
const TOP = 64
const PANEL = { width: 376, height: 180 }
/** Distance between the corners of neighbouring panels. */
const STEP = { x: 412, y: 240 }
const LEFT = 66
/** Space below the last panels. */
const BOTTOM = 34

type Place = [at: number, microseconds: number]

export function growthChart({ rows }: Table, slopes: Table): Chart {
  const panels = [...new Set(rows.map(({ grows }) => String(grows)))]
  const scenarios = [...new Set(rows.map(({ scenario }) => String(scenario)))]
  return {
    name: 'growth',
    width: WIDTH,
    height: TOP + STEP.y * (Math.ceil(panels.length / 2) - 1) + PANEL.height + BOTTOM,
    draw: (theme) => draw(rows, slopes.rows, panels, scenarios, theme)
  }
}

function draw(
  rows: readonly Row[],
  slopes: readonly Row[],
  panels: readonly string[],
  scenarios: readonly string[],
  theme: Theme
): EChartsOption {
  const corner = (panel: number) => ({
    left: LEFT + (panel % 2) * STEP.x,
    top: TOP + Math.floor(panel / 2) * STEP.y
  })
  const costs = decadesOf(rows.map(({ server }) => Number(server)))
  const text = { color: theme.text, fontSize: TEXT }
  const axis = {
    type: 'log' as const,
    axisLine: { show: true, lineStyle: { color: theme.faint } },
    splitLine: { lineStyle: { color: theme.line } }
  }
  return {
    color: [...theme.series],
    title: [
      {
        text: 'CPU for a request as something grows: lower is better',
        left: 8,
        top: 4,
        textStyle: { ...text, fontSize: 16 }
      },
      ...panels.map((name, panel) => ({
        text: titleOf(name, slopes),
        left: corner(panel).left,
        top: corner(panel).top - 20,
        padding: 0,
        textStyle: { ...text, fontWeight: 'normal' as const }
      }))
    ],
    legend: {
      right: 8,
      top: 4,
      itemGap: 20,
      data: [...scenarios, { name: LINEAR, icon: DASHES }],
      textStyle: text
    },
    grid: panels.map((_, panel) => ({ ...corner(panel), ...PANEL })),
    xAxis: panels.map((name, panel) => ({
      ...axis,
      gridIndex: panel,
      ...decadesOf(curvesOf(rows, name, scenarios).flatMap(({ places }) => places.map(([at]) => at))),
      axisLabel: { color: theme.faint, fontSize: TEXT, hideOverlap: true, formatter: countText }
    })),
    yAxis: panels.map((_, panel) => ({
      ...axis,
      gridIndex: panel,
      ...costs,
      axisLabel: {
        show: panel % 2 === 0,
        color: theme.faint,
        fontSize: TEXT,
        formatter: (microseconds: number) => timeText(microseconds * 1_000)
      }
    })),
    series: panels.flatMap((name, panel) => {
      const curves = curvesOf(rows, name, scenarios)
      return [...curves.map((curve) => lineOf(curve, panel)), linear(curves, panel, costs.min, theme)]
    })
  }
}

function titleOf(name: string, slopes: readonly Row[]): string {
  const disturbed = slopes.filter(({ grows, disturbed }) => grows === name && disturbed !== '')
  const scenarios = [...new Set(disturbed.map(({ scenario }) => scenario))]
  return scenarios.length === 0 ? name : `${name} (disturbed: ${scenarios.join(', ')})`
}

/** The powers of ten around these values. */
function decadesOf(values: readonly number[]): { min: number; max: number } {
  return {
    min: 10 ** Math.floor(Math.log10(Math.min(...values))),
    max: 10 ** Math.ceil(Math.log10(Math.max(...values)))
  }
}

interface Curve {
  scenario: string
  places: readonly Place[]
}

function curvesOf(rows: readonly Row[], name: string, scenarios: readonly string[]): Curve[] {
  return scenarios
    .map((scenario) => ({
      scenario,
      places: rows
        .filter((row) => row.grows === name && row.scenario === scenario)
        .map(({ at, server }): Place => [Number(at), Number(server)])
    }))
    .filter(({ places }) => places.length > 0)
}

const SYMBOLS: Readonly<Record<string, string>> = { read: 'circle', write: 'rect' }

function lineOf({ scenario, places }: Curve, panel: number): LineSeriesOption {
  return {
    type: 'line',
    name: scenario,
    xAxisIndex: panel,
    yAxisIndex: panel,
    data: [...places],
    symbol: SYMBOLS[scenario] ?? 'triangle',
    symbolSize: 8,
    lineStyle: { width: 2 }
  }
}

const LINEAR = 'linear'
const DASHES = 'path://M0 4h7v2H0zM9 4h7v2H9zM18 4h7v2h-7z'

/** A line of linear growth through the highest last point. A curve that starts below it grows faster than linearly. */
function linear(curves: readonly Curve[], panel: number, lowest: number, theme: Theme): LineSeriesOption {
  const places = curves.flatMap(({ places }) => places)
  const [first] = places.reduce((least, place) => (place[0] < least[0] ? place : least))
  const [last, cost] = places.reduce((most, place) =>
    place[0] > most[0] || (place[0] === most[0] && place[1] > most[1]) ? place : most
  )
  const at = Math.max(first, (last * lowest) / cost)
  return {
    type: 'line',
    name: LINEAR,
    xAxisIndex: panel,
    yAxisIndex: panel,
    data: [
      [at, (cost * at) / last],
      [last, cost]
    ],
    symbol: 'none',
    color: theme.faint,
    lineStyle: { color: theme.faint, type: 'dashed', width: 1.5 }
  }
}
