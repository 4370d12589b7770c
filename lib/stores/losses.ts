// Counts the lost connections of a client. A client may resend a command without reporting it, but only after it has
// lost a connection.
import type { EventEmitter } from 'node:events'

export interface Losses {
  /** The number of connections lost so far. */
  readonly lost: number
  /** How often the client has become ready for commands. */
  readonly ready: number
}

interface Client extends Pick<EventEmitter, 'on'> {
  readonly isCluster?: boolean
  nodes?(): Client[]
}

interface Counts {
  lost: number
  ready: number
}

/** Registrations that share a client also share its listeners. */
const watched = new WeakMap<object, Losses>()

/** Watches this client from now on. The counts stay 0 if it emits no events. */
export function lossesOf(client: object): Losses {
  const known = watched.get(client)
  if (known !== undefined) return known
  const counts = { lost: 0, ready: 0 }
  watched.set(client, counts)
  if (isEmitter(client)) watch(client, counts)
  return counts
}

function watch(client: Client, counts: Counts): void {
  client.on('close', () => {
    counts.lost++
  })
  client.on('ready', () => {
    counts.ready++
  })
  if (client.isCluster !== true) return
  // ioredis recreates nodes, and may report one twice.
  const nodes = new WeakSet<Client>()
  const add = (node: Client) => {
    if (nodes.has(node)) return
    nodes.add(node)
    node.on('close', () => {
      counts.lost++
    })
  }
  for (const node of client.nodes?.() ?? []) add(node)
  client.on('+node', add)
}

function isEmitter(client: object): client is Client {
  return 'on' in client && typeof client.on === 'function'
}
