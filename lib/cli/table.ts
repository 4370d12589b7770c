// Tables without lines, and bars inside them.
import Table from 'cli-table3'

const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid'].flatMap((side) =>
    [side, `${side}-left`, `${side}-mid`, `${side}-right`, 'middle'].map((name) => [name, ''])
  )
)
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const

export interface Column {
  head: string
  isNumber?: boolean
  /** The characters of the column. Without it, those of its longest cell. */
  width?: number
}

/** @param hasHead Whether the heads of the columns come first. */
export function table(columns: readonly Column[], rows: readonly string[][], hasHead = true): string {
  const lines = new Table({
    chars: NO_LINES,
    style: { 'padding-left': 0, 'padding-right': 2, head: [], border: [] },
    head: hasHead ? columns.map(({ head }) => head) : [],
    colAligns: columns.map(({ isNumber }) => (isNumber ? 'right' : 'left')),
    colWidths: columns.map(({ width }) => (width === undefined ? null : width + 2))
  })
  lines.push(...rows)
  return lines
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** A bar of at most so many characters. What is not nothing is seen. */
export function bar(part: number, whole: number, width: number): string {
  if (part === 0) return ''
  const eighths = Math.max(1, Math.round((8 * width * part) / whole))
  return '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]
}
