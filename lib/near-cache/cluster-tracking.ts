// Tracking on a Redis Cluster: a tracking connection to each primary. Any of them may answer any read, by a redirection,
// and a key may get a new owner. So all primaries must be tracked, and the nodes are asked again and again who they are:
// what they answer is a lease, like a PING. A failover, a moved slot or another primary begins with an empty cache.
// https://redis.io/docs/latest/commands/cluster-nodes/
import type { Cluster, Redis } from 'ioredis'
import { clearInterval, now, setInterval } from '../clock.js'
import { connectionKind } from '../stores/replies.js'
import { LogThrottle } from '../throttle.js'
import { RENEWALS_PER_LEASE, Tracking, type TrackingOptions } from './tracking.js'

/** Milliseconds until the nodes are asked again, at most: it starts again only after that. */
const MAX_INTERVAL = 1_000
/** Milliseconds for which the nodes may disagree, as they do during a failover, before the log says so. */
const PATIENCE = 5_000

export class ClusterTracking {
  readonly #client: Cluster
  readonly #options: TrackingOptions
  readonly #onWritten: (key: string | undefined) => void
  readonly #warnings = new LogThrottle()
  readonly #checking: NodeJS.Timeout
  #primaries = new Map<Redis, Tracking>()
  /** The check that is under way. */
  #check: object | undefined
  /** What all primaries say about the cluster; `undefined` unless they agree and all are tracked. */
  #view: string | undefined
  /** When they were last asked, as `now()`. */
  #leasedAt = Number.NEGATIVE_INFINITY
  #disagreeSince = now()

  /** @param onWritten Called with each key that was written, and with `undefined` if any key may have been. */
  constructor(client: Cluster, options: TrackingOptions, onWritten: (key: string | undefined) => void) {
    this.#client = client
    this.#options = { ...options, onRefused: () => this.close() }
    this.#onWritten = onWritten
    client.on('+node', this.#follow)
    client.on('-node', this.#follow)
    this.#follow()
    const interval = Math.min(options.maxStale / RENEWALS_PER_LEASE, MAX_INTERVAL)
    this.#checking = setInterval(() => this.#renew(), interval).unref()
  }

  /** Whether every write that was answered more than `maxStale` ago has been passed on. */
  get isLive(): boolean {
    if (this.#view === undefined || now() - this.#leasedAt >= this.#options.maxStale) return false
    for (const tracking of this.#primaries.values()) if (!tracking.isLive) return false
    return true
  }

  close(): void {
    clearInterval(this.#checking)
    this.#client.off('+node', this.#follow)
    this.#client.off('-node', this.#follow)
    for (const tracking of this.#primaries.values()) tracking.close()
    this.#disarm()
  }

  #disarm(): void {
    this.#check = undefined
    this.#view = undefined
    this.#onWritten(undefined)
  }

  // Tracks the primaries that the client knows now.
  readonly #follow = (): void => {
    this.#disarm()
    const primaries = new Set(this.#client.nodes('master'))
    for (const [primary, tracking] of this.#primaries) {
      if (primaries.has(primary)) continue
      tracking.close()
      this.#primaries.delete(primary)
    }
    for (const primary of primaries) {
      if (this.#primaries.has(primary)) continue
      this.#primaries.set(primary, new Tracking(primary, this.#options, this.#onWritten))
    }
  }

  async #renew(): Promise<void> {
    if (this.#check !== undefined) return
    const check = {}
    this.#check = check
    const sentAt = now()
    try {
      const views = await Promise.all([...this.#primaries.keys()].map(viewOf))
      // Not if a node joined or left meanwhile.
      if (check !== this.#check) return
      this.#check = undefined
      this.#compare(agreed(views), sentAt)
    } catch (error) {
      if (check !== this.#check) return
      this.#disarm()
      this.#warn(connectionKind(error as Error))
    }
  }

  #compare(view: string | undefined, sentAt: number): void {
    const primaries = this.#client.nodes('master')
    // A promoted replica changes its role in the client without an event.
    const isOutdated = primaries.some((primary) => !this.#primaries.has(primary))
    if (isOutdated || primaries.length !== this.#primaries.size) this.#follow()
    else if (view === undefined || (this.#view !== undefined && view !== this.#view)) this.#disarm()
    else {
      this.#view = view
      this.#leasedAt = this.#disagreeSince = sentAt
    }
    if (now() - this.#disagreeSince > PATIENCE) this.#warn('its nodes do not agree on its primaries')
  }

  #warn(why: string): void {
    if (!this.#warnings.isDue(why)) return
    this.#options.log.warn({ redis: why }, `the near cache is off until the cluster is stable: ${why}`)
  }
}

interface View {
  /** The id of the node that was asked. */
  self: string
  primaries: string[]
  text: string
  isOk: boolean
}

// The votes for a new primary change the epoch of those who vote, before it takes its first write.
async function viewOf(node: Redis): Promise<View> {
  const [nodes, info] = await Promise.all([node.call('CLUSTER', 'NODES'), node.call('CLUSTER', 'INFO')])
  const lines = String(nodes).trim().split('\n')
  let self = ''
  const primaries: string[] = []
  const owned: string[] = []
  let isOk = String(info).includes('cluster_state:ok')
  for (const line of lines) {
    const [id = '', , flags = '', , , , , , ...rest] = line.split(' ')
    const roles = flags.split(',')
    if (roles.includes('myself')) self = id
    // Slots that are about to move stand in brackets, and only their own node says so.
    const slots = rest.filter((slot) => !slot.startsWith('['))
    const isLost = roles.includes('fail') || roles.includes('noaddr')
    if (!roles.includes('master') || (isLost && slots.length === 0)) continue
    if (isLost) isOk = false
    primaries.push(id)
    owned.push([id, ...slots].join(' '))
  }
  const epoch = /cluster_current_epoch:(\d+)/.exec(String(info))?.[1]
  return { self, primaries, text: [epoch, ...owned.sort()].join('\n'), isOk }
}

/** What these nodes say, if they are all primaries and say the same. */
function agreed(views: View[]): string | undefined {
  const [first] = views
  const asked = new Set(views.map(({ self }) => self))
  if (first?.primaries.length !== asked.size) return undefined
  const isAgreed = views.every(({ isOk, text }) => isOk && text === first.text)
  return isAgreed && first.primaries.every((id) => asked.has(id)) ? first.text : undefined
}
