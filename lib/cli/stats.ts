// `stats`: what is stored, counted in one pass by the headers of the records. It reads no data of sessions.
import { visible } from '../data/key-names.js'
import { type Entry, type Living, pagesOf } from './entries.js'
import { countForeign, type Foreign, kindsOf } from './foreign.js'
import { bytes, count, duration, percent } from './format.js'
import { AGES, chart, Histogram, SIZES } from './histogram.js'
import { EXIT, type ExitCode } from './io.js'
import { withProgress } from './progress.js'
import { table } from './table.js'
import type { Target } from './target.js'
import type { Terminal } from './terminal.js'

/** Maximum schema versions to count: a broken writer may have stored any number of them. */
const MAX_VERSIONS = 100
const OTHERS = 'others'
/** The characters of a line that are no bar. */
const BESIDE_BAR = 40
const MAX_BAR = 60

class Stats {
  living = 0
  permanent = 0
  tombstones = 0
  broken = 0
  notRecords = 0
  bytes = 0
  largest = 0
  readonly serializers = new Map<string, number>()
  readonly schemaVersions = new Map<string, number>()
  readonly age = new Histogram(AGES)
  readonly unused = new Histogram(AGES)
  readonly size = new Histogram(SIZES)

  add(entry: Entry, now: number, serializerOf: Target['serializerOf']): void {
    if (entry.state === 'living') this.#addLiving(entry, now, serializerOf)
    else if (entry.state === 'tombstone') this.tombstones++
    else if (entry.state === 'broken') this.broken++
    else this.notRecords++
  }

  #addLiving({ record }: Living, now: number, serializerOf: Target['serializerOf']): void {
    const { createdAt, permanent, schemaVersion, tag, touchedAt } = record.header
    const size = record.bytes.length
    this.living++
    if (permanent) this.permanent++
    this.bytes += size
    this.largest = Math.max(this.largest, size)
    increment(this.serializers, serializerOf(tag))
    const version = String(schemaVersion)
    const isCounted = this.schemaVersions.has(version) || this.schemaVersions.size < MAX_VERSIONS
    increment(this.schemaVersions, isCounted ? version : OTHERS)
    this.age.add(now - createdAt)
    this.unused.add(now - touchedAt)
    this.size.add(size)
  }

  toJSON() {
    const { serializers, schemaVersions } = this
    return {
      ...this,
      serializers: Object.fromEntries(serializers),
      schemaVersions: Object.fromEntries(schemaVersions)
    }
  }
}

export async function stats(
  target: Target,
  terminal: Terminal,
  { foreign }: { foreign: readonly string[] }
): Promise<ExitCode> {
  const kinds = kindsOf(foreign)
  const { context, serializerOf } = target
  const found = new Stats()
  const now = Date.now()
  await withProgress(terminal, target, 'reading', async (done) => {
    for await (const page of pagesOf(target)) {
      for (const entry of page) found.add(entry, now, serializerOf)
      done(page.length)
    }
  })
  const others = await countForeign(target, kinds)
  if (terminal.json) await terminal.printJson({ prefix: context.prefix, ...found.toJSON(), foreign: others })
  else await print(terminal, target, found, others)
  return EXIT.ok
}

async function print(
  terminal: Terminal,
  target: Target,
  found: Stats,
  others: readonly Foreign[]
): Promise<void> {
  const { living, permanent } = found
  const title = `Sessions under ${visible(target.context.prefix)} at ${target.address}`
  await terminal.print(`${terminal.paint('bold', title)}\n`)
  const mean = living === 0 ? 0 : found.bytes / living
  const rows = [
    [
      'living',
      count(living),
      `${bytes(found.bytes)}, ${bytes(mean)} each, the largest ${bytes(found.largest)}`
    ],
    ['permanent', count(permanent), percent(permanent, living)],
    ['tombstones', count(found.tombstones), 'of sessions that ended or moved to a new id'],
    ['unreadable', count(found.broken + found.notRecords), unreadable(found)]
  ]
  await terminal.print(table([{ head: '' }, { head: '', isNumber: true }, { head: '' }], rows, false))
  const rest = Math.min(MAX_BAR, Math.max(1, terminal.columns - BESIDE_BAR))
  const age = (limit: number) => duration(limit, 1)
  const charts = [
    ['serializer', descending(found.serializers)],
    ['schema version', descending(found.schemaVersions)],
    ['age', found.age.rows(age)],
    ['unused for', found.unused.rows(age)],
    ['size', found.size.rows(bytes)]
  ] as const
  if (living > 0) {
    for (const [heading, rows] of charts)
      await terminal.print(`\n${coloured(terminal, chart(heading, rows, rest))}`)
  }
  if (others.length > 0) await terminal.print(`\n${coloured(terminal, foreignTable(others))}`)
}

function unreadable({ broken, notRecords }: Stats): string {
  if (broken + notRecords === 0) return ''
  return `${count(broken)} damaged or later, ${count(notRecords)} of other programs; verify lists them`
}

function foreignTable(others: readonly Foreign[]): string {
  return table(
    [
      { head: 'other libraries' },
      { head: 'keys' },
      { head: 'to adopt', isNumber: true },
      { head: 'adopted', isNumber: true },
      { head: 'refused' }
    ],
    others.map(({ adoptable, adopted, library, prefix, refused }) => [
      library,
      `${visible(prefix)}…`,
      count(adoptable),
      count(adopted),
      Object.entries(refused)
        .map(([reason, number]) => `${reason} ${count(number)}`)
        .join(', ')
    ])
  )
}

function descending(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort(([, a], [, b]) => b - a)
}

/** The heads bold, the bars in colour. */
function coloured(terminal: Terminal, text: string): string {
  const [head = '', ...lines] = text.split('\n')
  const bars = lines.map((line) => line.replace(/[█▏▎▍▌▋▊▉]+$/, (bar) => terminal.paint('cyan', bar)))
  return [terminal.paint('bold', head), ...bars].join('\n')
}

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
