// The contracts find stores and serializers that break them, and say why.
import { setImmediate } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { deserialize, serialize } from 'node:v8'
import t from 'tap'
import { type Contract, serializerContract, storeContract } from '../contracts/index.js'
import { MapStore } from '../examples/map-store.js'
import { isTombstone } from '../lib/records/record.js'
import { RedisStore } from '../lib/stores/redis.js'
import type { Mark, Outcome, Store } from '../lib/stores/store.js'
import type { Dictionary, Serializer } from '../serializers/serializer.js'
import { PATIENCE } from './contracts/serializer.js'
import v8 from './contracts/v8.js'
import { startRedis } from './support/redis-server.js'

/** The clauses that fail, with their messages. */
async function failures(contract: Contract): Promise<Map<string, string>> {
  const failed = new Map<string, string>()
  for (const { name, run } of contract) {
    await run().catch((error: Error) =>
      failed.set(name, `${error.message} ${(error.cause as Error)?.message}`)
    )
  }
  return failed
}

class WithNull extends MapStore {
  override async read(key: string) {
    return ((await super.read(key)) ?? null) as Buffer<ArrayBuffer> | undefined
  }
}

class WithPlainBytes extends MapStore {
  override async read(key: string) {
    const record = await super.read(key)
    return (record && new Uint8Array(record)) as Buffer<ArrayBuffer> | undefined
  }
}

class WithoutRevision extends MapStore {
  override async update(key: string, revision: Uint8Array, record: Uint8Array, expiresAt: number) {
    const there = await this.read(key)
    return super.update(key, there?.subarray(14, 32) ?? revision, record, expiresAt)
  }
}

/** Keeps the memory in which a small Buffer lies. */
class WithPools extends MapStore {
  override async create(key: string, record: Uint8Array, expiresAt: number) {
    return super.create(key, new Uint8Array(record.buffer), expiresAt)
  }
}

class WithoutCopies extends MapStore {
  readonly #given = new Map<string, Uint8Array>()
  override async create(key: string, record: Uint8Array, expiresAt: number) {
    this.#given.set(key, record)
    return super.create(key, record, expiresAt)
  }
  override async read(key: string) {
    const given = this.#given.get(key)
    return given && Buffer.from(given)
  }
}

class WithoutAnswers extends MapStore {
  override async destroy(): Promise<Outcome> {
    return new Promise(() => {})
  }
}

/** Compares the last 10 bytes of a revision, which are those of a touch. */
class WithHalfARevision extends MapStore {
  override async destroy(key: string, revision: Uint8Array) {
    const there = await this.read(key)
    const isSame = there?.subarray(22, 32).equals(revision.subarray(8))
    return super.destroy(key, isSame ? (there?.subarray(14, 32) ?? revision) : revision)
  }
}

/** As databases compare texts, unless they are told otherwise. */
class WithFoldedKeys extends MapStore {
  override async read(key: string) {
    return super.read(fold(key))
  }
  override async create(key: string, record: Uint8Array, expiresAt: number) {
    return super.create(fold(key), record, expiresAt)
  }
}

function fold(key: string): string {
  return key.normalize('NFC').toLowerCase().trimEnd()
}

/** Leaves the mark in place of a record that has expired. */
class WithMarksOfExpired extends MapStore {
  readonly #known = new Set<string>()
  override async create(key: string, record: Uint8Array, expiresAt: number) {
    this.#known.add(key)
    return super.create(key, record, expiresAt)
  }
  async end(key: string): Promise<Outcome> {
    const there = await this.read(key)
    if (there !== undefined) return this.destroy(key, there.subarray(14, 32))
    return this.#known.has(key) ? 'done' : 'missing'
  }
}

