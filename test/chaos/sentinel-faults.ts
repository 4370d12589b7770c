// Faults of a primary and its replicas under Sentinel.
import { setTimeout as sleep } from 'node:timers/promises'
import { lifetime } from '../support/lifetime.js'
import type { RedisServer } from '../support/redis-server.js'
import { startSentinel, type TestSentinel } from '../support/sentinel.js'
import { COMMON, type Engine, type Fault, none, type Scenario } from './fault.js'
import { holdBack, inSync, release } from './replicated.js'

interface SentinelEngine extends Engine {
  sentinel: TestSentinel
  /** The server that a fault killed and nothing has restarted yet. */
  killed: RedisServer | undefined
}

async function open(): Promise<SentinelEngine> {
  const { test, end } = lifetime()
  // With one replica only, a promoted primary would have none to acknowledge its commits.
  const sentinel = await startSentinel(test, { replicas: 2, downAfter: 1_000 })
  const { sentinels, name } = sentinel
  return { redis: { sentinels, name }, sentinel, killed: undefined, close: end }
}

async function rolesOf({ servers, primary }: TestSentinel): Promise<[RedisServer, replicas: RedisServer[]]> {
  const first = await primary()
  return [first, servers.filter((server) => server !== first)]
}

async function killPrimary(engine: SentinelEngine): Promise<void> {
  const { sentinel } = engine
  const primary = await sentinel.primary()
  engine.killed = primary
  await primary.stop()
  await sentinel.promotion(primary)
}

/** Kills the primary when no replica has received the last writes. */
async function killAheadOfReplicas(engine: SentinelEngine, ms: number): Promise<void> {
  const [primary, replicas] = await rolesOf(engine.sentinel)
  await holdBack(primary, replicas)
  await sleep(ms / 4)
  const over = killPrimary(engine)
  await release(replicas)
  await over
}

async function loseReplicas({ sentinel }: SentinelEngine, ms: number): Promise<void> {
  const [primary, replicas] = await rolesOf(sentinel)
  await holdBack(primary, replicas)
  await sleep(ms)
  await release(replicas)
  await inSync(replicas)
}

/** Makes all other servers replicas of the primary. Sentinel would do the same some ten seconds later. */
async function replicate(engine: SentinelEngine): Promise<void> {
  const { sentinel } = engine
  await engine.killed?.restart()
  engine.killed = undefined
  const [primary, replicas] = await rolesOf(sentinel)
  for (const { client } of replicas) await client.replicaof('127.0.0.1', primary.port)
  await inSync(replicas)
}

const ordered: Fault<SentinelEngine> = {
  name: 'failover ordered',
  strike: ({ sentinel }) => sentinel.failover(),
  mend: replicate
}
const killed: Fault<SentinelEngine> = { name: 'primary killed', strike: killPrimary, mend: replicate }
const killedAhead: Fault<SentinelEngine> = {
  name: 'primary killed, its replicas behind',
  strike: killAheadOfReplicas,
  mend: replicate
}

export const sentinelReplicated: Scenario<SentinelEngine> = {
  name: 'Sentinel, two replicas, replicas: 1',
  session: { ...COMMON, replicas: 1, detectRollback: true },
  open,
  faults: [none, { name: 'replicas lost', strike: loseReplicas }, killedAhead, { ...ordered, mayLose: true }]
}

// After an ordered failover the old primary takes writes for another second or two, and the replica that was not
// promoted still follows it. Only a commit that waits for all replicas has reached the new primary.
export const sentinelFullyReplicated: Scenario<SentinelEngine> = {
  name: 'Sentinel, two replicas, replicas: 2',
  session: { ...COMMON, replicas: 2 },
  open,
  faults: [none, ordered]
}

export const sentinelUnreplicated: Scenario<SentinelEngine> = {
  name: 'Sentinel, two replicas, detectRollback',
  session: { ...COMMON, detectRollback: true },
  open,
  faults: [
    none,
    { ...ordered, mayLose: true },
    { ...killed, mayLose: true },
    { ...killedAhead, mayLose: true }
  ]
}
