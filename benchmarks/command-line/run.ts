// `npm run bench:cli`: a million sessions, then the time and the peak memory of the commands that read all of them.
// `--sessions 100000` takes fewer.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { table } from '../../lib/cli/table.js'
import { withRedis } from '../private-redis.js'
import { seed } from './seed.js'

const BIN = fileURLToPath(new URL('../../dist/lib/cli/bin.js', import.meta.url))
/** Prints what the program has used when it ends. */
const METER = `data:text/javascript,process.on('exit',()=>process.stderr.write('used '+JSON.stringify(process.resourceUsage())))`
const COMMANDS = [
  ['stats'],
  ['list'],
  ['verify'],
  ['convert', '--to', 'msgpack', '--dry-run'],
  ['convert', '--to', 'msgpack', '--yes'],
  ['convert', '--to', 'msgpack', '--yes'],
  ['end', '--all', '--yes']
]

const COLUMNS = [
  { head: 'command' },
  { head: 'seconds', isNumber: true },
  { head: 'CPU seconds', isNumber: true },
  { head: 'peak memory (MiB)', isNumber: true }
]

interface Measured {
  seconds: number
  /** Seconds of a processor. */
  cpu: number
  /** MiB. */
  peak: number
}

async function measure(port: number, args: readonly string[]): Promise<Measured> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [`--import=${METER}`, BIN, ...args, '--json'], {
    env: { ...process.env, REDIS_URL: `redis://127.0.0.1:${port}` },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  child.stdout.resume()
  const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close')])
  const [, used] = /used (.+)$/.exec(errors) ?? []
  if (code !== 0 || used === undefined) throw new Error(`${args.join(' ')} ended with ${code}: ${errors}`)
  const { maxRSS, systemCPUTime, userCPUTime }: NodeJS.ResourceUsage = JSON.parse(used)
  const seconds = (performance.now() - startedAt) / 1_000
  return { seconds, cpu: (userCPUTime + systemCPUTime) / 1_000_000, peak: maxRSS / 1_024 }
}

const { values } = parseArgs({ options: { sessions: { type: 'string', default: '1000000' } } })
const sessions = Number(values.sessions)
await withRedis(async ({ port, redis }) => {
  const startedAt = performance.now()
  await seed(redis, sessions)
  const used = /^used_memory_human:(\S+)/m.exec(await redis.info('memory'))?.[1]
  console.log(
    `${sessions} sessions, written in ${((performance.now() - startedAt) / 1_000).toFixed(0)} s; Redis uses ${used}`
  )
  const rows: string[][] = []
  for (const command of COMMANDS) {
    console.error(`running ${command.join(' ')}`)
    const { cpu, peak, seconds } = await measure(port, command)
    rows.push([command.join(' '), seconds.toFixed(0), cpu.toFixed(0), peak.toFixed(0)])
  }
  console.log(table(COLUMNS, rows))
})
