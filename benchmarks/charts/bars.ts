// Panels of horizontal bars side by side, with whiskers for intervals. The names of the rows appear once, on the left.
// All panels share one scale.
import type {
  CustomSeriesOption,
  CustomSeriesRenderItemReturn,
  EChartsOption,
  LineSeriesOption
} from 'echarts'
import type { Row } from '../results.js'
import { type Chart, TEXT, type Theme } from './theme.js'

export interface Bar {
  value: number
  /** The ends of its interval. */
  low?: number
  high?: number
  label: string
  /** What is wrong with the measurement. */
  flaws: readonly Flaw[]
}

export type Flaw = keyof typeof FLAWS

export interface Panel {
  title: string
  /** For each category the bars of its groups; `undefined` if there is none to draw. */
  bars: readonly (readonly (Bar | undefined)[])[]
}

export interface BarChart {
  title: string
  subtitle: string
  categories: readonly string[]
  /** The names of the bars in a category. A chart with one group has no legend. */
  groups: readonly string[]
  panels: readonly Panel[]
  colorOf(theme: Theme, group: number, category: number): string
  /** Pixels for the names on the left. */
  margin: number
  /** Pixels for a label. The reference line would cross a label that begins closer to it. */
  label: number
  width: number
}

export function intervalOf(row: Row, key: string): Pick<Bar, 'low' | 'high'> {
  const low = row[`${key}Low`]
  const high = row[`${key}High`]
  return typeof low === 'number' && typeof high === 'number' ? { low, high } : {}
}

/** The mark behind the label of a bar, and what it means. */
const FLAWS = {
  disturbed: { mark: '*', meaning: 'others used the machine' },
  notBusy: { mark: '†', meaning: 'server not kept busy' }
} as const
const TOP = 78
const BOTTOM = 26
const GAP = 16
const BAR = 15
const BETWEEN = 8

export function barChart(name: string, bars: BarChart): Chart {
  const { width, categories, groups } = bars
  const height = TOP + categories.length * (groups.length * BAR + BETWEEN) + BOTTOM
  return { name, width, height, draw: (theme) => draw(bars, theme) }
}

function draw(chart: BarChart, theme: Theme): EChartsOption {
  const { panels, categories, groups, margin, label } = chart
  const ends = panels.map(longest)
  const room = chart.width - margin - (GAP + label) * panels.length
  const pixels = room / ends.reduce((sum, end) => sum + end, 0)
  const widths = ends.map((end) => end * pixels + label)
  const left = (panel: number) => widths.slice(0, panel).reduce((sum, width) => sum + width + GAP, margin)
  return {
    title: [
      {
        text: chart.title,
        subtext: noteOf(chart),
        left: 8,
        top: 4,
        itemGap: 6,
        textStyle: { color: theme.text, fontSize: 16 },
        subtextStyle: { color: theme.faint, fontSize: TEXT }
      },
      ...panels.map(({ title }, panel) => ({
        text: title,
        left: left(panel),
        top: TOP - 18,
        padding: 0,
        textStyle: { color: theme.text, fontSize: TEXT, fontWeight: 'normal' as const }
      }))
    ],
    legend: {
      show: groups.length > 1,
      right: 8,
      top: 4,
      itemGap: 20,
      data: groups.map((name, group) => ({ name, itemStyle: { color: chart.colorOf(theme, group, 0) } })),
      textStyle: { color: theme.text, fontSize: TEXT }
    },
    grid: panels.map((_, panel) => ({
      left: left(panel),
      width: widths[panel] ?? 0,
      top: TOP,
      bottom: BOTTOM
    })),
    xAxis: panels.map((_, panel) => ({
      type: 'value' as const,
      gridIndex: panel,
      min: 0,
      max: (widths[panel] ?? 0) / pixels,
      interval: 1,
      axisLabel: { color: theme.faint, fontSize: TEXT, showMaxLabel: false },
      splitLine: { show: false }
    })),
    yAxis: panels.map((_, panel) => ({
      type: 'category' as const,
      gridIndex: panel,
      inverse: true,
      data: [...categories],
      axisTick: { show: false },
      axisLine: { lineStyle: { color: theme.faint } },
      axisLabel: { show: panel === 0, color: theme.text, fontSize: TEXT, interval: 0 }
    })),
    series: panels.flatMap((panel, index) => [
      ...groups.map((name, group) => seriesOf(chart, theme, panel, index, name, group)),
      referenceLine(index, theme)
    ])
  }
}

