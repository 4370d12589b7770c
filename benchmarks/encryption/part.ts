// The part `encryption`: what a store in memory costs with and without the option `encryption`, without a server.
import { randomBytes } from 'node:crypto'
import { KeyList } from '../../lib/encryption/keys.js'
import { sealedStore } from '../../lib/encryption/sealed-store.js'
import { Sealer } from '../../lib/encryption/sealer.js'
import { MemoryStore, type Store } from '../../lib/index.js'
import { newHeader } from '../../lib/records/expiry.js'
import { DEFAULT_DURATION, recordBytes, UnsealedRecord } from '../../lib/records/record.js'
import type { Options, Part } from '../part.js'
import type { Column, Row } from '../results.js'
import { median } from '../statistics.js'

const SIZES = { '250 B': 250, '10 KB': 10_000 }
const QUICK = { rounds: 5, calls: 5_000 }
const THOROUGH = { rounds: 25, calls: 20_000 }
/** Both operations, with and without. */
const VARIANTS = 4
/** What a call takes about, for the estimate of the time. */
const SECONDS_OF_A_CALL = 20e-6
const LIFETIMES = {
  idleTimeout: 86_400,
  permanentLifetime: 86_400,
  absoluteTimeout: undefined,
  touchAfter: 60,
  rolling: true
}

const COLUMNS: readonly Column[] = [
  { key: 'record', title: 'record', role: 'name' },
  { key: 'operation', title: 'operation', role: 'name' },
  { key: 'plain', title: 'without, µs of CPU', role: 'note', digits: 1 },
  { key: 'sealed', title: 'with, µs of CPU', role: 'note', digits: 1 },
  { key: 'added', title: 'encryption adds, µs', role: 'cost', digits: 1 }
]

type Call = (store: Store) => Promise<unknown>

export const measureEncryption: Part = {
  work(options) {
    const { calls, rounds } = sizeOf(options)
    const all = Object.keys(SIZES).length * VARIANTS * (rounds + 1) * calls
    return { seconds: all * SECONDS_OF_A_CALL, starts: 0, signIns: 0, requests: 0, orders: 0 }
  },
  async run({ options, progress }) {
    progress.begin('Encryption', (Object.keys(SIZES).length * VARIANTS) / 2)
    const rows: Row[] = []
    for (const [record, bytes] of Object.entries(SIZES)) {
      for (const [operation, call] of Object.entries(await callsOf(bytes))) {
        rows.push({ record, operation, ...(await compare(call, options)) })
        progress.step(`${operation} ${record}`)
      }
    }
    progress.end()
    return [{ name: 'encryption', title: 'A store in memory, one call', columns: COLUMNS, rows }]
  }
}

const memory = new MemoryStore()
const encrypted = sealedStore(
  memory,
  new Sealer(new KeyList([randomBytes(32)]), { required: true, seal: true })
)

/** Random payloads, since encryption takes as long for every payload. */
async function callsOf(bytes: number): Promise<Record<string, Call>> {
  const payload = randomBytes(bytes - recordBytes(0))
  const record = new UnsealedRecord(payload).seal(newHeader(DEFAULT_DURATION, LIFETIMES, Date.now()))
  const end = Date.now() + 86_400_000
  const keyOf = (store: Store) => `${store === memory ? 'plain' : 'sealed'}:${bytes}`
  for (const store of [memory, encrypted]) await store.create(keyOf(store), record.bytes, end)
  return {
    read: (store) => store.read(keyOf(store)),
    // A copy, since a record that is sent again is not sealed again.
    write: (store) => store.update(keyOf(store), record.revision, Buffer.from(record.bytes), end)
  }
}

async function compare(call: Call, options: Options): Promise<Row> {
  const { calls, rounds } = sizeOf(options)
  const times = { plain: [] as number[], sealed: [] as number[], added: [] as number[] }
  for (let round = 0; round <= rounds; round++) {
    const plain = await cpuOf(() => call(memory), calls)
    const sealed = await cpuOf(() => call(encrypted), calls)
    // The first round warms up.
    if (round === 0) continue
    times.plain.push(plain)
    times.sealed.push(sealed)
    times.added.push(sealed - plain)
  }
  return { plain: median(times.plain), sealed: median(times.sealed), added: median(times.added) }
}

/** Microseconds of this process's CPU for one call. */
async function cpuOf(call: () => Promise<unknown>, calls: number): Promise<number> {
  const before = process.cpuUsage()
  for (let n = 0; n < calls; n++) await call()
  const { system, user } = process.cpuUsage(before)
  return (system + user) / calls
}

function sizeOf({ quick }: Options): typeof QUICK {
  return quick ? QUICK : THOROUGH
}
