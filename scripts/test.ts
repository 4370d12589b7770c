// `npm test`: provides a Redis server, runs tap, measures coverage, and counts what passed and what failed.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Parser } from 'tap-parser'
import { provideRedisServer } from './redis-binary.js'
import { Tally } from './tally.js'

try {
  process.env.REDIS_SERVER = provideRedisServer()
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}

// After `npm ci` tap still has the plugin that .taprc turns off. To build it without takes ten seconds.
function isToBeBuilt(): boolean {
  const built = 'node_modules/@tapjs/test/test-built/dist/esm/index.js'
  return !existsSync(built) || readFileSync(built, 'utf8').includes('@tapjs/typescript')
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

// Prints what is not covered. Every line and every function has to be; branches, where V8 counts more of them than the
// source has, are for people to look at.
function isCovered(): boolean {
  repairSourceMaps()
  spawnSync(process.execPath, [TAP, 'report', 'text', 'json-summary'], { stdio: 'inherit' })
  const { total } = JSON.parse(readFileSync('.tap/report/coverage-summary.json', 'utf8'))
  return total.lines.pct === 100 && total.functions.pct === 100
}

const TAP = 'node_modules/.bin/tap'
const files = process.argv.slice(2)
if (isToBeBuilt()) spawnSync(process.execPath, [TAP, 'build'], { stdio: 'ignore' })
const tally = new Tally()
const parser = new Parser()
tally.count(parser)
const coverage = files.length > 0 ? '--disable-coverage' : '--coverage-report=none'
const tap = spawn(process.execPath, [TAP, '--reporter=tap', coverage, ...files], {
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
  // A file that ends early or a line that no test reaches fails the run without a failed assertion.
  if ((code !== 0 || !(files.length > 0 || isCovered())) && tally.failed === 0) tally.failed++
  console.log(String(tally))
  process.exitCode = tally.failed > 0 ? 1 : 0
})
