// `npm test`: provides a Redis server, runs tap, requires full coverage, and prints the number of passed tests last.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { provideRedisServer } from './redis-binary.js'
import { countedLine } from './tally.js'

const TAP = 'node_modules/.bin/tap'
/** Number of characters that surely contains the totals at the end of tap's output. */
const END = 1_000
const files = process.argv.slice(2)

try {
  process.env.REDIS_SERVER = provideRedisServer()
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}
if (isToBeBuilt()) spawnSync(process.execPath, [TAP, 'build'], { stdio: 'ignore' })
const coverage = files.length > 0 ? '--disable-coverage' : '--coverage-report=none'
const tap = spawn(process.execPath, [TAP, '--reporter=tap', coverage, ...files], {
  stdio: ['ignore', 'pipe', 'inherit']
})
let end = ''
tap.stdout.on('data', (bytes) => {
  process.stdout.write(bytes)
  end = (end + bytes).slice(-END)
})
tap.on('close', (code) => {
  const isGood = code === 0 && (files.length > 0 || isCovered())
  const line = countedLine(end, isGood)
  console.log(line)
  process.exitCode = line.includes(' 0 failed') ? 0 : 1
})

// After `npm ci` tap still has the plugin that .taprc turns off, and no test runs with it. Building takes ten seconds.
function isToBeBuilt(): boolean {
  const built = 'node_modules/@tapjs/test/test-built/dist/esm/index.js'
  return !existsSync(built) || readFileSync(built, 'utf8').includes('@tapjs/typescript')
}

/** Prints the coverage, which must include every line and function. V8 counts more branches than the source has. */
function isCovered(): boolean {
  repairSourceMaps()
  const report = spawnSync(process.execPath, [TAP, 'report', 'text', '--branches=0'], { stdio: 'inherit' })
  return report.status === 0
}

// tsx omits the sources from its source maps, and Node stores them as null. The coverage report would then see every
// file as a single covered line. Without the field it reads the files.
function repairSourceMaps(): void {
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
