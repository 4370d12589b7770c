// The chart of whole servers: CPU per request, relative to the hand-written session.
import type { Row, Table } from '../results.js'
import { REFERENCE } from '../server/subjects.js'
import { type Bar, barChart, type Flaw, intervalOf } from './bars.js'
import type { Chart, Theme } from './theme.js'

const PANELS = { read: 'read', write: 'write', 'read object': 'read an object of 10 KB' } as const
/** The number of connections with the most measurements. */
const CONNECTIONS = 50

/** `undefined` if the run measured none of these rows. */
export function subjectsChart(ours: Table | undefined, peers: Table | undefined): Chart | undefined {
  const isDrawn = ({ scenario, connections }: Row) =>
    connections === CONNECTIONS && Object.hasOwn(PANELS, String(scenario))
  const own = (ours?.rows ?? []).filter(isDrawn)
  const others = (peers?.rows ?? []).filter(isDrawn)
  const names = [...new Set([...own, ...others].map(({ subject }) => String(subject)))]
  if (names.length === 0) return undefined
  const isOwn = (name: string) => own.some(({ subject }) => subject === name)
  return barChart('subjects', {
    title: 'CPU of the server for a request, relative to a session written by hand: lower is better',
    subtitle: `${CONNECTIONS} connections; whiskers: 95 % interval; line: by hand; after the dot: idle share of the server`,
    categories: names.map((name) => (name !== REFERENCE && isOwn(name) ? `this plugin: ${name}` : name)),
    groups: [''],
    panels: Object.entries(PANELS).map(([scenario, title]) => ({
      title,
      bars: names.map((name) => [barOf([...own, ...others], scenario, name)])
    })),
    colorOf: (theme, _group, category) => colorOf(theme, names[category] as string, isOwn),
    margin: 262,
    label: 96,
    width: 1080
  })
}

function barOf(rows: readonly Row[], scenario: string, name: string): Bar | undefined {
  const row = rows.find((row) => row.subject === name && row.scenario === scenario)
  const value = Number(row?.ratio)
  if (row === undefined) return undefined
  const flaws: Flaw[] = []
  if (row.disturbed !== '') flaws.push('disturbed')
  if (row.notBusy === true) flaws.push('notBusy')
  const label = `${value.toFixed(2)} · ${Math.round(100 * Number(row.idle))} %`
  return { value, label, flaws, ...intervalOf(row, 'ratio') }
}

function colorOf(theme: Theme, name: string, isOwn: (name: string) => boolean): string {
  if (name === REFERENCE) return theme.neutral
  return isOwn(name) ? theme.series[0] : theme.series[1]
}
