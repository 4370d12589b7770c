// Checks Redis before the first request. Each finding is one line in the log.
import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { now, pause } from '../clock.js'
import { within } from '../deadline.js'
import { OptionError, StoreBrokenError, UnavailableError } from '../errors.js'
import type { Log } from '../events.js'
import { revisionOf, touchOf } from '../records/record.js'
import { addressOf } from '../stores/address.js'
import type { RedisClient } from '../stores/redis.js'
import type { Outcome, Store } from '../stores/store.js'
import { LogThrottle } from '../throttle.js'
import { serverOf } from './servers.js'

/** Milliseconds between two checks of a Redis that cannot be used yet. */
const RETRY_INTERVAL = 250
/** Milliseconds after which Redis removes the record of the check if the check could not remove it. */
const PROBE_LIFETIME = 5_000
/** Milliseconds by which the clock of Redis may differ from the clock of this process. */
export const MAX_CLOCK_SKEW = 10_000

export interface Start {
  timeout: number
  startUp: 'go' | 'wait' | 'fail'
  log: Log
  /** Aborted when the application closes: it ends a start that is still waiting. */
  closing: AbortSignal
}

interface StartUp extends Start {
  store: Store
  client: RedisClient
  prefix: string
  replicas: number
  /** Whether the index of users is needed: the option `user`. */
  user?: unknown
}

/**
 * Resolves when the application may start.
 * @throws FST_SESSION_OPTION if this server cannot do what an option asks for; the store's error, if the option
 * `startUp` is `'fail'`.
 */
export function checkAtStart(options: StartUp): Promise<void> {
  const { client } = options
  const address = addressOf(client)
  return tryAtStart(
    options,
    (lines) => check(options, address, lines),
    (message) => (message.includes(address) ? message : `${message} (${address})`) + hintFor(client)
  )
}

/**
 * Does this work as often as the option `startUp` says, until it succeeds.
 * @throws FST_SESSION_OPTION; the error of the work, if the option `startUp` is `'fail'`.
 */
export async function tryAtStart(
  { closing, log, startUp, timeout }: Start,
  work: (lines: LogLines) => Promise<unknown>,
  explain = (message: string) => message
): Promise<void> {
  const throttle = new LogThrottle()
  const closed = new Promise<void>((resolve) => closing.addEventListener('abort', () => resolve()))
  while (!closing.aborted) {
    // A check that ends after its deadline logs nothing: another one is under way.
    const lines = new LogLines()
    try {
      await within(
        now() + timeout,
        Promise.race([work(lines), closed]),
        () => new UnavailableError('start-up', `no answer within ${timeout} ms`)
      )
      lines.writeTo(log)
      return
    } catch (error) {
      if (error instanceof OptionError) throw error
      const { code, message } = error as NodeJS.ErrnoException
      const explained = explain(message)
      if (startUp === 'fail') throw Object.assign(error as Error, { message: explained })
      if (throttle.isDue(message)) log.error({ code }, `sessions cannot be stored: ${explained}`)
      if (startUp === 'go') return
    }
    await Promise.race([pause(RETRY_INTERVAL), closed])
  }
}

// ioredis has one of these properties; ioredis-mock, which cannot run the scripts, has neither.
function hintFor(client: RedisClient): string {
  if ('connector' in client || 'connectionPool' in client) return ''
  return '. The client is no client of ioredis: if it imitates Redis for tests, use store: new MemoryStore() instead'
}

/** Keeps log lines until they are wanted. */
class LogLines implements Pick<Log, 'info' | 'warn'> {
  readonly #lines: ((log: Log) => void)[] = []

  warn(details: object, message: string): void {
    this.#lines.push((log) => log.warn(details, message))
  }

  info(details: object, message: string): void {
    this.#lines.push((log) => log.info(details, message))
  }

