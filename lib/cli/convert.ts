// `convert`: every record in another serializer, sealed by the newest key, or in the clear. Each is replaced only if nobody has changed it since it was read. It can
// be interrupted at any time: what is converted is left alone by the next run.
import type { Buffer } from 'node:buffer'
import { keyNames, visible } from '../data/key-names.js'
import { followed, UnsealedRecord } from '../records/record.js'
import { openRecords } from '../sessions/access.js'
import { dataOf, type Entry, entryOf, type Living, pagesOf } from './entries.js'
import { bytes, count } from './format.js'
import { EXIT, type ExitCode, UsageError } from './io.js'
import { Pace } from './pace.js'
import { withProgress } from './progress.js'
import { table } from './table.js'
import type { Target } from './target.js'
import type { Terminal } from './terminal.js'

export interface ConvertOptions {
  /** The name of the serializer; undefined if each record keeps its own. */
  to?: string
  /** Whether records are to be sealed; undefined if those stay as they are that nothing else changes. */
  seal?: boolean
  rate?: number
  dryRun?: true
  yes?: true
}

/** Gives up a session that others change before each of so many tries. */
const MAX_TRIES = 20
/** How many sessions that stay as they are the output names. */
const MAX_NAMED = 20

type Result =
  | { outcome: 'converted'; before: number; after: number }
  | { outcome: 'already' | 'ended' }
  | { outcome: 'left'; reason: string }

/** What became of all records. Its size does not depend on how many there are. */
class Tally {
  converted = 0
  already = 0
  ended = 0
  left = 0
  before = 0
  after = 0
  readonly named: { handle: string; reason: string }[] = []

  add(handle: string, result: Result): void {
    this[result.outcome]++
    if (result.outcome === 'converted') {
      this.before += result.before
      this.after += result.after
    }
    if (result.outcome === 'left' && this.named.length < MAX_NAMED) {
      this.named.push({ handle, reason: result.reason })
    }
  }
}

export async function convert(
  target: Target,
  terminal: Terminal,
  options: ConvertOptions
): Promise<ExitCode> {
  const { address, context } = target
  const goal = goalOf(target, options)
  const question = `Rewrite every session under ${context.prefix} at ${address} ${goal}? They stay signed in.`
  if (!(await terminal.confirm(question, options.yes ?? options.dryRun))) {
    terminal.note('nothing was converted')
    return EXIT.problems
  }
  const tally = new Tally()
  const pace = new Pace(options.rate)
  const label = options.dryRun ? 'trying' : 'converting'
  await withProgress(terminal, target, label, async (done) => {
    for await (const page of pagesOf(target)) {
      for (let at = 0; at < page.length; at += pace.atOnce) {
        const entries = page.slice(at, at + pace.atOnce)
        const results = await Promise.all(entries.map((entry) => convertOne(target, entry, options)))
        for (const [index, entry] of entries.entries()) tally.add(entry.handle, results[index] as Result)
        done(entries.length)
        await pace.keep(results.filter(({ outcome }) => outcome === 'converted').length)
      }
    }
  })
  const { seal, to, dryRun = false } = options
  const name = to && target.settings.serializer.name
  if (terminal.json) await terminal.printJson({ to: name, seal, dryRun, ...tally })
  else await print(terminal, goal, tally, dryRun)
  return tally.left === 0 ? EXIT.ok : EXIT.problems
}

function goalOf({ settings }: Target, { seal, to }: ConvertOptions): string {
  const goals: string[] = []
  if (to !== undefined) goals.push(`by ${settings.serializer.name}`)
  if (seal !== undefined) goals.push(seal ? 'sealed by the newest key' : 'in the clear')
  if (goals.length === 0) throw new UsageError('nothing to convert to: pass --to, --seal or --unseal')
  return goals.join(', ')
}

async function convertOne(target: Target, found: Entry, options: ConvertOptions): Promise<Result> {
  const { store } = openRecords(target.context)
  let entry = found
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (entry.state === 'tombstone') return { outcome: 'ended' }
    if (entry.state !== 'living') return { outcome: 'left', reason: entry.reason }
    const { record } = entry
    const isEncoded = options.to === undefined || record.header.tag === target.settings.serializer.tag
    if (isEncoded && (await isStoredAsWanted(target, entry, options))) return { outcome: 'already' }
    const encoded = isEncoded ? again(entry) : await encode(target, entry)
    if (typeof encoded === 'string') return { outcome: 'left', reason: encoded }
    const result = { outcome: 'converted', before: record.bytes.length, after: encoded.length } as const
    if (options.dryRun) return result
    // After the record: a touch since then changes its revision.
    const sentAt = Date.now()
    const left = await target.leftOf(entry.handle)
    if (left === -1) return { outcome: 'left', reason: 'its key never expires: set its expiry' }
    // -2: its key has expired.
    const key = target.context.prefix + entry.handle
    const outcome = left < 0 ? 'missing' : await store.update(key, record.revision, encoded, sentAt + left)
    if (outcome === 'missing') return { outcome: 'ended' }
    if (outcome === 'done') return result
    entry = entryOf(entry.handle, outcome as Buffer)
  }
  return {
    outcome: 'left',
    reason: `it was changed before each of ${MAX_TRIES} tries: run the command again`
  }
}

async function isStoredAsWanted(
  { context, sealing, store }: Target,
  { handle }: Living,
  { seal }: ConvertOptions
) {
  if (seal === undefined) return true
  const stored = await store.read(context.prefix + handle)
  return stored !== undefined && sealing?.isDone(stored)
}

// A write seals it, or does not.
function again({ record: { header, payload } }: Living): Buffer {
  return new UnsealedRecord(payload).seal(followed(header)).bytes
}

// Neither a use nor a change of the data: only serializer and revision of the header are others.
async function encode(target: Target, { record }: Living): Promise<Buffer | string> {
  const { codec } = target.context
  const { header } = record
  try {
    const { keys, record: unsealed, tag } = codec.encodeLike(await dataOf(target, record), header.tag)
    if (tag === header.tag) return `${codec.writer.name} cannot keep ${keyNames(keys)}`
    return unsealed.seal({ ...followed(header), tag }).bytes
  } catch (error) {
    // Of the codec, or of a serializer that cannot be loaded: neither quotes data.
    return (error as Error).message
  }
}

async function print(terminal: Terminal, goal: string, tally: Tally, isDryRun: boolean): Promise<void> {
  const { after, already, before, converted, ended, left, named } = tally
  const sizes = converted === 0 ? '' : `${bytes(before)} → ${bytes(after)}`
  await terminal.print(
    table(
      [{ head: '' }, { head: '', isNumber: true }, { head: '' }],
      [
        [isDryRun ? 'would be converted' : 'converted', terminal.paint('green', count(converted)), sizes],
        [`${goal} before`, count(already), ''],
        ['ended or moved', count(ended), ''],
        ['left as they are', left === 0 ? '0' : terminal.paint('red', count(left)), '']
      ],
      false
    )
  )
  for (const { handle, reason } of named) await terminal.print(`${handle}  ${visible(reason)}`)
  if (left > named.length) await terminal.print(`and ${count(left - named.length)} more`)
}
