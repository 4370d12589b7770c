// `npm run test:history`: rounds of parallel requests with faults. Each round compares its history with the result.
//   --seed 1      seed of all random choices      --minutes 10   how long to run
//   --only lost   only rounds with this name      --rounds 0     maximum number of rounds; 0: no maximum
//   --seconds 4   how long a fault lasts          --shown 3      how many histories of each kind to print
// The exit code is 1 if a round found a violation.
import { parseArgs } from 'node:util'
import { provideRedisServer } from '../../scripts/redis-binary.js'
import { generator } from '../support/random.js'
import { explain, KINDS, type Kind } from './check.js'
import { Fleet } from './fleet.js'
import { groups, TIMEOUT } from './groups.js'
import { type Counts, type Round, runRound } from './round.js'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
    shown: { type: 'string', default: '3' }
  }
})
const PROCESSES = 3
const BROWSERS = 4
const HABITS = { tabs: 4, pause: 40, without: [] }
const COUNTS: (keyof Counts)[] = [
  'requests',
  'acknowledged',
  'refused',
  'uncertain',
  'sessions',
  'loggedOut',
  'missed'
]
const KIND_NAMES = Object.keys(KINDS) as Kind[]

process.env.REDIS_SERVER = provideRedisServer()
const over = performance.now() + Number(values.minutes) * 60_000
const maxRounds = Number(values.rounds) || Number.POSITIVE_INFINITY
const totals = new Map<string, number>()
const shown = new Map<Kind, number>()
let rounds = 0
let seed = Number(values.seed)
const chosen = groups
  .map((group) => ({
    ...group,
    faults: group.faults.filter(({ name }) => `${group.name}: ${name}`.includes(values.only))
  }))
  .filter(({ faults }) => faults.length > 0)
if (chosen.length === 0) throw new Error(`no round has "${values.only}" in its name; change --only`)

while (performance.now() < over && rounds < maxRounds) {
  for (const group of chosen) {
    if (performance.now() < over && rounds < maxRounds) await runGroup(group)
  }
}
console.log(`\n${line(['in all', ...[...COUNTS, ...KIND_NAMES].map((name) => totals.get(name) ?? 0)])}`)
const found = KIND_NAMES.reduce((sum, kind) => sum + (totals.get(kind) ?? 0), 0)
console.log(`\n${rounds} rounds, from seed ${values.seed}: ${found === 0 ? 'nothing' : found} found`)
process.exitCode = found > 0 ? 1 : 0

async function runGroup({ name, start, service, faults }: (typeof chosen)[number]): Promise<void> {
  console.log(`\n**${name}**\n\n${line(['fault (seed)', ...COUNTS, ...KIND_NAMES])}`)
  console.log(line([...COUNTS, ...KIND_NAMES, ''].map(() => '---')))
  const engine = await start()
  try {
    const fleet = await Fleet.start(engine, PROCESSES, service)
    try {
      for (const fault of faults) {
        if (performance.now() > over || rounds >= maxRounds) return
        rounds++
        const options = { engine, fleet, ms: Number(values.seconds) * 1000, timeout: TIMEOUT, isTimed: true }
        const round = await runRound(fault, {
          ...options,
          random: generator(seed),
          browsers: BROWSERS,
          habits: HABITS
        })
        print(`${fault.name} (${seed++})`, round)
      }
    } finally {
      await fleet.stop()
    }
  } finally {
    await engine.close()
  }
}

function print(name: string, { counts, violations }: Round): void {
  const kinds = KIND_NAMES.map((kind) => violations.filter((violation) => violation.kind === kind).length)
  const numbers = [...COUNTS.map((count) => counts[count]), ...kinds]
  for (const [index, column] of [...COUNTS, ...KIND_NAMES].entries()) {
    totals.set(column, (totals.get(column) ?? 0) + (numbers[index] ?? 0))
  }
  console.log(line([name, ...numbers]))
  const shortest = violations.toSorted((one, other) => one.entries.length - other.entries.length)
  for (const violation of shortest) {
    const times = shown.get(violation.kind) ?? 0
    if (times >= Number(values.shown)) continue
    shown.set(violation.kind, times + 1)
    console.log(`\n${explain(violation)}\n`)
  }
}

function line(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}
