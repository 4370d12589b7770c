// docs/serializers.md matches the serializers.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { pages } from './pages.js'

t.test('docs/serializers.md: has the tables that `npm run fidelity` prints', async (t) => {
  const program = fileURLToPath(new URL('../../scripts/fidelity.js', import.meta.url))
  const args = [...process.execArgv, program, '--check', 'docs/serializers.md']
  await t.resolves(promisify(execFile)(process.execPath, args))
})

t.test('docs/serializers.md: its example is the serializer that passes the contract', (t) => {
  const [sample] =
    /const v8: Serializer = \{\n[\s\S]*?\n\}\n/.exec(pages.get('docs/serializers.md') ?? '') ?? []
  t.match(readFileSync('test/contracts/v8.ts', 'utf8'), sample ?? 'the page has no sample')
  t.end()
})
