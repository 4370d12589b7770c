// One test file in a process of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { compiled } from './compile.js'
import { inSources } from './source-positions.js'
import { type Outcome, outcomeOf } from './tally.js'

/** Seconds after which tap ends a test that hangs, and says what it waits for. */
const TIMEOUT = 600
/** Milliseconds after which a process is killed that cannot even do that. */
const PATIENCE = (TIMEOUT + 30) * 1_000

// Counting lines makes a process slower. These tests concern other programs or documents, or repeat the same steps
// thousands of times. All other tests together cover each line.
const UNCOUNTED =
  /^test\/((benchmarks|documents|ecosystem|history|model)\/|(.+\/)?(chaos|checker|clients|contracts|deployment|examples?|hunt|interleavings|libraries|redis|runner|security-policy)\.test)/

const running = new Set<ChildProcess>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) endGroup(child)
    process.exit(1)
  })
}

/** Runs a test file, and prints one line about it. If it fails, prints its output first. */
export async function runTest(file: string, isCounted: boolean): Promise<Outcome> {
  const preload = ['scripts/lean-tap.ts']
  if (isCounted && !UNCOUNTED.test(file)) preload.unshift('scripts/record-coverage.ts')
  const child = spawn(process.execPath, [...preload.map(imported), compiled(file)], {
    env: { ...process.env, TAP_TIMEOUT: String(TIMEOUT) },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, which ends with the servers that the test has started.
    detached: true
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => process.stderr.write(inSources(chunk)))
  running.add(child)
  const patience = setTimeout(endGroup, PATIENCE, child)
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  clearTimeout(patience)
  running.delete(child)
  const outcome = outcomeOf(output, code === 0)
  const { passed, failed } = outcome
  if (failed > 0) console.log(inSources(output))
  console.log(`${failed > 0 ? 'not ok' : 'ok'} ${file}: ${passed} passed, ${failed} failed`)
  return outcome
}

function imported(file: string): string {
  return `--import=${pathToFileURL(compiled(file))}`
}

function endGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL')
}
