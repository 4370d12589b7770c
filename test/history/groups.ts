// The groups of rounds: each has a Redis, a service with its options, and the faults that apply to both.
import { type Engine, Nodes, Pair, Single } from './engine.js'
import { ANYWHERE, type Fault, ON_CLUSTER, ON_PAIR, ON_SINGLE } from './faults.js'
import type { ServiceOptions } from './service.js'

export interface Group<Struck extends Engine = Engine> {
  name: string
  start(): Promise<Struck>
  service: Omit<ServiceOptions, 'redis'>
  faults: readonly Fault<Struck>[]
}

export const TIMEOUT = 600
const session = { timeout: TIMEOUT, touchAfter: 1 }

const single: Group<Single> = {
  name: 'one server, json, client of the plugin',
  start: () => Single.start(),
  service: { client: 'plugin', session: { ...session, serializer: 'json' } },
  faults: [...ANYWHERE, ...ON_SINGLE]
}

const ownClient: Group<Single> = {
  name: "one server, msgpack, client of the application's own",
  start: () => Single.start(),
  service: { client: 'application', session: { ...session, serializer: 'msgpack' } },
  faults: [...ANYWHERE, ...ON_SINGLE]
}

const rollback: Group<Single> = {
  name: 'one server, msgpack, detectRollback',
  start: () => Single.start(),
  service: { client: 'plugin', session: { ...session, serializer: 'msgpack', detectRollback: true } },
  faults: [...ANYWHERE, ...ON_SINGLE]
}

const replicated = { ...session, serializer: 'msgpack', replicas: 1, replicaTimeout: 250 } as const
const pair: Group<Pair> = {
  name: 'primary and replica, replicas: 1',
  start: () => Pair.start(),
  service: { client: 'plugin', session: replicated },
  faults: [...ANYWHERE, ...ON_PAIR]
}

const pairRollback: Group<Pair> = {
  name: 'primary and replica, replicas: 1, detectRollback',
  start: () => Pair.start(),
  service: { client: 'application', session: { ...replicated, detectRollback: true } },
  faults: [...ANYWHERE, ...ON_PAIR]
}

const cluster: Group<Nodes> = {
  name: 'cluster of three',
  start: () => Nodes.start(),
  service: { client: 'application', session: { ...session, serializer: 'json' } },
  faults: [...ANYWHERE, ...ON_CLUSTER]
}

export const groups = [single, ownClient, rollback, pair, pairRollback, cluster] as readonly Group[]
