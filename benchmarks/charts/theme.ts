// The colours of charts on light and dark pages, and the conversion to SVG.
import { type EChartsOption, init } from 'echarts'

export interface Theme {
  text: string
  faint: string
  line: string
  /** Distinct colours. They also differ in lightness, for people with colour blindness. */
  series: readonly [first: string, second: string, third: string]
  neutral: string
}

export const themes = {
  light: {
    text: '#1f2328',
    faint: '#59636e',
    line: '#d1d9e0',
    series: ['#0969da', '#d4761c', '#125c2b'],
    neutral: '#818b98'
  },
  dark: {
    text: '#f0f6fc',
    faint: '#a4adb8',
    line: '#3d444d',
    series: ['#4493f8', '#e3903f', '#7ee2a0'],
    neutral: '#8b949e'
  }
} as const satisfies Record<string, Theme>

/** Size of the smallest text in pixels of the unscaled chart. */
export const TEXT = 13

export interface Chart {
  /** The name of the file without its theme. */
  name: string
  width: number
  height: number
  draw(theme: Theme): EChartsOption
}

export function toSvg({ width, height, draw }: Chart, theme: Theme): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height })
  chart.setOption({
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { fontFamily: 'system-ui, Helvetica, Arial, sans-serif', fontSize: TEXT },
    ...draw(theme)
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}
