// What the part `profile` takes out of a CPU profile, tested with profiles of known shares.
import t from 'tap'
import { sharesOf } from '../../benchmarks/profile/shares.js'

type Node = [id: number, functionName: string, url: string, children?: number[]]

const PLUGIN = 'file:///app/benchmarks/dist/lib/request/load.js'
const SERIALIZER = 'file:///app/benchmarks/dist/serializers/json.js'
const FASTIFY = 'file:///app/node_modules/fastify/lib/route.js'
const NODE = 'node:internal/streams/writable'

/** @param micros For each node, by its number, how long it was on top of the stack. */
function profile(nodes: readonly Node[], micros: Readonly<Record<number, number>>) {
  return {
    nodes: nodes.map(([id, functionName, url, children = []]) => ({
      id,
      children,
      callFrame: { functionName, url, scriptId: '0', lineNumber: 0, columnNumber: 0 }
    })),
    startTime: 0,
    endTime: 0,
    samples: Object.keys(micros).map(Number),
    timeDeltas: Object.values(micros)
  }
}

t.test('profile: own functions count, those of others and waiting do not', async (t) => {
  const nodes: Node[] = [
    [1, '(root)', '', [2, 3, 4, 5]],
    [2, '(idle)', ''],
    [3, '(garbage collector)', ''],
    [4, 'handle', FASTIFY, [6]],
    [5, '(program)', ''],
    [6, 'load', PLUGIN, [7]],
    [7, 'decode', SERIALIZER]
  ]
  const { own, natives } = sharesOf(profile(nodes, { 2: 5_000, 3: 10, 4: 50, 5: 10, 6: 20, 7: 10 }))
  t.equal(own, 0.3)
  t.equal(natives, 0)
})

t.test('profile: a native function counts for whoever called it', async (t) => {
  const nodes: Node[] = [
    [1, '(root)', '', [2, 6]],
    [2, 'commit', PLUGIN, [3, 4]],
    [3, 'latin1Write', '', [7]],
    [4, 'write', NODE, [5]],
    [5, 'writeBuffer', ''],
    [6, 'compile', ''],
    [7, 'copy', '']
  ]
  const { own, natives } = sharesOf(profile(nodes, { 2: 40, 3: 15, 4: 10, 5: 10, 6: 20, 7: 5 }))
  t.equal(own, 0.4)
  t.equal(natives, 0.2)
})

t.test('profile: what the plugin calls back into, it calls again', async (t) => {
  const nodes: Node[] = [
    [1, '(root)', '', [2]],
    [2, 'hook', PLUGIN, [3]],
    [3, 'next', FASTIFY, [4]],
    [4, 'commit', PLUGIN]
  ]
  t.equal(sharesOf(profile(nodes, { 2: 10, 3: 80, 4: 10 })).own, 0.2)
})

t.test('profile: a process that did not run has no shares', async (t) => {
  const nodes: Node[] = [
    [1, '(root)', '', [2]],
    [2, '(idle)', '']
  ]
  t.same(sharesOf(profile(nodes, { 2: 100 })), { own: 0, natives: 0 })
})
