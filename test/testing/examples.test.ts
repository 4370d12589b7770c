// The tests of examples/testing pass. `npm run test:package` runs those of vitest and Jest.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'

const RUNS: Record<string, string[]> = {
  'node:test': ['--test', '--test-reporter=tap', 'examples/testing/node.test.ts'],
  tap: ['examples/testing/tap.test.ts']
}

for (const [name, args] of Object.entries(RUNS)) {
  t.test(`examples/testing: its tests pass with ${name}`, async (t) => {
    const child = spawn(process.execPath, ['--import=tsx', ...args], {
      // The options of this run, and its sign that a test starts another one, are not meant for it.
      env: { ...process.env, NODE_OPTIONS: '', TAP: '0', NODE_TEST_CONTEXT: undefined },
      stdio: ['ignore', 'pipe', 'inherit']
    })
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
    })
    const [code] = await once(child, 'close')
    t.equal(code, 0, said)
    t.match(said, /^1\.\.[23]$/m)
  })
}