  writeTo(log: Log): void {
    for (const line of this.#lines) line(log)
  }
}

async function check(
  { client, prefix, replicas, store, user }: StartUp,
  address: string,
  log: Pick<Log, 'info' | 'warn'>
): Promise<void> {
  const key = newProbeKey()
  await probeStore(store, prefix + key)
  if (user !== undefined) await probeIndex(store as Required<Store>, `${prefix}user:${key}`)
  await compareClocks(client, log)
  const facts = await readFacts(client)
  if (facts === undefined) {
    log.info(
      {},
      `sessions are kept at ${address}; version and eviction policy are unknown: allow INFO to have them checked`
    )
    return
  }
  const { name, noReplicas, version, warning } = serverOf(facts, address)
  if (noReplicas !== undefined && replicas > 0)
    throw new OptionError('replicas', `${noReplicas}: leave it out`)
  if (warning === undefined) log.info({ version }, `sessions are kept in ${name} ${version} at ${address}`)
  else log.warn({ version }, warning)
  const policy = facts.get('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') {
    log.warn(
      { policy },
      `Redis evicts keys under memory pressure (${policy}), which logs people out: set maxmemory-policy noeviction`
    )
  }
}

/** A key for a record of the check; the prefix comes before it. */
export function newProbeKey(): string {
  return `start-up:${randomBytes(16).toString('hex')}`
}

// Takes a record through its life: sends every command that sessions need, and checks each answer. The record holds
// every possible byte.
export async function probeStore(store: Store, key: string): Promise<void> {
  await store.ready?.('create')
  await store.ready?.('read')
  const [first, second] = [probe(), probe()]
  const [stale, expected] = [revisionOf(second), revisionOf(first)]
  const end = Date.now() + PROBE_LIFETIME
  must('create', 'store a record', (await store.create(key, first, end)) === true)
  must('create', 'leave a record alone', (await store.create(key, second, end)) === false)
  must('read', 'return every byte', isRecord(await store.read(key), first))
  must(
    'update',
    'answer a conflict with the record',
    isRecord(await store.update(key, stale, second, end), first)
  )
  must('update', 'replace a record', (await store.update(key, expected, first, end)) === 'done')
  must('touch', 'patch a record', (await store.touch(key, expected, touchOf(first), end)) === 'done')
  must('read', 'return every byte after a change', isRecord(await store.read(key), first))
  must('destroy', 'answer a conflict with the record', isRecord(await store.destroy(key, stale), first))
  must('destroy', 'remove a record', (await store.destroy(key, expected)) === 'done')
  must('destroy', 'report a missing record', (await store.destroy(key, expected)) === 'missing')
}

// The same for the index.
export async function probeIndex(store: Required<Store>, key: string): Promise<void> {
  const index = await store.openIndex()
  const login = { entering: 0, from: '', isLogin: true, limit: 1, drop: [], lifetime: PROBE_LIFETIME }
  const handles = async () => (await index.list(key)).map(({ handle }) => handle).join()
  const mark = { record: probe(), expiresAt: Date.now() + 1, always: true }
  must('enter', 'add a session', (await index.enter(key, { ...login, handle: 'a' })) === 'entered')
  must('enter', 'refuse one more', Array.isArray(await index.enter(key, { ...login, handle: 'b' })))
  must('list', 'return the sessions', (await handles()) === 'a')
  must('revoke', 'return the sessions', (await index.revoke(key, [], PROBE_LIFETIME)).join() === 'a')
  must('end', 'leave a mark', (await store.end(`${key}mark`, mark)) === 'missing')
  await index.leave(key, ['a'])
  must('leave', 'remove a session', (await handles()) === '')
}

// Random bytes in the place of a header and its revision, then every possible byte.
function probe(): Buffer {
  return Buffer.concat([randomBytes(32), Uint8Array.from({ length: 256 }, (_, byte) => byte)])
}

function isRecord(answer: Outcome | undefined, record: Buffer): boolean {
  return answer instanceof Uint8Array && record.equals(answer)
}

function must(operation: string, what: string, isMet: boolean): void {
  if (!isMet) throw new StoreBrokenError(operation, `did not ${what}`)
}

async function compareClocks(client: RedisClient, log: Pick<Log, 'warn'>): Promise<void> {
  const skew = await clockSkew(client)
  if (skew === undefined || skew <= MAX_CLOCK_SKEW) return
  const seconds = Math.round(skew / 1_000)
  log.warn(
    { seconds },
    `the clocks of this process and of Redis differ by ${seconds} seconds: synchronize them`
  )
}

/** By how many milliseconds the clocks differ at least; `undefined` if Redis does not say. */
export async function clockSkew(
  client: RedisClient & { time?: () => Promise<(number | string)[]> }
): Promise<number | undefined> {
  const [before, [seconds] = []] = [Date.now(), await client.time?.().catch(() => undefined)]
  const after = Date.now()
  if (seconds === undefined) return undefined
  const theirs = Number(seconds) * 1_000
  // The answer comes from an instant between the two, and only its whole seconds are used.
  return Math.max(0, before - theirs - 1_000, theirs - after)
}

export async function readFacts(
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
