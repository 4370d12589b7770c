// One process of the checker: reads all sessions through its near cache, writes those that are its own, and notes what it
// was served and answered. It stops when it is told to, and reports.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Codec } from '../../../lib/data/codec.js'
import type { Entry } from '../../../lib/near-cache/entry.js'
import { NearCacheStore } from '../../../lib/near-cache/near-cache.js'
import { newHeader, touched } from '../../../lib/records/expiry.js'
import type { Commit } from '../../../lib/records/lineage.js'
import {
  DEFAULT_DURATION,
  followed,
  type Header,
  openRecord,
  type SessionRecord,
  touchOf,
  UnsealedRecord
} from '../../../lib/records/record.js'
import { Draft } from '../../../lib/session/draft.js'
import { type RedisClient, RedisStore } from '../../../lib/stores/redis.js'
import { serializers } from '../../../serializers/index.js'
import { until } from '../../support/gate.js'
import { connectToCluster, connectToOne, type Ports } from './clients.js'
import { ENDED, type Fact, type Facts } from './stale.js'

export interface Task {
  process: number
  processes: number
  slots: number
  /** One Redis, or the nodes of a cluster. */
  servers: [Ports, ...Ports[]]
  isCluster: boolean
  /** Seconds. */
  maxStale: number
  /** Milliseconds between two writes. */
  pause: number
}

export interface Counts {
  reads: number
  hits: number
  writes: number
  ended: number
  errors: number
  /** Reads that were to show at least a commit. */
  seen: number
  /** Requests that looked at shared data, and changed all that they could. */
  looks: number
}

export interface Report extends Facts {
  counts: Counts
  /** Reads that did not show the commit that they had to. */
  unseen: string[]
  /** Sessions in which a request found what it had not stored. */
  leaked: string[]
}

const PREFIX = 'session:'
const READERS = 4
const READS_PER_TURN = 50
const MIN_HITS = 500
const MIN_SEEN = 20
const LIFETIMES = {
  idleTimeout: 3_600,
  permanentLifetime: 3_600,
  absoluteTimeout: undefined,
  touchAfter: 60,
  rolling: true
}

const task: Task = JSON.parse(process.argv[2] ?? '')
const counts: Counts = { reads: 0, hits: 0, writes: 0, ended: 0, errors: 0, seen: 0, looks: 0 }
const served = new Map<string, Fact>()
const stored = new Map<string, Fact>()
const unseen: string[] = []
const leaked: string[] = []
const CONTENT = JSON.stringify({ count: 1, cart: { items: ['tea', { sku: 7 }] } })
const codec = new Codec(serializers.json, [], 1_048_576)
let isStopped = false
process.on('message', (what) => {
  if (what === 'stop') isStopped = true
  else serving().then(() => process.send?.('serving'))
})

const log = { info() {}, warn() {}, error() {} }
const clients = task.isCluster ? connectToCluster(task.servers) : connectToOne(task.servers[0], log)
class CountedStore extends RedisStore {
  reads = 0
  override read(key: string): Promise<Buffer | undefined> {
    this.reads++
    return super.read(key)
  }
}
const inner = new CountedStore(clients.near as RedisClient, { connectionOf: () => clients.connection })
const limits = { maxStale: task.maxStale, maxBytes: 10_000_000 }
const near = new NearCacheStore(inner, clients.near, { ...limits, prefix: PREFIX, lifetimes: LIFETIMES, log })
const sure = new RedisStore(clients.direct as RedisClient)

const generations = Array.from({ length: task.slots }, () => 1)
const work = Promise.all([write(), ...Array.from({ length: READERS }, read)])
// A fault that strikes before proves nothing.
await serving()
process.send?.('serving')
await work
near.close()
await clients.close()
counts.hits = hits()
const report: Report = { served: [...served.values()], stored: [...stored.values()], counts, unseen, leaked }
process.send?.(report, () => process.exit())

function hits(): number {
  return counts.reads - inner.reads
}

/** Resolves when reads are served from memory. Some are under way, and counted by half. */
function serving(): Promise<void> {
  const before = hits()
  return until(() => hits() > before + READERS)
}

// However slow the machine is, a run in which hardly anything was served proves nothing.
function isOver(): boolean {
  return isStopped && hits() >= MIN_HITS && counts.seen >= MIN_SEEN && counts.looks > 0
}

/** Milliseconds by the clock of the machine. */
function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function keyOf(slot: number, generation: number): string {
  return `${PREFIX}${slot}.${generation}`
}

function versionOf(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? ENDED : openRecord(bytes).header.counter
}

/** @param process Whose near cache has had the answer; `undefined`: none. */
function note(key: string, version: number, process?: number): void {
  const id = `${process} ${key} ${version}`
  if (!stored.has(id)) stored.set(id, { process, key, version, at: clock() })
}

// ---------------------------------------------------------------- reading

