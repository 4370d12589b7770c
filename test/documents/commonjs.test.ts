// cjs/ has the types of everything that the package exports.
import { readFileSync } from 'node:fs'
import t from 'tap'

const ENTRIES = {
  'lib/index.ts': 'cjs/index.d.cts',
  'lib/adopt/index.ts': 'cjs/adopt.d.cts',
  'lib/audit/index.ts': 'cjs/audit.d.cts',
  'lib/testing/index.ts': 'cjs/testing.d.cts',
  'contracts/index.ts': 'cjs/contracts.d.cts'
}

for (const [source, types] of Object.entries(ENTRIES)) {
  t.test(`${types}: has every export of ${source}`, (t) => {
    const exported = [
      ...readFileSync(source, 'utf8').matchAll(/^export (?:type )?(?:\* as (\w+)|\{([^}]*)\})/gm)
    ]
    const names = exported.flatMap(([, all, list = '']) =>
      (all ?? list).split(',').map((name) => name.trim().replace(/^type |^.* as /, ''))
    )
    t.ok(names.length > 2)
    const declared = readFileSync(types, 'utf8')
    t.same(
      names.filter((name) => !new RegExp(`(?:^ +|const |type |as )${name}\\b`, 'm').test(declared)),
      []
    )
    t.end()
  })
}
