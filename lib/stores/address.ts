// Where a client connects to, for messages: hosts, ports and paths, but never a user, a password or a database.

interface Endpoint {
  host?: string | null
  port?: number | string | null
}

interface Options extends Endpoint {
  path?: string | null
  sentinels?: Endpoint[] | null
  name?: string | null
}

interface Client {
  options?: Options
  /** The nodes given to a cluster client. They may be ports, or URLs with a password. */
  startupNodes?: (Endpoint | string | number)[]
}

/** A message names this many nodes and counts the rest. */
const MAX_NAMED = 3

export function addressOf(client: object): string {
  const { options = {}, startupNodes } = client as Client
  if (startupNodes !== undefined) return `the cluster at ${list(startupNodes.map(nodeOf))}`
  const { name, path, sentinels } = options
  if (sentinels) return `${name} of the sentinels at ${list(sentinels.map(endpointOf))}`
  return path ? String(path) : endpointOf(options)
}

function nodeOf(node: Endpoint | string | number): string {
  if (typeof node === 'object') return endpointOf(node)
  if (typeof node === 'number') return endpointOf({ port: node })
  // Before the last @ are a user and a password.
  return node
    .replace(/^\w+:\/\//, '')
    .replace(/^.*@/s, '')
    .replace(/[/?#].*$/s, '')
}

function endpointOf({ host, port }: Endpoint): string {
  const name = host || 'localhost'
  return `${name.includes(':') ? `[${name}]` : name}:${port || 6379}`
}

function list(names: string[]): string {
  const more = names.length - MAX_NAMED
  return names.slice(0, MAX_NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
