// Formats the same rows as a table for the terminal or for Markdown.
import type { Column, Row, Table } from './results.js'

export function toText(table: Table): string {
  const { head, body, isNumber } = cellsOf(table)
  const widths = head.map((title, column) =>
    Math.max(title.length, ...body.map((cells) => (cells[column] as string).length))
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        isNumber[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)
      )
      .join('  ')
      .trimEnd()
  return [
    table.title,
    '',
    line(head),
    line(widths.map((width) => '─'.repeat(width))),
    ...body.map(line)
  ].join('\n')
}

export function toMarkdown(table: Table): string {
  const { head, body, isNumber } = cellsOf(table)
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = isNumber.map((is) => (is ? '---:' : '---'))
  return [line(head), line(rule), ...body.map(line)].join('\n')
}

function cellsOf({ columns, rows }: Table): { head: string[]; body: string[][]; isNumber: boolean[] } {
  return {
    head: columns.map(({ title }) => title),
    body: rows.map((row) => columns.map((column) => cell(row, column))),
    isNumber: columns.map(({ key }) => rows.some((row) => typeof row[key] === 'number'))
  }
}

function cell(row: Row, { key, digits }: Column): string {
  const value = row[key]
  if (value === undefined) return ''
  if (typeof value === 'boolean') return value ? 'yes' : ''
  if (typeof value === 'string') return value
  const text = (number: number) => (digits === undefined ? String(number) : number.toFixed(digits))
  const low = row[`${key}Low`]
  const high = row[`${key}High`]
  const interval = typeof low === 'number' && typeof high === 'number' ? ` [${text(low)}, ${text(high)}]` : ''
  return text(value) + interval
}
