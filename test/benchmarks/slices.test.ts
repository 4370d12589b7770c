// What slices say about a server: its cost, its idle share and its marks. The servers and the load are made up, since a
// real one is never idle for a known time.
import t from 'tap'
import type { LoadProcess, SubjectProcess } from '../../benchmarks/server/processes.js'
import { scenarioOf } from '../../benchmarks/server/scenarios.js'
import { type Bench, slicesOf, Trial } from '../../benchmarks/server/slices.js'
import { SUBJECTS, type Subject } from '../../benchmarks/server/subjects.js'

const REQUESTS = 1_000
const SECONDS = 0.1
const PER_TURN = 25

/** A subject whose server needs this many microseconds for a request. A request takes 100 µs. */
function subjectAt(port: number, name: Subject['name'], micros: number, spent: Map<number, number>) {
  const server: SubjectProcess = {
    subject: SUBJECTS[0],
    name,
    port,
    db: 1,
    usage: async () => ({ cpu: (spent.get(port) ?? 0) * micros, turns: (spent.get(port) ?? 0) / PER_TURN }),
    heap: async () => 0,
    startProfile: async () => {},
    stopProfile: async () => ({ own: 0, natives: 0 }),
    stop: async () => {}
  }
  return server
}

async function measure(reference: number, other: number) {
  const spent = new Map<number, number>()
  const load: LoadProcess = {
    begin: async () => {},
    async send({ port }) {
      spent.set(port, (spent.get(port) ?? 0) + REQUESTS)
      return { requests: REQUESTS, seconds: SECONDS, p50: 1, p99: 2 }
    },
    stop: async () => {}
  }
  const bench: Bench = {
    reference: subjectAt(1, 'hand-written', reference, spent),
    subject: subjectAt(2, 'json', other, spent),
    load,
    watch: {
      cpu: async () => 0,
      async count(_db, _requests, send) {
        await send()
        return { commands: 1, executed: 1 }
      }
    }
  }
  const plan = { scenario: scenarioOf('read'), connections: 50, milliseconds: 1, rounds: 2 }
  const trial = new Trial(plan, 1)
  let done = 0
  await trial.run(bench, () => done++)
  const { measured } = trial.result()
  return { done, expected: slicesOf(plan), rows: new Map(measured.map((row) => [row.subject, row])) }
}

t.test('a busy server is idle for a small share, and no row is marked', async (t) => {
  const { rows } = await measure(98, 96)
  const json = rows.get('json')
  t.equal(json?.cpu, 96)
  t.equal(json?.perTurn, PER_TURN)
  t.ok(Math.abs((json?.idle ?? 1) - 0.04) < 1e-9)
  t.equal(json?.notBusy, false)
  t.equal(rows.get('hand-written')?.notBusy, false)
})

t.test('a server that waited is marked', async (t) => {
  const { rows } = await measure(98, 60)
  t.ok(Math.abs((rows.get('json')?.idle ?? 0) - 0.4) < 1e-9)
  t.equal(rows.get('json')?.notBusy, true)
  t.equal(rows.get('hand-written')?.notBusy, false)
})

t.test('if the reference waited, all rows are marked: it is part of every ratio', async (t) => {
  const { rows } = await measure(70, 99)
  t.equal(rows.get('json')?.notBusy, true)
  t.equal(rows.get('hand-written')?.notBusy, true)
})

t.test(
  'CPU time of more than the slice, such as for opening connections, is no negative idle share',
  async (t) => {
    const { rows } = await measure(110, 110)
    t.equal(rows.get('json')?.idle, 0)
  }
)

t.test('slicesOf(): the number of steps that a trial reports', async (t) => {
  const { done, expected } = await measure(98, 96)
  t.equal(done, expected)
})
