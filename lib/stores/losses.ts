// What can be known of the connections of a client: how often one was lost. A client that sends a command again by itself
// does not say that it did; a connection that was lost meanwhile says that it may have.
import type { EventEmitter } from 'node:events'

export interface Losses {
  /** How many connections have been lost so far. */
  readonly lost: number
  /** How often the client was ready for commands. */
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

/** One listener for each event of a client, however many registrations use it. */
const watched = new WeakMap<object, Losses>()

/** Begins to watch this client; one that has no events loses nothing as far as anybody knows. */
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
  // A node is made anew when it is needed again.
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