/** Compares, and writes later. */
class InTwoSteps extends MapStore {
  override async update(
    key: string,
    revision: Uint8Array,
    record: Uint8Array,
    expiresAt: number
  ): Promise<Outcome> {
    const there = await this.read(key)
    if (there === undefined) return 'missing'
    if (!there.subarray(14, 32).equals(revision)) return there
    await setImmediate()
    await this.destroy(key, (await this.read(key))?.subarray(14, 32) ?? revision)
    await this.create(key, record, expiresAt)
    return 'done'
  }
}

class WithoutNewExpiry extends MapStore {
  readonly #ends = new Map<string, number>()
  override async create(key: string, record: Uint8Array, expiresAt: number) {
    this.#ends.set(key, expiresAt)
    return super.create(key, record, expiresAt)
  }
  override async touch(key: string, revision: Uint8Array, patch: Uint8Array, _expiresAt: number) {
    return super.touch(key, revision, patch, this.#ends.get(key) ?? 0)
  }
}

class WithWholeSeconds extends MapStore {
  override async create(key: string, record: Uint8Array, expiresAt: number) {
    return super.create(key, record, Math.ceil(expiresAt / 1_000) * 1_000)
  }
}

/** Some reads at the moment of a rounded end still find the record. */
class WithTornSeconds extends WithWholeSeconds {
  readonly #given = new Map<string, Uint8Array>()
  #tornAt = 0
  override async create(key: string, record: Uint8Array, expiresAt: number) {
    this.#given.set(key, record)
    return super.create(key, record, expiresAt)
  }
  override async read(key: string) {
    const record = await super.read(key)
    const given = this.#given.get(key)
    if (record !== undefined || given === undefined || Date.now() - this.#tornAt < 100) return record
    this.#tornAt = Date.now()
    return Buffer.from(given)
  }
}

/** Reads, and ends later. */
class WithEndInTwoSteps extends MapStore {
  async end(key: string, mark?: Mark): Promise<Outcome> {
    const there = await this.read(key)
    await setImmediate()
    if (there !== undefined && isTombstone(there)) return there
    const now = await this.read(key)
    if (now !== undefined) await this.destroy(key, now.subarray(14, 32))
    if (mark !== undefined && (there !== undefined || mark.always === true)) {
      await this.create(key, mark.record, mark.expiresAt)
    }
    return there === undefined ? 'missing' : 'done'
  }
}

/** What a query by `LIKE` finds in a database that compares without case. */
abstract class WithKeys extends MapStore {
  readonly #known = new Set<string>()
  override async create(key: string, record: Uint8Array, expiresAt: number) {
    this.#known.add(key)
    return super.create(key, record, expiresAt)
  }
  async *keys(prefix: string) {
    const found = [...this.#known].filter((key) => this.isLike(key, prefix))
    const alive = []
    for (const key of found) if (!this.checksExpiry || (await this.read(key))) alive.push(key)
    yield alive.slice(0, this.page)
  }
  readonly page: number = Number.POSITIVE_INFINITY
  readonly checksExpiry: boolean = true
  isLike(key: string, prefix: string): boolean {
    return key.startsWith(prefix)
  }
}

class WithKeysByLike extends WithKeys {
  override isLike(key: string, prefix: string) {
    const pattern = prefix
      .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replace(/_/g, '.')
      .replace(/%/g, '.*')
    return new RegExp(`^${pattern}`).test(key)
  }
}

class WithKeysOfAnyCase extends WithKeys {
  override isLike(key: string, prefix: string) {
    return key.toLowerCase().startsWith(prefix.toLowerCase())
  }
}

class WithOnePageOfKeys extends WithKeys {
  override readonly page = 100
}

class WithExpiredKeys extends WithKeys {
  override readonly checksExpiry = false
}

const KEYS = 'keys(): those that begin with the prefix, whatever characters are in it'

const PROCESSES = 'update(): of parallel processes none loses a change'

const BROKEN_STORES: [new () => Store, clause: string, why: RegExp][] = [
  [
    WithNull,
    'all operations: a key that was never stored is missing',
    /must return undefined if there is no record, not null/
  ],
  [WithPlainBytes, 'bytes: every byte is kept', /read\(\) must return a Buffer, not another Uint8Array/],
  [
    WithoutRevision,
    'update(), touch(): with another revision they write nothing and return the record',
    /the answer must be the record, not done/
  ],
  [
    InTwoSteps,
    'update(): of parallel calls exactly one succeeds, and all others return its record',
    /\d parallel calls of update\(\) succeeded: compare and write in one step/
  ],
  [InTwoSteps, 'all operations: parallel ones on one key take effect one after another', /no order explains/],
  [
    WithHalfARevision,
    'destroy(): with another revision it deletes nothing',
    /the answer must be the record, not done/
  ],
  [WithFoldedKeys, 'keys: records under different keys are independent', /./],
  [WithWholeSeconds, 'expiresAt: is not rounded to seconds', /keep expiresAt exactly/],
  [WithTornSeconds, 'expiresAt: is not rounded to seconds', /keep expiresAt exactly/],
  [
    WithEndInTwoSteps,
    'all operations: parallel ones on one key take effect one after another',
    /no order explains/
  ],
  [WithKeysByLike, KEYS, /./],
  [WithKeysOfAnyCase, KEYS, /./],
  [WithOnePageOfKeys, KEYS, /./],
  [WithExpiredKeys, KEYS, /./],
  [WithMarksOfExpired, 'end(): an expired key is missing', /done/],
  [WithoutNewExpiry, 'touch(): changes the expiry', /should have expired, and read\(\) still returns it/],
  [WithPools, 'bytes: every byte is kept', /\d bytes instead of 288, .*: it is Node's pool of small Buffers/],
  // Before any process starts: they would change bytes that are no revision until their time is over.
  [
    WithPools,
    PROCESSES,
    /\d bytes instead of 39, .* Keep and return a copy of the bytes, not their `buffer`/
  ],
  [
    WithoutCopies,
    'bytes: modifying arguments or results does not modify the record',
    /after its arguments .* changed/
  ],
  [
    WithoutAnswers,
    'destroy(): with another revision it deletes nothing',
    /"destroy\(\): with another .*" has not ended after 0.2 seconds: settle each call, .* or give the option patience/
  ]
]

for (const [Broken, clause, why] of BROKEN_STORES) {
  t.test(`storeContract: finds ${Broken.name} (${clause})`, async (t) => {
    const store = new Broken()
    const module = new URL('./contracts/none.js', import.meta.url)
    const patience = Broken === WithoutAnswers ? 0.2 : PATIENCE
    const contract = storeContract(() => store, { module, patience }).filter(({ name }) => name === clause)
    t.match((await failures(contract)).get(clause), why)
  })
}

// A record is a file. Nothing keeps one process from writing between two steps of another, which take as long as those of
// a database on a network.
const FILES = `
  import { setTimeout } from 'node:timers/promises'
  import { readFileSync, renameSync, writeFileSync } from 'node:fs'
  export const open = () => ({
    async create(key, record) {
      writeFileSync(path(key), record)
      return true
    },
    async read(key) {
      return readFileSync(path(key))
    },
    async update(key, revision, record) {
      const there = readFileSync(path(key))
      if (!there.subarray(14, 32).equals(revision)) return there
      await setTimeout(5)
      writeFileSync(path(key) + process.pid, record)
      renameSync(path(key) + process.pid, path(key))
      return 'done'
    }
  })
  const path = (key) => import.meta.dirname + '/' + key.replaceAll(':', '-')`

t.test('storeContract: finds a store without transactions', async (t) => {
  const module = pathToFileURL(`${t.testdir({ 'files.mjs': FILES })}/files.mjs`)
  const { open } = (await import(module.href)) as { open: () => Store }
  const contract = storeContract(open, { module, execArgv: process.execArgv, patience: PATIENCE }).filter(
    ({ name }) => name === PROCESSES
  )
  t.match((await failures(contract)).get(PROCESSES), /kept \d+ of \d+ changes: compare and write in one step/)
})

t.test('storeContract: says so if a process cannot open the store', async (t) => {
  const module = pathToFileURL(`${t.testdir({ 'none.mjs': '' })}/none.mjs`)
  const contract = storeContract(() => new MapStore(), {
    module,
    execArgv: process.execArgv,
    patience: PATIENCE
  }).filter(({ name }) => name === PROCESSES)
  t.match((await failures(contract)).get(PROCESSES), /a process that opens the store has ended/)
})

t.test('storeContract: parallel processes on one Redis lose no change', async (t) => {
  const redis = await startRedis(t)
  const module = new URL('./contracts/redis-store.js', import.meta.url)
  module.searchParams.set('redis', `redis://127.0.0.1:${redis.port}`)
  const contract = storeContract(() => new RedisStore(redis.connect()), {
    module,
    execArgv: process.execArgv,
    patience: PATIENCE
  })
  t.same(await failures(contract.filter(({ name }) => name === PROCESSES)), new Map())
})

t.test('storeContract: has nothing against a store that keeps it', async (t) => {
  const store = new MapStore()
  t.same(await failures(storeContract(() => store, { patience: PATIENCE })), new Map())
})

const BROKEN_SERIALIZERS: [Partial<Serializer>, clause: string, why: RegExp][] = [
  [
    { decode: (bytes): Dictionary => deserialize(bytes) },
    'decoded values are no views of the given bytes',
    /views of its input.*: copy the bytes first/
  ],
  [
    { encode: (data) => serialize(data) },
    'decoded values encode to the same bytes, whether kept or lost',
    /v8 encodes unchanged data to other bytes, so a session that was only read would be stored again/
  ],
  [
    { encode: (data) => serialize(data) },
    'documents of promised values survive a round trip and encode to the same bytes',
    /encodes unchanged data to other bytes/
  ],
  [
    { decode: (bytes): Dictionary => deserialize(new Uint8Array(bytes)) },
    'bytes after the end are refused',
    /accepts 258 of 258 endings after a record of \d+ bytes, such as 00: such a record is damaged.*Throw unless the whole/
  ],
  [
    { encode: JSON.stringify, decode: (bytes): Dictionary => JSON.parse(bytes.toString()) },
    'bytes after the end are refused',
    /accepts 4 of 258 endings after a record of \d+ bytes, such as 09/
  ],
  [{ tag: 3 }, 'name and tag are unique', /3 is the tag of msgpack: take one from 32 to 255/],
  [{ tag: 5 }, 'name and tag are unique', /tag 5 is reserved: take one from 32 to 255/],
  [
    { decode: (bytes) => (bytes.length > 0 ? deserialize(new Uint8Array(bytes)) : {}) },
    'data of other systems is refused',
    /decode\(\) accepts nothing/
  ]
]

const promises = {
  module: new URL('./contracts/v8.js', import.meta.url),
  lost: ['URL', 'class instance', 'object without prototype'],
  error: ['function', 'symbol', '10,000 lists within each other'],
  pooled: true,
  execArgv: process.execArgv,
  patience: PATIENCE
} as const

for (const [change, clause, why] of BROKEN_SERIALIZERS) {
  t.test(`serializerContract: ${clause}`, async (t) => {
    const contract = serializerContract({ ...v8, ...change }, promises).filter(({ name }) => name === clause)
    t.match((await failures(contract)).get(clause), why)
  })
}

t.test('serializerContract: a clause that never ends says so, and ends its process', async (t) => {
  const contract = serializerContract(v8, { ...promises, patience: 0.2 })
  const run = async (clause: string) =>
    (await failures(contract.filter(({ name }) => name === clause))).get(clause)
  t.match(
    await run('no document or failure affects the next document'),
    /"no document or failure affects the next document" has not ended after 0.2 seconds: settle each call/
  )
  // Its process would go on for many seconds.
  let said: string | undefined
  while (!said?.includes('the serializer takes too long')) said = await run(HOSTILE)
})

t.test('serializerContract: names values that are not kept as promised', async (t) => {
  const [clause = ''] = ['each value is kept, lost or refused as promised']
  const contract = serializerContract(v8, { ...promises, error: [], lost: ['Date'] })
  const message = (await failures(contract.filter(({ name }) => name === clause))).get(clause)
  t.match(message, 'function: error, but promised is kept')
  t.match(message, 'Date: kept, but promised is lost')
  t.match(message, 'name these values in the options lost or error')
})

const HOSTILE = 'hostile and damaged bytes do no harm, in bounded time and memory'

const HARMFUL = `
  import { deserialize, serialize } from 'node:v8'
  const shared = {}
  // As if the next measurement ended four seconds of CPU later: a busy machine needs a minute for them.
  function slow() {
    const { cpuUsage } = process
    process.cpuUsage = (since) => {
      process.cpuUsage = cpuUsage
      const { user, system } = cpuUsage(since)
      return { user: user + 4_000_000, system }
    }
    throw new Error('too late')
  }
  export const mine = {
    name: 'mine',
    tag: 32,
    encode: (data) => serialize(deserialize(serialize(data))),
    decode(bytes) {
      const text = Buffer.from(bytes).toString('latin1')
      if (text === '') return slow()
      if (text === '5') return { shared }
      if (text === 'null') return { size: Buffer.alloc(400e6, 1).length }
      if (text.startsWith('[{')) process.exit(1)
      return deserialize(new Uint8Array(bytes))
    }
  }`

t.test('serializerContract: finds what hostile bytes do to a serializer', async (t) => {
  const folder = t.testdir({ 'ends.mjs': HARMFUL, 'lives.mjs': HARMFUL.replace('process.exit(1)', 'slow()') })
  const messageOf = async (file: string) => {
    const module = pathToFileURL(`${folder}/${file}`)
    const { mine } = (await import(module.href)) as { mine: Serializer }
    const contract = serializerContract(mine, { ...promises, module }).filter(({ name }) => name === HOSTILE)
    return (await failures(contract)).get(HOSTILE)
  }
  const harms = await messageOf('lives.mjs')
  t.match(harms, /"nothing", which was refused \(bytes \), took \d+ ms of CPU: bound what decode\(\) builds/)
  t.match(harms, /after "a number", which was decoded \(bytes 35\): two sessions share an object/)
  t.match(harms, /"null", which was decoded .*: the process has grown by \d+ MB: check lengths/)
  t.match(await messageOf('ends.mjs'), /the process of the serializer ended during the attack "a list"/)
})

t.test('serializerContract: adds the attacks of its author', async (t) => {
  const [name, bytes] = ['a value that is code', Buffer.from('!(globalThis.polluted = 1)')]
  const evaluating = `
    import { deserialize, serialize } from 'node:v8'
    export const evaluating = {
      name: 'evaluating',
      tag: 32,
      encode: (data) => serialize(deserialize(serialize(data))),
      decode: (bytes) => (bytes[0] === 33 ? eval(bytes.toString()) : deserialize(new Uint8Array(bytes)))
    }`
  const module = pathToFileURL(`${t.testdir({ 'evaluating.mjs': evaluating })}/evaluating.mjs`)
  const serializer = ((await import(module.href)) as { evaluating: Serializer }).evaluating
  const attacks = [{ name, bytes }]
  const contract = serializerContract(serializer, { ...promises, module, attacks })
  const said = (await failures(contract.filter(({ name }) => name === HOSTILE))).get(HOSTILE)
  t.match(said, /after "a value that is code".*: all objects of the process have changed/)
})

t.test('serializerContract: attacks the serializer under test, and no other one', async (t) => {
  const other = { ...v8, tag: 33 }
  const contract = serializerContract(other, promises).filter(({ name }) => name === HOSTILE)
  t.match(
    (await failures(contract)).get(HOSTILE),
    /the process of the serializer ended before the first attack/
  )
})
