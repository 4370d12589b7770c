// What must be filled in before `npm publish`.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

t.test('npm publish: refuses while the repository URL names OWNER', (t) => {
  const text = readFileSync('package.json', 'utf8')
  const program = fileURLToPath(new URL('../../scripts/publishable.js', import.meta.url))
  const publish = (packageJson: string) =>
    spawnSync(process.execPath, [...process.execArgv, program], {
      cwd: t.testdir({ 'package.json': packageJson }),
      encoding: 'utf8'
    })
  const refused = publish(text.replace(/github\.com\/[^/]+/, 'github.com/OWNER'))
  t.equal(refused.status, 1)
  t.match(refused.stderr, 'repository.url still names OWNER')
  t.equal(publish(text.replace(/github\.com\/[^/]+/, 'github.com/somebody')).status, 0)
  t.match(JSON.parse(text).scripts.prepublishOnly, 'scripts/publishable.ts')
  t.end()
})
