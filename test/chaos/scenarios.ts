// All scenarios, in the order of the run.
import { clusterReplicated, clusterUnreplicated } from './cluster-faults.js'
import type { Scenario } from './fault.js'
import { sentinelFullyReplicated, sentinelReplicated, sentinelUnreplicated } from './sentinel-faults.js'
import { durable, guarded, volatile } from './single-faults.js'

export const scenarios = [
  durable,
  guarded,
  volatile,
  sentinelReplicated,
  sentinelFullyReplicated,
  sentinelUnreplicated,
  clusterReplicated,
  clusterUnreplicated
] as readonly Scenario[]
