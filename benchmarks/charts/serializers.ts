// The chart of the part `serializers`: bytes, encoding and decoding, each relative to JSON.
import type { Row, Table } from '../results.js'
import { type Bar, barChart, intervalOf, type Panel } from './bars.js'
import type { Chart } from './theme.js'
import { bytesText, timeText } from './units.js'

export function serializersChart({ rows }: Table): Chart {
  const sessions = [...new Set(rows.map(({ session }) => String(session)))]
  const serializers = [...new Set(rows.map(({ serializer }) => String(serializer)))]
  const panel = (title: string, ratio: string, labelOf: (row: Row) => string): Panel => ({
    title,
    bars: sessions.map((session) =>
      serializers.map((serializer) => {
        const row = rows.find((row) => row.session === session && row.serializer === serializer)
        return row === undefined ? undefined : barOf(row, ratio, labelOf)
      })
    )
  })
  return barChart('serializers', {
    title: 'Serializers relative to JSON: lower is better',
    subtitle: 'rich types: relative to superjson; whiskers: 95 % interval',
    categories: sessions,
    groups: serializers,
    panels: [
      panel('bytes', 'bytesRatio', ({ bytes }) => bytesText(Number(bytes))),
      panel('encode', 'encode', ({ encodeNs }) => timeText(Number(encodeNs))),
      panel('decode', 'decode', ({ decodeNs }) => timeText(Number(decodeNs)))
    ],
    colorOf: (theme, group) => theme.series[group] ?? theme.neutral,
    margin: 100,
    label: 62,
    width: 880
  })
}

function barOf(row: Row, key: string, labelOf: (row: Row) => string): Bar {
  const value = row[key]
  if (typeof value !== 'number') return { value: 0, label: 'not kept', flaws: [] }
  // A disturbance of the machine does not change the number of bytes.
  const isDisturbed = row.remark === 'disturbed' && key !== 'bytesRatio'
  return { value, label: labelOf(row), flaws: isDisturbed ? ['disturbed'] : [], ...intervalOf(row, key) }
}
