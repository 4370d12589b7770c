// docs/serializers.md shows what the serializers do.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

t.test('docs/serializers.md has the tables that `npm run fidelity` prints', async (t) => {
  const args = ['--import=tsx', 'scripts/fidelity.ts', '--check', 'docs/serializers.md']
  await t.resolves(promisify(execFile)(process.execPath, args))
})
