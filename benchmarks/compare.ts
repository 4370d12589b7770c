// `npm run bench -- compare OLD.json [NEW.json]`: lists the rows that got slower or faster.
import { type Column, type Row, readResults, type Table } from './results.js'

/** Whether nothing got slower. */
export function compare(before: string, after: string): boolean {
  const [old, now] = [readResults(before), readResults(after)]
  const changes = Object.entries(now.parts).flatMap(([part, tables]) =>
    tables.flatMap((table) => {
      const earlier = old.parts[part as keyof typeof old.parts]?.find(({ name }) => name === table.name)
      return earlier === undefined ? [] : changesOf(part, earlier, table)
    })
  )
  const slower = changes.filter(({ factor }) => factor > 1)
  report('slower', slower)
  report(
    'faster',
    changes.filter(({ factor }) => factor < 1)
  )
  return slower.length === 0
}

interface Change {
  what: string
  from: number
  to: number
  factor: number
}

/** Relative change from which a value without an interval counts as changed. */
const NOTABLE = 0.1

function changesOf(part: string, before: Table, after: Table): Change[] {
  const names = after.columns.filter(({ role }) => role === 'name')
  const costs = after.columns.filter(({ role }) => role === 'cost')
  const identify = (row: Row) => names.map(({ key }) => row[key]).join(', ')
  const earlier = new Map(before.rows.map((row) => [identify(row), row]))
  return after.rows.flatMap((row) => {
    const old = earlier.get(identify(row))
    if (old === undefined) return []
    return costs.flatMap((cost) => {
      const change = changeOf(old, row, cost)
      return change === undefined ? [] : [{ what: `${part}: ${identify(row)}: ${cost.title}`, ...change }]
    })
  })
}

// Overlapping intervals are no change.
function changeOf(before: Row, after: Row, { key }: Column): Omit<Change, 'what'> | undefined {
  const from = before[key]
  const to = after[key]
  if (typeof from !== 'number' || typeof to !== 'number' || from === to) return undefined
  const [fromLow, fromHigh] = intervalOf(before, key, from)
  const [toLow, toHigh] = intervalOf(after, key, to)
  if (toLow <= fromHigh && toHigh >= fromLow) return undefined
  return { from, to, factor: to / from }
}

function intervalOf(row: Row, key: string, value: number): [low: number, high: number] {
  const low = row[`${key}Low`]
  const high = row[`${key}High`]
  if (typeof low === 'number' && typeof high === 'number') return [low, high]
  return [value * (1 - NOTABLE / 2), value * (1 + NOTABLE / 2)]
}

function report(title: string, changes: readonly Change[]): void {
  console.log(`${changes.length} ${title}`)
  for (const { what, from, to, factor } of changes.toSorted((a, b) => b.factor - a.factor)) {
    console.log(`  ${what}: ${from.toPrecision(4)} → ${to.toPrecision(4)} (× ${factor.toFixed(2)})`)
  }
}
