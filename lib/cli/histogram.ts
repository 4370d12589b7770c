// How values are spread, in a fixed number of classes.
import { count, percent } from './format.js'
import { bar, table } from './table.js'

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
/** Upper limits of ages, in milliseconds. */
export const AGES = [MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 31 * DAY, 365 * DAY] as const
/** Upper limits of sizes, in bytes. */
export const SIZES = [64, 128, 256, 512, 1_024, 4_096, 16_384, 65_536] as const

export class Histogram {
  readonly #limits: readonly number[]
  readonly #counts: number[]

  /** @param limits Ascending. A value equal to a limit is below it. */
  constructor(limits: readonly number[]) {
    this.#limits = limits
    this.#counts = Array(limits.length + 1).fill(0)
  }

  add(value: number): void {
    const index = this.#limits.findIndex((limit) => value <= limit)
    const at = index === -1 ? this.#limits.length : index
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
  }

  /** The classes, for programs. The last one has no limit. */
  toJSON(): { upTo: number | null; count: number }[] {
    return this.#counts.map((count, index) => ({ upTo: this.#limits[index] ?? null, count }))
  }

  /** The classes with their names, from the first to the last that is not empty. */
  rows(show: (limit: number) => string): [name: string, count: number][] {
    const rows = this.toJSON().map(({ count, upTo }): [string, number] => [
      upTo === null ? `> ${show(this.#limits.at(-1) ?? 0)}` : `≤ ${show(upTo)}`,
      count
    ])
    const isFilled = ([, count]: [string, number]) => count > 0
    return rows.slice(rows.findIndex(isFilled), rows.findLastIndex(isFilled) + 1)
  }
}

/** @param rest The characters that a bar may have at most. */
export function chart(
  heading: string,
  rows: readonly (readonly [name: string, count: number])[],
  rest: number
): string {
  const total = rows.reduce((sum, [, count]) => sum + count, 0)
  const most = Math.max(1, ...rows.map(([, count]) => count))
  const width = Math.max(...rows.map(([name]) => name.length), heading.length, NAME)
  return table(
    [
      { head: heading, width },
      { head: 'sessions', isNumber: true, width: NUMBER },
      { head: '', isNumber: true, width: 7 },
      { head: '' }
    ],
    rows.map(([name, value]) => [name, count(value), percent(value, total), bar(value, most, rest)])
  )
}

const NAME = 14
const NUMBER = 11