async function read(): Promise<void> {
  while (!isOver()) {
    for (let reads = 0; reads < READS_PER_TURN; reads++) {
      const slot = Math.floor(Math.random() * task.slots)
      try {
        if (Math.random() < 0.05) await readSeen(slot)
        else await readOne(slot)
      } catch {
        counts.errors++
      }
    }
    await nextTurn()
  }
}

async function readOne(slot: number): Promise<void> {
  // What has ended may not come back.
  const generation = (generations[slot] ?? 1) - (Math.random() < 0.05 ? 1 : 0)
  const version = await serve(keyOf(slot, generation))
  if (version !== ENDED) return
  if ((await serve(keyOf(slot, generation + 1))) !== ENDED) generations[slot] = generation + 1
}

async function serve(key: string): Promise<number> {
  const at = clock()
  counts.reads++
  const version = versionOf(await show(key))
  if (version !== ENDED) served.set(`${key} ${version}`, { process: task.process, key, version, at })
  return version
}

/** What a request is shown. */
async function show(key: string, seen?: Commit): Promise<Buffer | undefined> {
  const entry = near.copyOf(key, seen)
  if (entry === undefined) return near.read(key)
  if (Math.random() < 0.1) look(key, entry)
  return entry.bytes
}

// What two requests of this process do at once: each looks, and changes what it was given.
function look(key: string, entry: Entry): void {
  counts.looks++
  const own = () => entry.copy() ?? codec.decode(entry.header.tag, entry.payload)
  const open = () =>
    new Draft({ beforeChange() {}, afterHandOut() {} }, undefined, own, () => entry.share(codec))
  const [one, other] = [open(), open()]
  const peeked = one.peek('cart') as { items: unknown[] }
  if (Reflect.set(peeked.items, 0, 'planted') || Reflect.set(peeked, 'planted', 1)) leaked.push(key)
  const given = one.get('cart') as { items: { sku?: number }[] }
  Object.assign(given.items[1] ?? {}, { sku: 8 })
  given.items.push({})
  one.set('count', 2)
  const found = JSON.stringify({ count: other.get('count'), cart: other.peek('cart') })
  if (found !== CONTENT || JSON.stringify(other.all()) !== CONTENT) leaked.push(key)
}

async function readSeen(slot: number): Promise<void> {
  const key = keyOf(slot, generations[slot] ?? 1)
  const there = await sure.read(key)
  const version = versionOf(there)
  if (there === undefined) return
  note(key, version)
  counts.seen++
  const shown = versionOf(await show(key, openRecord(there).header))
  counts.reads++
  if (shown < version) unseen.push(`${key}: ${version} was seen, ${shown} shown`)
}

// ---------------------------------------------------------------- writing

interface Owned {
  slot: number
  generation: number
  record: SessionRecord | undefined
}

async function write(): Promise<void> {
  const owned: Owned[] = Array.from({ length: task.slots }, (_, slot) => ({
    slot,
    generation: 0,
    record: undefined
  }))
  const mine = owned.filter(({ slot }) => slot % task.processes === task.process)
  while (!isOver()) {
    const session = mine[Math.floor(Math.random() * mine.length)]
    try {
      if (session !== undefined) await change(session)
      counts.writes++
    } catch {
      counts.errors++
    }
    await sleep(task.pause)
  }
}

async function change(session: Owned): Promise<void> {
  const { record } = session
  if (record === undefined) {
    await begin(session)
    return
  }
  const key = keyOf(session.slot, session.generation)
  const what = Math.random()
  if (what < 0.1) {
    await near.destroy(key, record.revision).then((outcome) => settle(session, outcome, undefined))
  } else if (what < 0.2) {
    const next = recordOf(touched(record.header, DEFAULT_DURATION, LIFETIMES, Date.now()))
    const outcome = await near.touch(key, record.revision, touchOf(next.bytes), later())
    settle(session, outcome, next)
  } else {
    const next = recordOf(followed(record.header))
    settle(session, await near.update(key, record.revision, next.bytes, later()), next)
  }
}

async function begin(session: Owned): Promise<void> {
  const record = recordOf({ ...newHeader(DEFAULT_DURATION, LIFETIMES, Date.now()), tag: 1 })
  const key = keyOf(session.slot, session.generation + 1)
  if (await near.create(key, record.bytes, later())) session.record = record
  else {
    // An earlier creation was not answered.
    const there = await near.read(key)
    session.record = there && openRecord(there)
  }
  session.generation++
  note(key, 1, task.process)
}

function settle(
  session: Owned,
  outcome: 'done' | 'missing' | Uint8Array,
  next: SessionRecord | undefined
): void {
  const key = keyOf(session.slot, session.generation)
  if (outcome === 'missing') session.record = undefined
  else if (outcome === 'done') session.record = next
  else session.record = openRecord(Buffer.from(outcome))
  if (session.record === undefined) counts.ended++
  note(key, session.record?.header.counter ?? ENDED, task.process)
}

function recordOf(header: Header): SessionRecord {
  return new UnsealedRecord(CONTENT).seal(header)
}

function later(): number {
  return Date.now() + 3_600_000
}
