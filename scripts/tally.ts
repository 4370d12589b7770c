// The counts of a test run, from the totals at the end of each test process's output.

export interface Outcome {
  passed: number
  failed: number
  skipped: number
}

/** @param isGood Whether the process ended well. */
export function outcomeOf(output: string, isGood: boolean): Outcome {
  const [, totals = ''] = [...output.matchAll(/^# (\{ total: .*\})$/gm)].at(-1) ?? []
  const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(totals)?.[1] ?? 0)
  return {
    passed: count('pass'),
    failed: count('fail') || (isGood && totals !== '' ? 0 : 1),
    skipped: count('skip') + count('todo')
  }
}

/** The last line of a test run. */
export function countedLine(outcomes: readonly Outcome[]): string {
  const sum = (name: keyof Outcome) => outcomes.reduce((total, outcome) => total + outcome[name], 0)
  const skipped = sum('skipped')
  return `${sum('passed')} passed, ${sum('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
