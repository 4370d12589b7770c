// `npm test`: provides a Redis server, compiles, runs each test file in a process of its own, requires full coverage, and
// prints the number of passed assertions last. `npm test -- test/session.test.ts` runs one file, without coverage.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { compile } from './compile.js'
import { isCovered } from './coverage.js'
import { provideRedisServer } from './redis-binary.js'
import { countedLine, type Outcome } from './tally.js'
import { runTest } from './test-process.js'

/** Tests that run at the same time: more than there are processors, since most of them wait half of the time. */
const JOBS = 10

try {
  process.env.REDIS_SERVER = provideRedisServer()
  compile()
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}
const named = process.argv.slice(2)
const isCounted = named.length === 0
const files = isCounted ? testFiles() : named
const outcomes: Outcome[] = []
if (isCounted) rmSync('.tap/coverage', { recursive: true, force: true })
await Promise.all(Array.from({ length: JOBS }, work))
if (isCounted) outcomes.push({ passed: 0, failed: isCovered() ? 0 : 1, skipped: 0 })
const line = countedLine(outcomes)
console.log(line)
process.exitCode = line.includes(' 0 failed') ? 0 : 1

function testFiles(): string[] {
  return (
    readdirSync('test', { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => join('test', name))
      // The tests of users, which wait longest, come last by name. They begin first, so that none is left alone at the end.
      .sort()
      .reverse()
  )
}

async function work(): Promise<void> {
  for (let file = files.shift(); file !== undefined; file = files.shift()) {
    outcomes.push(await runTest(file, isCounted))
  }
}
