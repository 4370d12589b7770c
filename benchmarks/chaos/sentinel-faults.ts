// What can happen to a primary and its replica under Sentinel.
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../test/support/gate.js'
import type { RedisServer } from '../../test/support/redis-server.js'
import { startSentinel, type TestSentinel } from '../../test/support/sentinel.js'
import { COMMON, type Engine, type Fault, none, type Scenario } from './fault.js'
import { catchUp, holdBack, inSync, lifetime } from './replicated.js'

interface SentinelEngine extends Engine {
  sentinel: TestSentinel
}

async function open(): Promise<SentinelEngine> {
  const { test, end } = lifetime()
  const sentinel = await startSentinel(test, { downAfter: 1_000 })
  const { sentinels, name } = sentinel
  return { redis: { sentinels, name }, sentinel, close: end }
}

async function pairOf({
  servers,
  primary
}: TestSentinel): Promise<[primary: RedisServer, replica: RedisServer]> {
  const first = await primary()
  const second = servers.find((server) => server !== first)
  if (second === undefined) throw new Error('no replica')
  return [first, second]
}

async function killPrimary({ sentinel }: SentinelEngine): Promise<void> {
  const [primary] = await pairOf(sentinel)
  await primary.stop()
  await sentinel.promotion(primary)
}

/** The same when the replica has not heard of the last writes. */
async function killAheadOfReplica(engine: SentinelEngine, ms: number): Promise<void> {
  const [primary, replica] = await pairOf(engine.sentinel)
  await holdBack(primary.client, replica.client)
  await sleep(ms / 4)
  await killPrimary(engine)
}

/** The killed server comes back as the replica of the other, and Sentinel knows of it. */
async function restart({ sentinel }: SentinelEngine): Promise<void> {
  const [primary, killed] = await pairOf(sentinel)
  await primary.client.config('SET', 'masteruser', '')
  await primary.client.config('SET', 'masterauth', '')
  await killed.restart()
  // Sentinel would do the same, some ten seconds later.
  await killed.client.replicaof('127.0.0.1', primary.port)
  await inSync(killed.client)
}

async function loseReplica({ sentinel }: SentinelEngine, ms: number): Promise<void> {
  const [primary, replica] = await pairOf(sentinel)
  await holdBack(primary.client, replica.client)
  await sleep(ms)
  await catchUp(replica.client)
}

async function settle({ sentinel }: SentinelEngine): Promise<void> {
  const [, replica] = await pairOf(sentinel)
  await until(async () => (await replica.client.info('replication')).includes('role:slave'))
  await inSync(replica.client)
}

const ordered: Fault<SentinelEngine> = {
  name: 'failover ordered',
  strike: ({ sentinel }) => sentinel.failover(),
  mend: settle
}
const killed: Fault<SentinelEngine> = { name: 'primary killed', strike: killPrimary, mend: restart }
const killedAhead: Fault<SentinelEngine> = {
  name: 'primary killed, its replica behind',
  strike: killAheadOfReplica,
  mend: restart
}

export const sentinelReplicated: Scenario<SentinelEngine> = {
  name: 'Sentinel, replicas: 1',
  session: { ...COMMON, replicas: 1 },
  open,
  faults: [none, { name: 'replica lost', strike: loseReplica }, ordered, killedAhead]
}

export const sentinelUnreplicated: Scenario<SentinelEngine> = {
  name: 'Sentinel, detectRollback',
  session: { ...COMMON, detectRollback: true },
  open,
  faults: [
    none,
    { ...ordered, mayLose: true },
    { ...killed, mayLose: true },
    { ...killedAhead, mayLose: true }
  ]
}
