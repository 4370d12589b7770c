// Makes the last line of a test run from the totals at the end of tap's output.

/** @param isGood Whether the test process and the coverage succeeded. */
export function countedLine(output: string, isGood: boolean): string {
  const [, totals = ''] = [...output.matchAll(/^# (\{ total: .*\})$/gm)].at(-1) ?? []
  const count = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(totals)?.[1] ?? 0)
  const failed = count('fail') || (isGood && totals !== '' ? 0 : 1)
  const skipped = count('skip') + count('todo')
  return `${count('pass')} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