function longest({ bars }: Panel): number {
  const ends = bars.flat().flatMap((bar) => (bar === undefined ? [] : [bar.high ?? bar.value]))
  return Math.max(1, ...ends)
}

function noteOf({ subtitle, panels }: BarChart): string {
  const found = new Set(panels.flatMap(({ bars }) => bars.flat().flatMap((bar) => bar?.flaws ?? [])))
  return [subtitle, ...[...found].map((flaw) => `${FLAWS[flaw].mark} ${FLAWS[flaw].meaning}`)].join('; ')
}

function referenceLine(panel: number, theme: Theme): LineSeriesOption {
  return {
    type: 'line',
    xAxisIndex: panel,
    yAxisIndex: panel,
    data: [],
    markLine: {
      silent: true,
      symbol: 'none',
      label: { show: false },
      lineStyle: { color: theme.faint, width: 1 },
      data: [{ xAxis: 1 }]
    }
  }
}

// ECharts has no whiskers for grouped bars, so this draws each bar with its whisker and label.
function seriesOf(
  chart: BarChart,
  theme: Theme,
  panel: Panel,
  panelIndex: number,
  name: string,
  group: number
): CustomSeriesOption {
  const data = panel.bars.flatMap((bars, category) => {
    const bar = bars[group]
    return bar === undefined ? [] : [{ bar, category }]
  })
  return {
    type: 'custom',
    name,
    xAxisIndex: panelIndex,
    yAxisIndex: panelIndex,
    data: data.map(({ bar, category }) => [bar.value, category]),
    renderItem(params, api): CustomSeriesRenderItemReturn {
      const { bar, category } = data[params.dataIndex] as (typeof data)[number]
      const [zero = 0, middle = 0] = api.coord([0, category])
      const [end = 0] = api.coord([bar.value, category])
      const top = middle + (group - chart.groups.length / 2) * BAR
      const whisker = [bar.low, bar.high].map((value) => api.coord([value ?? bar.value, category])[0] ?? end)
      const [low = end, high = end] = whisker
      const [reference = 0] = api.coord([1, category])
      const behind = Math.max(end, high)
      const isCrossed = behind < reference && reference - behind < chart.label
      return {
        type: 'group',
        children: [
          {
            type: 'rect',
            shape: { x: zero, y: top + 1, width: end - zero, height: BAR - 2 },
            style: { fill: chart.colorOf(theme, group, category) }
          },
          ...(high > low ? whiskerAt(low, high, top + BAR / 2, theme) : []),
          {
            type: 'text',
            x: (isCrossed ? reference : behind) + 5,
            y: top + BAR / 2 + 1,
            style: {
              text: [bar.label, ...bar.flaws.map((flaw) => FLAWS[flaw].mark)].join(' '),
              fill: theme.text,
              fontSize: TEXT,
              verticalAlign: 'middle'
            }
          }
        ]
      }
    }
  }
}

function whiskerAt(low: number, high: number, y: number, theme: Theme) {
  const line = (x1: number, y1: number, x2: number, y2: number) => ({
    type: 'line' as const,
    shape: { x1, y1, x2, y2 },
    style: { stroke: theme.text, lineWidth: 1.5 }
  })
  return [line(low, y, high, y), line(low, y - 4, low, y + 4), line(high, y - 4, high, y + 4)]
}
