// Which server keeps the sessions, by its answer to INFO, and what it cannot do.

export interface Server {
  name: string
  version: string
  /** What can be lost there, and the cure. */
  warning?: string
  /** Why no write can wait for replicas. */
  noReplicas?: string
}

export type Facts = ReadonlyMap<string, string>

/** The servers that imitate Redis tell its version too, and add a line of their own. */
const SERVERS: readonly [line: string, name: string, limits?: (facts: Facts) => Partial<Server>][] = [
  ['valkey_version', 'Valkey'],
  ['redict_version', 'Redict'],
  ['dragonfly_version', 'Dragonfly', () => ({ noReplicas: 'Dragonfly has no WAIT' })],
  [
    'garnet_version',
    'Garnet',
    () => ({
      warning:
        'Garnet runs scripts atomically only with --lua-transaction-mode: without it, parallel requests lose changes ' +
        'and a logout can be undone; start it with --lua --lua-transaction-mode'
    })
  ],
  ['mvcc_depth', 'KeyDB', limitsOfKeyDB]
]

/** Of Redis, major and minor. */
const OLDEST = 6.2

export function serverOf(facts: Facts, address: string): Server {
  const [line, name, limits] = SERVERS.find(([key]) => facts.has(key)) ?? ['redis_version', 'Redis']
  const imitated = facts.get('redis_version') ?? ''
  const version = (name === 'KeyDB' ? imitated : facts.get(line))?.replace(/^df-v/, '') ?? ''
  if (Number.parseFloat(imitated) < OLDEST) {
    const warning = `${name} ${version} at ${address} is older than ${OLDEST}, so sessions may fail: upgrade it`
    return { name, version, warning }
  }
  return { name, version, ...limits?.(facts) }
}

// An active replica takes writes of its own, and the later one of two conflicting writes wins.
function limitsOfKeyDB(facts: Facts): Partial<Server> {
  if (facts.get('role') !== 'active-replica') return {}
  return {
    warning:
      'this KeyDB is an active replica: of two changes on two servers one is lost, and a logout can be undone; ' +
      'let one server take all writes'
  }
}
