// The counted line of a run of tests, from the totals at the end of what tap prints.

/** @param isGood Whether nothing else has failed: the process that ran the tests, or the coverage. */
export function countedLine(output: string, isGood: boolean): string {
  const [, totals = ''] = [...output.matchAll(/^# (\{ total: .*\})$/gm)].at(-1) ?? []
  const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(totals)?.[1] ?? 0)
  const failed = count('fail') || (isGood && totals !== '' ? 0 : 1)
  const skipped = count('skip') + count('todo')
  return `${count('pass')} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
