// Every error has a code, and the README says of each what causes it and what cures it.
import { readFileSync } from 'node:fs'
import t from 'tap'
import * as errors from '../lib/errors.js'

t.test('the README lists every code', (t) => {
  const readme = readFileSync('README.md', 'utf8')
  const classes = Object.entries(errors).filter(([, value]) => value.prototype instanceof Error)
  t.ok(classes.length > 14)
  for (const [name, Constructor] of classes) {
    const { code } = new (Constructor as new (...args: unknown[]) => { code: string })('a', 'b', 'c')
    t.match(code, /^FST_SESSION_[A-Z_]+$/, name)
    t.match(readme, new RegExp(`^\\| \`${code}\` `, 'm'), code)
  }
  t.end()
})
