// `npm run test:hunt -- --seed 1 --inputs 1000000`: feeds hostile and damaged inputs, which depend only on the seed.
// `--target lists` feeds only this target. Random plans for the models follow; `--plans 0` skips them.
// The exit code is 1 if an input took more than 50 ms of CPU or 50 MB, threw an error without a code or had side
// effects.
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Batch, Finding } from './worker.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    inputs: { type: 'string', default: '500000' },
    target: { type: 'string' },
    plans: { type: 'string', default: '2000' }
  }
})
const [seed, inputs] = [Number(values.seed), Number(values.inputs)]
if (!Number.isSafeInteger(seed) || !Number.isSafeInteger(inputs) || inputs < 1) {
  console.error(
    'usage: npm run test:hunt -- [--seed <number>] [--inputs <number>] [--target <name>] [--plans <number>]'
  )
  process.exit(2)
}

/** Number of inputs whose time and memory are measured together. */
const BATCH = 50
/** Milliseconds after which a batch counts as endless. */
const PATIENCE = 60_000
const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url))

const findings: Finding[] = []
const counts = new Map<string, number>()
let child = start()
const names = (await answerOf(child)) as string[]
const chosen = names.filter((name) => name === (values.target ?? name))
if (chosen.length === 0) {
  console.error(`--target takes one of: ${names.join(', ')}`)
  child.kill()
  process.exit(2)
}
const each = Math.ceil(inputs / chosen.length)
const startedAt = Date.now()

for (const name of chosen) {
  const target = names.indexOf(name)
  for (let from = 0; from < each; from += BATCH) {
    const batch: Batch = { seed, target, from, to: Math.min(from + BATCH, each) }
    child.send(batch)
    const answer = (await answerOf(child)) as Finding[] | undefined
    if (answer === undefined) {
      report({ target: name, input: from, what: 'this batch does not end, or it ended the process' })
      child.kill('SIGKILL')
      child = start()
      await answerOf(child)
    }
    for (const finding of answer ?? []) report(finding)
    counts.set(name, batch.to)
  }
  console.log(`${name}: ${counts.get(name)} inputs`)
}
child.kill()
const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
console.log(
  `seed ${seed}: ${total} inputs in ${Math.round((Date.now() - startedAt) / 1000)} s, ${findings.length} findings`
)
process.exitCode = findings.length > 0 ? 1 : 0
if (values.plans !== '0') {
  const model = fileURLToPath(new URL('model.ts', import.meta.url))
  for (const of of ['requests', 'users']) {
    const args = ['--import=tsx', model, '--of', of, '--seed', String(seed), '--runs', values.plans]
    if (spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0) process.exitCode = 1
  }
}

function start(): ChildProcess {
  return fork(WORKER, { execArgv: ['--import=tsx', '--max-old-space-size=512'] })
}

function report(finding: Finding): void {
  findings.push(finding)
  console.log(`FOUND ${finding.target} #${finding.input}: ${finding.what}`)
}

/** The next message of the process; `undefined` if it ends or stays silent too long. */
function answerOf(process: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => {
    const end = (answer?: unknown): void => {
      clearTimeout(watchdog)
      process.off('message', end)
      process.off('exit', gone)
      resolve(answer)
    }
    const gone = (): void => end()
    const watchdog = setTimeout(gone, PATIENCE)
    process.once('message', end)
    process.once('exit', gone)
  })
}
