// Counts the assertions of a run of tests, at whatever depth.
import type { Parser } from 'tap-parser'

export class Tally {
  passed = 0
  failed = 0
  skipped = 0

  /**
   * Counts what this parser is going to read. An assertion that sums up others is not counted again, unless it alone says
   * that something failed: a file that ended with an error, a plan that was not kept.
   */
  count(parser: Parser): void {
    const children: Parser[] = []
    parser.on('child', (child) => {
      children.push(child)
      this.count(child)
    })
    parser.on('assert', ({ ok, skip, todo }) => {
      const child = children.shift()
      if (child !== undefined && (ok || child.fail > 0)) return
      if (skip || todo) this.skipped++
      else if (ok) this.passed++
      else this.failed++
    })
  }

  toString(): string {
    const skipped = this.skipped > 0 ? `, ${this.skipped} skipped` : ''
    return `${this.passed} passed, ${this.failed} failed${skipped}`
  }
}
