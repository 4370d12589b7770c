// What a CPU profile says about the plugin: its share of the time in which the process ran.
import type { Profiler } from 'node:inspector'

/** Shares of the time in which the process ran. */
export interface Shares {
  /** In functions of `lib/` and `serializers/` themselves. */
  own: number
  /** In functions of V8 and Node without JavaScript that these call, such as `JSON.parse`. */
  natives: number
}

const OWN = /\/dist\/(?:lib|serializers)\//
/** V8's names for what no function does. */
const NOT_RUNNING = '(idle)'
const OUTSIDE = new Set(['(root)', '(program)', '(garbage collector)'])

export function sharesOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Shares {
  const kinds = kindsOf(nodes)
  const sums = { own: 0, natives: 0, other: 0, idle: 0 }
  for (const [index, id] of samples.entries()) sums[kinds.get(id) ?? 'other'] += timeDeltas[index] ?? 0
  const running = sums.own + sums.natives + sums.other
  return running === 0 ? { own: 0, natives: 0 } : { own: sums.own / running, natives: sums.natives / running }
}

type Kind = 'own' | 'natives' | 'other' | 'idle'

function kindsOf(nodes: readonly Profiler.ProfileNode[]): Map<number, Kind> {
  const kinds = new Map<number, Kind>()
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const visit = (node: Profiler.ProfileNode, caller: Kind): void => {
    const kind = kindOf(node, caller)
    kinds.set(node.id, kind)
    for (const id of node.children ?? []) visit(byId.get(id) as Profiler.ProfileNode, kind)
  }
  if (nodes[0] !== undefined) visit(nodes[0], 'other')
  return kinds
}

// A native function belongs to whoever calls it, also through another native function.
function kindOf({ callFrame: { url, functionName } }: Profiler.ProfileNode, caller: Kind): Kind {
  if (functionName === NOT_RUNNING) return 'idle'
  if (OWN.test(url)) return 'own'
  if (url !== '' || OUTSIDE.has(functionName)) return 'other'
  return caller === 'own' || caller === 'natives' ? 'natives' : 'other'
}
