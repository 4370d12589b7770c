// `npm run test:users`: processes that are killed, browsers of few users, and what nobody may have seen.
//   --engine NAME  standalone, or cluster or sentinel with failovers
//   --seconds 60   for how long        --processes 3   how many
//   --seed 1       of what happens     --limit 6       how many sessions a user may have
//   --replicas 1   how many replicas a write waits for; with failovers, 0 loses writes, which must be found
//   --bug NAME     plants a bug, which must be found: forgetful, hasty, unmarked, forgiving, unlimited
// The exit code is 1 if anything was seen that must not be.
import { parseArgs } from 'node:util'
import { provideRedisServer } from '../../scripts/redis-binary.js'
import { lifetime } from '../support/lifetime.js'
import { generator } from '../support/random.js'
import { check } from './checker/check.js'
import type { EngineName } from './checker/engine.js'
import type { Bug } from './checker/planted.js'

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'standalone' },
    replicas: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    processes: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    limit: { type: 'string', default: '6' },
    bug: { type: 'string' }
  }
})
const MAX_SECONDS = 3_600
const SHOWN = 10

process.env.REDIS_SERVER = provideRedisServer()
const { test, end } = lifetime()
try {
  const { counts, violations } = await check(test, {
    engine: values.engine as EngineName,
    ...(values.replicas === undefined ? {} : { replicas: Number(values.replicas) }),
    ...{ seconds: Math.min(Number(values.seconds), MAX_SECONDS), processes: Number(values.processes) },
    ...{ users: 4, browsers: 8, limit: Number(values.limit), random: generator(Number(values.seed)) },
    ...(values.bug === undefined ? {} : { bug: values.bug as Bug })
  })
  const shown = Object.entries(counts).map(([name, count]) => `${count.toLocaleString('en')} ${name}`)
  console.log(shown.join(', '))
  for (const violation of violations.slice(0, SHOWN)) console.log(violation)
  const found = (kind: string) => violations.filter((each) => each.startsWith(kind)).length
  console.log(
    `${found('MISSING')} missing, ${found('DEAD')} dead in a list, ${found('ALIVE')} alive after their end, ` +
      `${found('LIMIT')} times more than the limit`
  )
  process.exitCode = violations.length > 0 ? 1 : 0
} finally {
  await end()
}
