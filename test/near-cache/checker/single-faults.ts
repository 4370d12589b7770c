// One Redis, and its faults.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { until } from '../../support/gate.js'
import { type RedisServer, startRedis } from '../../support/redis-server.js'
import { commonFaults, openRoute, type Route, SERVER_FLAGS, type Stage } from './faults.js'

interface Single {
  /** To the Redis that is in use. */
  route: Route
  /** Takes its place in a failover. */
  spare: RedisServer
  random: () => number
}

export async function openSingle(test: Test, processes: number, random: () => number): Promise<Stage> {
  const start = () => startRedis(test, ...SERVER_FLAGS, '--repl-diskless-sync-delay', '0')
  const [redis, spare] = [await start(), await start()]
  const single: Single = { route: await openRoute(test, redis, processes), spare, random }
  const faults = {
    ...commonFaults(async () => single.route, random),
    'Redis killed, and started empty': async (ms: number) => {
      const { server } = single.route
      await server.stop()
      await sleep(ms / 4)
      await server.restart()
    },
    'a failover': (ms: number) => failOver(single, ms)
  }
  return { routes: [single.route], faults }
}

/** Ordered, so that no write is lost; the networks follow one after another. */
async function failOver(single: Single, ms: number): Promise<void> {
  const { route, spare, random } = single
  const { server, networks } = route
  await spare.client.replicaof('127.0.0.1', server.port)
  await until(async () => (await server.client.info('replication')).includes('state=online'))
  await server.client.call('FAILOVER', 'TO', '127.0.0.1', String(spare.port))
  await until(async () => (await spare.client.info('replication')).includes('role:master'))
  route.server = spare
  single.spare = server
  for (const { direct } of networks) direct.wire.lead(spare.port)
  const lines = networks.flatMap(({ data, tracking }) =>
    random() < 0.5 ? [data, tracking] : [tracking, data]
  )
  for (const { wire } of lines) {
    wire.lead(spare.port)
    await sleep((random() * ms) / 10)
  }
  await server.client.replicaof('NO', 'ONE')
}
