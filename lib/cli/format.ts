// Numbers as people read them.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const
const PERIODS: readonly [seconds: number, unit: string][] = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's']
]

export function count(value: number): string {
  return value.toLocaleString('en-US')
}

export function bytes(value: number): string {
  const power = value < 1 ? 0 : Math.min(Math.floor(Math.log2(value) / 10), UNITS.length - 1)
  const scaled = value / 1024 ** power
  return `${scaled >= 10 ? Math.round(scaled) : Math.round(scaled * 10) / 10} ${UNITS[power]}`
}

/**
 * Rounded down, in the largest unit that it fills.
 * @param times How often it must fill the unit: 36 hours are `36 h`, not `1 d`.
 */
export function duration(milliseconds: number, times = 2): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const [size, unit] = PERIODS.find(([size]) => seconds >= times * size) ?? [1, 's']
  return `${count(Math.floor(seconds / size))} ${unit}`
}

export function percent(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (100 * part) / whole).toFixed(1)} %`
}

/** `undefined` if the record holds an instant that no calendar has. */
export function iso(instant: number): string | undefined {
  const date = new Date(instant)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}
