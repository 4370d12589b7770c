// Runs the parts of the benchmarks one after another, and prints and stores their tables.
import { dirname } from 'node:path'
import type { Redis } from 'ioredis'
import { drawCharts } from './charts/draw.js'
import { CORES } from './cores.js'
import { estimate, measurePace } from './estimate.js'
import type { Options, Part } from './part.js'
import { withRedis } from './private-redis.js'
import { startProgress } from './progress.js'
import { describeMachine, describeVersions, type PartName, type Results, writeResults } from './results.js'
import { toText } from './table.js'

/** Quick runs leave this part out, unless it is named. */
const SLOWEST: PartName = 'growth'

/** The parts in the order of the run; each module is loaded only when its part runs. */
const PARTS: Partial<Record<PartName, () => Promise<Part>>> = {
  server: async () => (await import('./server/part.js')).measureOurs,
  peers: async () => (await import('./server/part.js')).measurePeers,
  serializers: async () => (await import('./serializers/part.js')).measureSerializers,
  encryption: async () => (await import('./encryption/part.js')).measureEncryption,
  growth: async () => (await import('./growth/part.js')).measureGrowth,
  allocations: async () => (await import('./allocations/part.js')).countAllocations,
  profile: async () => (await import('./profile/part.js')).profilePlugin
}

export async function runParts(names: readonly string[], options: Options, output: string): Promise<void> {
  const known = Object.keys(PARTS) as PartName[]
  const unknown = names.find((name) => !known.includes(name as PartName))
  if (unknown !== undefined) throw new Error(`there is no part ${unknown}; choose from ${known.join(', ')}`)
  const all = options.quick ? known.filter((name) => name !== SLOWEST) : known
  const chosen = names.length === 0 ? all : known.filter((name) => names.includes(name))
  const parts = await Promise.all(
    chosen.map(async (name) => ({ name, ...(await (PARTS[name] as () => Promise<Part>)()) }))
  )

  const startedAt = new Date()
  await withRedis(async ({ redis, port }) => {
    const progress = startProgress()
    const results: Results = {
      startedAt: startedAt.toISOString(),
      seconds: 0,
      machine: describeMachine(await versionOf(redis), CORES.pinned),
      versions: describeVersions(),
      options: { ...options },
      parts: {}
    }
    const works = parts.map(({ work }) => work(options))
    const seconds = Math.round(estimate(works, await measurePace(port)))
    console.log(`This takes about ${seconds} s, if the machine stays as busy as it is.`)
    try {
      for (const { name, run } of parts) {
        const tables = await run({ options, progress, redis, redisPort: port })
        progress.end()
        results.parts[name] = tables
        for (const table of tables) console.log(`\n${toText(table)}`)
      }
    } finally {
      progress.end()
    }
    results.seconds = Math.round((Date.now() - startedAt.getTime()) / 1000)
    writeResults(output, results)
    drawCharts(output)
    console.log(`\n${results.seconds} s, expected ${seconds} s; results and charts in ${dirname(output)}`)
  })
}

async function versionOf(redis: Redis): Promise<string> {
  const info = await redis.info('server')
  return /^(?:valkey|redis)_version:(\S+)/m.exec(info)?.[1] ?? 'unknown'
}
