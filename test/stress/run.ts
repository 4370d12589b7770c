// `npm run stress`: many browsers, several processes, one Redis, and a known number of changes.
// The exit code is 1 if a change is lost or an ended session is back.
//   --processes 4 --parallel 200 --changes 10000 --browsers 20 --serializer json --seed 1 --seconds 120
import { once } from 'node:events'
import { Agent } from 'node:http'
import { parseArgs } from 'node:util'
import { provideRedisServer } from '../../scripts/redis-binary.js'
import { exchange, type Response } from '../support/exchange.js'
import { lifetime } from '../support/lifetime.js'
import { generator, shuffled } from '../support/random.js'
import { startRedis } from '../support/redis-server.js'
import { kill, launch, type ServiceProcess } from '../support/service-process.js'
import type { Counts } from './process.js'

const { values } = parseArgs({
  options: {
    processes: { type: 'string', default: '2' },
    parallel: { type: 'string', default: '200' },
    changes: { type: 'string', default: '10000' },
    browsers: { type: 'string', default: '20' },
    serializer: { type: 'string', default: 'json' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '240' }
  }
})
const PROCESSES = Number(values.processes)
const PARALLEL = Number(values.parallel)
const CHANGES = Number(values.changes)
const BROWSERS = Number(values.browsers)
const random = generator(Number(values.seed))
const broken: string[] = []
const agent = new Agent({ keepAlive: true, maxSockets: PARALLEL })

process.env.REDIS_SERVER = provideRedisServer()
const { test, end } = lifetime()
const { port, client: redis } = await startRedis(test)
const deadline = setTimeout(() => {
  console.error(`\nnot done after ${values.seconds} s; --seconds sets the limit`)
  process.exit(1)
}, Number(values.seconds) * 1000)
const PROGRAM = new URL('./process.js', import.meta.url)
const options = { port, serializer: values.serializer }
const processes = await Promise.all(Array.from({ length: PROCESSES }, () => launch(PROGRAM, options)))
try {
  await incrementOneSession()
  await mixedBrowsers()
  await logoutsInMidFlight()
  report(await collect(), await scriptCalls())
} finally {
  clearTimeout(deadline)
  agent.destroy()
  await Promise.all(processes.map(kill))
  await end()
}
for (const what of broken) console.error(`BROKEN: ${what}`)
process.exitCode = broken.length > 0 ? 1 : 0

// ------------------------------------------------------------- the load

/** All requests change one session. */
async function incrementOneSession(): Promise<void> {
  const cookie = await begin()
  const statuses = await inParallel('increments of one session', CHANGES, PARALLEL, () =>
    send('/increment', cookie)
  )
  const { count } = await look(cookie)
  expect(
    statuses.every(({ status }) => status === 200),
    `${failures(statuses)} of ${CHANGES} increments failed`
  )
  expect(count === CHANGES, `${count} of ${CHANGES} increments are stored`)
}

/** Requests change keys, counters and lists of several sessions. */
async function mixedBrowsers(): Promise<void> {
  const each = Math.floor(CHANGES / BROWSERS / 4)
  const browsers = await Promise.all(
    Array.from({ length: BROWSERS }, async () => ({
      cookie: await begin(),
      increments: 0,
      keys: 0,
      entries: 0
    }))
  )
  const changes = browsers.flatMap((browser) =>
    Array.from({ length: each }, () => async () => {
      const kind = random()
      if (kind < 0.4) {
        browser.increments++
        return send('/increment', browser.cookie)
      }
      if (kind < 0.7) return send(`/insert?key=k${browser.keys++}`, browser.cookie)
      return send(`/append?entry=e${browser.entries++}`, browser.cookie)
    })
  )
  const inTurn = shuffled(changes, random)
  const answers = await inParallel(
    `changes of ${BROWSERS} sessions`,
    changes.length,
    PARALLEL,
    async (index) => (inTurn[index] as () => Promise<Response>)()
  )
  expect(
    answers.every(({ status }) => status === 200),
    `${failures(answers)} changes failed`
  )
  for (const { cookie, increments, keys, entries } of browsers) {
    const data = await look(cookie)
    expect(data.count === increments, `${data.count} of ${increments} increments are stored`)
    expect(new Set(data.log as string[]).size === entries, `${data.log} of ${entries} entries are stored`)
    const found = Object.keys(data).filter((key) => key.startsWith('k')).length
    expect(found === keys, `${found} of ${keys} inserted keys are stored`)
  }
}

