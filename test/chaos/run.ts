// `npm run chaos`: makes Redis fail under load as it does in production, and reports what the browsers notice.
//   --seconds 2   how long a fault lasts        --rate 150   requests per second of all browsers
//   --only cut    only faults with this name    --seed 1     seed of all random choices
//   --write       writes docs/chaos.md as well
// The exit code is 1 if a promise was broken.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { provideRedisServer } from '../../scripts/redis-binary.js'
import { generator } from '../support/random.js'
import type { Fault } from './fault.js'
import { limitOf, promisesBroken, promisesLate } from './promises.js'
import { runScenario } from './scenario.js'
import { scenarios } from './scenarios.js'
import { PATIENCE, type Result } from './slice.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    rate: { type: 'string', default: '150' },
    only: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    write: { type: 'boolean', default: false }
  }
})
/** Seconds after which the run aborts. */
const BOUND = 400
const COLUMNS = [
  'fault',
  'requests',
  'errors by code',
  'longest request (limit), ms',
  'well again after, ms',
  'commits: acknowledged, lost, unnoticed',
  'logged out',
  'hung, unhandled',
  'RSS, MB',
  'heap, MB'
]

/** The page of the documentation with the results. */
const PAGE = new URL('../../docs/chaos.md', import.meta.url)
/** The part of the page that this program writes. */
const RESULTS = /<!-- chaos -->.*<!-- \/chaos -->/s

/** The additional column of scenarios in which requests must fail fast. */
const FAST_COLUMN = 'failed at once, of all that failed'

process.env.REDIS_SERVER = provideRedisServer()
const startedAt = performance.now()
const load = { rate: Number(values.rate), random: generator(Number(values.seed)) }
const chosen = scenarios
  .map((scenario) => ({
    scenario,
    faults: scenario.faults.filter(({ name }) => `${scenario.name}: ${name}`.includes(values.only))
  }))
  .filter(({ faults }) => faults.length > 0)
  // Every run includes the first fault, `none`: the limits of the others depend on its result.
  .map(({ scenario, faults }) => ({
    scenario,
    faults: [...new Set([...scenario.faults.slice(0, 1), ...faults])]
  }))
const total = chosen.flatMap(({ faults }) => faults).length
const printed = [head()]
const broken: string[] = []
let done = 0
let visits = 0
setTimeout(() => {
  console.error(`\nnot done after ${BOUND} s`)
  process.exit(1)
}, BOUND * 1_000).unref()

for (const { scenario, faults } of chosen) {
  const isFast = scenario.faults.some(({ failsFast }) => failsFast)
  const columns = isFast ? [...COLUMNS, FAST_COLUMN] : COLUMNS
  print(`\n**${scenario.name}**\n\n${line(columns)}\n${line(columns.map(() => '---'))}`)
  let calm: Result | undefined
  for await (const [fault, result] of runScenario(scenario, faults, Number(values.seconds) * 1_000, load)) {
    calm ??= result
    done++
    visits += result.visits
    const fast = isFast ? [`${result.failedAtOnce} of ${result.failed}`] : []
    print(line([...cellsOf(fault, result, calm), ...fast]))
    const promises = [...promisesBroken(fault, result), ...promisesLate(fault, result, calm)]
    broken.push(...promises.map((what) => `${scenario.name}, ${fault.name}: ${what}`))
  }
}
print(`\n${seconds()} s, seed ${values.seed}, ${visits} first visits, ${broken.length} promises broken`)
for (const what of broken) print(`\nBROKEN: ${what}`)
if (values.write) {
  const page = readFileSync(PAGE, 'utf8')
  writeFileSync(
    PAGE,
    page.replace(RESULTS, () => `<!-- chaos -->\n${printed.join('\n')}\n<!-- /chaos -->`)
  )
}
process.exitCode = broken.length > 0 ? 1 : 0

function cellsOf(fault: Fault, result: Result, calm: Result): string[] {
  const {
    requests,
    errors,
    longest,
    recovery,
    acknowledged,
    lost,
    silent,
    logouts,
    hangs,
    unhandled,
    memory
  } = result
  return [
    fault.name,
    String(requests),
    [...errors].map(([code, times]) => `${times} ${code.replace('FST_SESSION_', '')}`).join(', ') || '0',
    `${Math.round(longest)} (${Math.round(limitOf(result, calm))})`,
    Number.isFinite(recovery) ? String(Math.round(recovery)) : `not in ${PATIENCE}`,
    `${acknowledged}, ${lost}, ${silent}`,
    String(logouts),
    `${hangs}, ${unhandled.length}`,
    memory.rss.map(megabytes).join(' → '),
    memory.heap.map(megabytes).join(' → ')
  ]
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0)
}

function line(cells: string[]): string {
  return `| ${cells.join(' | ')} |`
}

/** The text before the tables. */
function head(): string {
  const only = values.only === '' ? '' : ` --only '${values.only}'`
  return `Made by \`npm run chaos -- --seed ${values.seed}${only} --write\` on ${new Date().toISOString().slice(0, 10)}, Node ${process.version}.
Each fault lasts ${values.seconds} s, unless it sets its own duration. Two processes serve ${values.rate} requests per
second.

- *longest request (limit)*: the limit is the option \`timeout\` plus 10 %, plus the longest request of the row *none*,
  plus the longest time for which a process did not run.
- *well again after*: from the end of the fault to the last failed answer to a request that began after it.
- *commits*: acknowledged; of these, missing at the end; of those, missing without a reported rollback.
- *logged out*: browsers that lost their session. *hung*: requests without an answer within 10 s.`
}

// A log gets only the results. A terminal also shows the progress in its last line.
function print(text: string): void {
  printed.push(text)
  if (!process.stdout.isTTY) {
    console.log(text)
    return
  }
  const filled = Math.round((30 * done) / total)
  const bar = '█'.repeat(filled) + '░'.repeat(30 - filled)
  process.stdout.write(
    `\r\x1b[K${text}\n${done < total ? `${bar} ${done}/${total} faults, ${seconds()} s` : ''}`
  )
}

function seconds(): number {
  return Math.round((performance.now() - startedAt) / 1_000)
}
