// What can be known of a Redis before the first request comes: one line in the log for each finding.
import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { now, pause } from '../clock.js'
import { within } from '../deadline.js'
import { StoreBrokenError, UnavailableError } from '../errors.js'
import type { Log } from '../events.js'
import { revisionOf, touchOf } from '../records/record.js'
import { addressOf } from '../stores/address.js'
import type { RedisClient } from '../stores/redis.js'
import type { Outcome, Store } from '../stores/store.js'
import { LogThrottle } from '../throttle.js'

/** Milliseconds between two looks at a Redis that cannot be used yet. */
const LOOK_AGAIN = 250
/** Milliseconds for which the record of the check would stay where it could not be removed. */
const PROBE_LIFETIME = 5_000
/** Milliseconds by which the clock of Redis may differ from ours. */
const CLOCK_SKEW = 10_000

interface StartUp {
  store: Store
  client: RedisClient
  prefix: string
  timeout: number
  startUp: 'go' | 'wait' | 'fail'
  log: Log
  /** Aborted when the application closes, which ends a start that is still waiting. */
  closing: AbortSignal
}

/** Resolves when the application may start. @throws What the store says, where the option says `'fail'`. */
export async function checkAtStart(options: StartUp): Promise<void> {
  const { client, closing, log, startUp, timeout } = options
  const where = addressOf(client)
  const seldom = new LogThrottle()
  const closed = new Promise<void>((resolve) => closing.addEventListener('abort', () => resolve()))
  while (!closing.aborted) {
    try {
      await within(
        now() + timeout,
        Promise.race([check(options, where), closed]),
        () => new UnavailableError('start-up', `no answer within ${timeout} ms`)
      )
      return
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const explained = message.includes(where) ? message : `${message} (${where})`
      if (startUp === 'fail') throw Object.assign(error as Error, { message: explained })
      if (seldom.isDue(message)) log.error({ code }, `sessions cannot be stored: ${explained}`)
      if (startUp === 'go') return
    }
    await Promise.race([pause(LOOK_AGAIN), closed])
  }
}

async function check({ client, log, prefix, store }: StartUp, where: string): Promise<void> {
  await tryStore(store, `${prefix}start-up:${randomBytes(16).toString('hex')}`)
  await compareClocks(client, log)
  const facts = await readFacts(client)
  if (facts === undefined) {
    log.info(
      {},
      `sessions are kept at ${where}; version and eviction policy are not known: INFO is not allowed, or not there`
    )
    return
  }
  const [version, policy] = [
    facts.get('valkey_version') ?? facts.get('redis_version') ?? '',
    facts.get('maxmemory_policy')
  ]
  const [major = 0, minor = 0] = (facts.get('redis_version') ?? '').split('.').map(Number)
  if (major < 6 || (major === 6 && minor < 2)) {
    log.warn({ version }, `Redis ${version} at ${where} is older than 6.2: sessions may fail`)
  } else {
    const name = facts.has('valkey_version') ? 'Valkey' : 'Redis'
    log.info({ version }, `sessions are kept in ${name} ${version} at ${where}`)
  }
  if (policy !== undefined && policy !== 'noeviction') {
    log.warn({ policy }, `Redis evicts under memory pressure (${policy}): that logs people out`)
  }
}

// The whole life of a record: every command that sessions need, and whether each answers as it must. Every byte is in it.
async function tryStore(store: Store, key: string): Promise<void> {
  await store.ready?.('create')
  await store.ready?.('read')
  const [first, second] = [probe(), probe()]
  const [stale, expected] = [revisionOf(second), revisionOf(first)]
  const end = Date.now() + PROBE_LIFETIME
  must('create', 'stores a record', (await store.create(key, first, end)) === true)
  must('create', 'leaves a record alone', (await store.create(key, second, end)) === false)
  must('read', 'answers with every byte', isRecord(await store.read(key), first))
  must(
    'update',
    'answers a conflict with the record',
    isRecord(await store.update(key, stale, second, end), first)
  )
  must('update', 'replaces a record', (await store.update(key, expected, first, end)) === 'done')
  must('touch', 'patches a record', (await store.touch(key, expected, touchOf(first), end)) === 'done')
  must('read', 'answers with every byte after a change', isRecord(await store.read(key), first))
  must('destroy', 'answers a conflict with the record', isRecord(await store.destroy(key, stale), first))
  must('destroy', 'removes a record', (await store.destroy(key, expected)) === 'done')
  must('destroy', 'finds nothing twice', (await store.destroy(key, expected)) === 'missing')
}

// Random where a revision stands, then each byte that there is.
function probe(): Buffer {
  return Buffer.concat([randomBytes(32), Uint8Array.from({ length: 256 }, (_, byte) => byte)])
}

function isRecord(answer: Outcome | undefined, record: Buffer): boolean {
  return answer instanceof Uint8Array && record.equals(answer)
}

function must(operation: string, what: string, isSo: boolean): void {
  if (!isSo) throw new StoreBrokenError(operation, `never ${what}`)
}

async function compareClocks(
  client: RedisClient & { time?: () => Promise<(number | string)[]> },
  log: Log
): Promise<void> {
  const [before, [seconds] = []] = [Date.now(), await client.time?.().catch(() => undefined)]
  const after = Date.now()
  if (seconds === undefined) return
  const theirs = Number(seconds) * 1_000
  // Somewhere between the two, and TIME is cut to whole seconds here.
  const skew = Math.max(before - theirs - 1_000, theirs - after)
  if (skew <= CLOCK_SKEW) return
  log.warn(
    { seconds: Math.round(skew / 1_000) },
    `the clocks of this process and of Redis differ by ${Math.round(skew / 1_000)} seconds`
  )
}

async function readFacts(
  client: RedisClient & { info?: () => Promise<string> }
): Promise<Map<string, string> | undefined> {
  try {
    const text = await client.info?.()
    return text === undefined
      ? undefined
      : new Map([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]))
  } catch {
    return undefined
  }
}
