// `npm test`: provides a Redis server, runs tap, measures coverage, and counts what passed and what failed.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Parser } from 'tap-parser'
import { provideRedisServer } from './redis-binary.js'

try {
  process.env.REDIS_SERVER = provideRedisServer()
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}

const counts = { passed: 0, failed: 0, skipped: 0 }

// The assertions themselves, at whatever depth. What sums up others is not counted again, unless it alone says that
// something failed: a file that ended with an error, a plan that was not kept.
function count(parser: Parser): void {
  const children: Parser[] = []
  parser.on('child', (child) => {
    children.push(child)
    count(child)
  })
  parser.on('assert', ({ ok, skip, todo }) => {
    const child = children.shift()
    if (child !== undefined && (ok || child.fail > 0)) return
    if (skip || todo) counts.skipped++
    else if (ok) counts.passed++
    else counts.failed++
  })
}

// tsx leaves the sources out of its source maps, Node notes them as null, and the coverage report then takes every
// file for a single covered line. Without the note it reads the files.
function repairSourceMaps(): void {
  if (!existsSync('.tap/coverage')) return
  for (const name of readdirSync('.tap/coverage')) {
    const file = `.tap/coverage/${name}`
    const coverage = JSON.parse(readFileSync(file, 'utf8'))
    for (const entry of Object.values<{ data?: { sourcesContent?: unknown } }>(
      coverage['source-map-cache'] ?? {}
    )) {
      delete entry.data?.sourcesContent
    }
    writeFileSync(file, JSON.stringify(coverage))
  }
}

const TAP = 'node_modules/.bin/tap'
const files = process.argv.slice(2)
// Without it the first run of a fresh clone still has the plugins that .taprc turns off.
if (!existsSync('.tap/plugins')) spawnSync(process.execPath, [TAP, 'build'], { stdio: 'ignore' })
const parser = new Parser()
count(parser)
const tap = spawn(process.execPath, [TAP, '--reporter=tap', '--coverage-report=none', ...files], {
  stdio: ['ignore', 'pipe', 'inherit'],
  detached: true
})
tap.stdout.pipe(parser)
tap.stdout.pipe(process.stdout)
// Tap does not end its test files when it is ended itself: the signal goes to all of their process group.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    if (tap.pid !== undefined) process.kill(-tap.pid, signal)
    process.exitCode = 1
  })
}

tap.on('close', (code) => {
  if (process.exitCode === 1) return
  repairSourceMaps()
  const coverage = spawnSync(process.execPath, [TAP, 'report', '--no-show-full-coverage'], {
    stdio: 'inherit'
  })
  const isCovered = coverage.status === 0 || files.length > 0
  // A file that ends early or a line that no test reaches fails the run without a failed assertion.
  if ((code !== 0 || !isCovered) && counts.failed === 0) counts.failed++
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
  console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`)
  process.exitCode = counts.failed > 0 ? 1 : 0
})
