// Draws all charts from the results of a run, each for light and for dark pages.
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type PartName, type Results, readResults, type Table } from '../results.js'
import { growthChart } from './growth.js'
import { serializersChart } from './serializers.js'
import { subjectsChart } from './subjects.js'
import { type Chart, themes, toSvg } from './theme.js'

/** Writes the charts beside the file of the results. Charts of parts that the results lack stay unchanged. */
export function drawCharts(file: string): string[] {
  return chartsOf(readResults(file)).flatMap((chart) =>
    Object.entries(themes).map(([name, theme]) => {
      const drawn = join(dirname(file), `${chart.name}-${name}.svg`)
      writeFileSync(drawn, `${toSvg(chart, theme)}\n`)
      return drawn
    })
  )
}

function chartsOf({ parts }: Results): Chart[] {
  const tableOf = (part: PartName, name: string): Table | undefined =>
    parts[part]?.find((table) => table.name === name)
  const serializers = tableOf('serializers', 'serializers')
  const points = tableOf('growth', 'points')
  const slopes = tableOf('growth', 'slopes')
  return [
    subjectsChart(tableOf('server', 'requests'), tableOf('peers', 'requests')),
    serializers && serializersChart(serializers),
    points && slopes && growthChart(points, slopes)
  ].filter((chart) => chart !== undefined)
}