/** A logout ends each session while its changes are in flight. */
async function logoutsInMidFlight(): Promise<void> {
  const before = await redis.dbsize()
  const rounds = BROWSERS * 5
  await inParallel('sessions ended with changes in flight', rounds, 5, async () => {
    const cookie = await begin()
    const ended: Promise<Response>[] = []
    const changes = Array.from({ length: 20 }, async (_, index) => {
      if (index === 10) ended.push(send('/logout', cookie))
      return send('/append?entry=late', cookie)
    })
    const answers = await Promise.all(changes)
    const [logout] = await Promise.all(ended)
    expect(logout?.status === 200, `a logout answered ${logout?.status}`)
    expect(
      answers.every((answer) => !cookieOf(answer)),
      'a response sets a cookie for an ended session'
    )
    const late = await send('/look', cookie)
    expect(Object.keys(late.body).length === 0, 'an ended session has data')
    return late
  })
  const after = await redis.dbsize()
  expect(after === before, `${after - before} ended sessions came back`)
}

// ------------------------------------------------------------- requests and reports

async function begin(): Promise<string> {
  const cookie = cookieOf(await send('/begin', ''))
  if (!cookie) throw new Error('the response sets no cookie for a new session')
  return cookie
}

async function look(cookie: string): Promise<Record<string, unknown>> {
  return (await send('/look', cookie)).body
}

/** Sends a request to a random process. */
function send(path: string, cookie: string): Promise<Response> {
  const { address } = processes[Math.floor(random() * PROCESSES)] as ServiceProcess
  return exchange(agent, 'GET', address + path, cookie)
}

/** The session cookie that a response sets; empty if the response clears it. */
function cookieOf({ cookies: [line] }: Response): string | undefined {
  const pair = line?.split(';')[0]
  return pair?.endsWith('=') ? '' : pair
}

async function inParallel(
  what: string,
  total: number,
  width: number,
  act: (index: number) => Promise<Response>
): Promise<Response[]> {
  const answers: Response[] = []
  let next = 0
  const startedAt = performance.now()
  const worker = async () => {
    while (next < total) {
      answers.push(await act(next++))
      showProgress(what, answers.length, total)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, total) }, worker))
  const seconds = (performance.now() - startedAt) / 1000
  console.log(`${process.stdout.isTTY ? '\r\x1b[K' : ''}${total} ${what}: ${seconds.toFixed(1)} s`)
  return answers
}

// A terminal shows the progress in one line; a log gets only the results.
function showProgress(what: string, done: number, total: number): void {
  if (!process.stdout.isTTY || done % 50 !== 0) return
  const filled = Math.round((30 * done) / total)
  process.stdout.write(`\r${'█'.repeat(filled)}${'░'.repeat(30 - filled)} ${done}/${total} ${what}`)
}

async function collect(): Promise<Counts> {
  const total: Counts = { updates: 0, written: 0, missing: 0, commits: [] }
  for (const { child } of processes) {
    child.send('counts')
    const [counts] = (await once(child, 'message')) as [Counts]
    total.updates += counts.updates
    total.written += counts.written
    total.missing += counts.missing
    total.commits.push(...counts.commits)
  }
  return total
}

/** The number of script calls by Redis' own count. */
async function scriptCalls(): Promise<number> {
  const stats = await redis.info('commandstats')
  const calls = [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+)/gm)].map(([, count]) => Number(count))
  return calls.reduce((sum, count) => sum + count, 0)
}

function report({ updates, written, missing, commits }: Counts, scripts: number): void {
  commits.sort((a, b) => a - b)
  const at = (share: number) => (commits[Math.floor(share * (commits.length - 1))] ?? 0).toFixed(1)
  const conflicts = updates - written - missing
  console.log(
    `processes ${PROCESSES}, ${PARALLEL} parallel requests, serializer ${values.serializer}, seed ${values.seed}`
  )
  console.log(
    `committed ${written}, conflicts and retries ${conflicts}, too late for an ended session ${missing}`
  )
  console.log(
    `round trips per committed change ${((updates - missing) / written).toFixed(3)}, without the read`
  )
  console.log(`scripts that Redis ran, including logouts: ${scripts}`)
  console.log(`commit: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`)
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) broken.push(otherwise)
}

function failures(answers: Response[]): string {
  const failed = answers.filter(({ status }) => status !== 200)
  return `${failed.length} (${[...new Set(failed.map(({ body }) => JSON.stringify(body)))].slice(0, 3).join(' ')})`
}
