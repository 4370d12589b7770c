// What can be known of a Redis before the first request comes: one line in the log for each finding.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { within } from './deadline.js'
import { UnavailableError } from './errors.js'
import type { Log } from './events.js'
import { revisionOf, touchOf } from './record.js'
import type { RedisClient } from './stores/redis.js'
import type { Store } from './stores/store.js'

/** Milliseconds between two looks at a Redis that cannot be used yet. */
const LOOK_AGAIN = 250
/** Milliseconds for which the record of the check would stay where it could not be removed. */
const PROBE_LIFETIME = 5_000

export interface StartUp {
  store: Store
  client: RedisClient
  prefix: string
  timeout: number
  startUp: 'go' | 'wait' | 'fail'
  log: Log
}

/** Resolves when the application may start. @throws What the store says, where the option says `'fail'`. */
export async function checkAtStart(options: StartUp): Promise<void> {
  const { log, startUp, timeout } = options
  for (;;) {
    try {
      await within(
        performance.now() + timeout,
        check(options),
        () => new UnavailableError('start-up', `no answer within ${timeout} ms`)
      )
      return
    } catch (error) {
      if (startUp === 'fail') throw error
      const { code, message } = error as NodeJS.ErrnoException
      log.error({ code }, `sessions cannot be stored: ${message}`)
      if (startUp === 'go') return
    }
    await sleep(LOOK_AGAIN)
  }
}

async function check({ client, log, prefix, store }: StartUp): Promise<void> {
  await tryRights(store, `${prefix}start-up:${randomBytes(16).toString('hex')}`)
  const facts = await readFacts(client)
  if (facts === undefined) {
    log.info({}, 'version and eviction policy of Redis are not known: INFO is not allowed, or not there')
    return
  }
  const [version, policy] = [
    facts.get('valkey_version') ?? facts.get('redis_version') ?? '',
    facts.get('maxmemory_policy')
  ]
  const [major = 0, minor = 0] = (facts.get('redis_version') ?? '').split('.').map(Number)
  if (major < 6 || (major === 6 && minor < 2)) {
    log.warn({ version }, `Redis ${version} is older than 6.2: sessions may fail`)
  } else {
    log.info(
      { version },
      `sessions are kept in ${facts.has('valkey_version') ? 'Valkey' : 'Redis'} ${version}`
    )
  }
  if (policy !== undefined && policy !== 'noeviction') {
    log.warn({ policy }, `Redis evicts under memory pressure (${policy}): that logs people out`)
  }
}

// The whole life of a record, as every command that sessions need.
async function tryRights(store: Store, key: string): Promise<void> {
  const record = randomBytes(64)
  const expiresAt = Date.now() + PROBE_LIFETIME
  await store.create(key, record, expiresAt)
  await store.read(key)
  await store.update(key, revisionOf(record), record, expiresAt)
  await store.touch(key, revisionOf(record), touchOf(record), expiresAt)
  await store.destroy(key, revisionOf(record))
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
