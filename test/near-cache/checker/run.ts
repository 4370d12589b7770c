// `npm run test:near-cache`: processes with near caches, faults, and what nobody may have been served.
//   --seconds 60   for how long        --processes 3     how many
//   --seed 1       of what happens     --maxStale 0.5    the bound, in seconds
//   --only frozen  faults whose name has that
//   --cluster      on three primaries with a replica each, which fail over and move slots
// The exit code is 1 if anything was served that must not be.
import { parseArgs } from 'node:util'
import { provideRedisServer } from '../../../scripts/redis-binary.js'
import { lifetime } from '../../support/lifetime.js'
import { generator } from '../../support/random.js'
import { check } from './check.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    processes: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    maxStale: { type: 'string', default: '0.5' },
    only: { type: 'string', default: '' },
    cluster: { type: 'boolean', default: false }
  }
})
const MAX_SECONDS = 3_600
const SHOWN = 10

process.env.REDIS_SERVER = provideRedisServer()
const { test, end } = lifetime()
try {
  const { counts, faults, leaked, stale, unseen } = await check(test, {
    seconds: Math.min(Number(values.seconds), MAX_SECONDS),
    processes: Number(values.processes),
    maxStale: Number(values.maxStale),
    ms: Number(values.maxStale) * 1_500,
    isCluster: values.cluster,
    only: values.only,
    random: generator(Number(values.seed))
  })
  for (const [name, times] of faults) console.log(`${name}: ${times}`)
  console.log(
    Object.entries(counts)
      .map(([name, count]) => `${count.toLocaleString('en')} ${name}`)
      .join(', ')
  )
  for (const { key, version, by } of stale.slice(0, SHOWN)) {
    console.log(`STALE ${key}: version ${version} was served ${by.toFixed(1)} ms past the bound`)
  }
  for (const what of unseen.slice(0, SHOWN)) console.log(`UNSEEN ${what}`)
  for (const what of leaked.slice(0, SHOWN)) console.log(`LEAKED ${what}`)
  console.log(
    `${stale.length} versions were served past the bound, ${unseen.length} reads did not show what was seen, ` +
      `${leaked.length} requests saw what another one did`
  )
  process.exitCode = stale.length + unseen.length + leaked.length > 0 ? 1 : 0
} finally {
  await end()
}
