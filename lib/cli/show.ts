// `show`: one session. Of its data only keys and types, unless it is asked for the values.
import type { Buffer } from 'node:buffer'
import { inspect } from 'node:util'
import type { Dictionary } from '../../serializers/serializer.js'
import { superjson } from '../../serializers/superjson.js'
import { isHandle } from '../cookies/session-id.js'
import { typeName } from '../data/codec.js'
import { keyName, visible } from '../data/key-names.js'
import { PayloadError } from '../data/payload-error.js'
import type { SessionRecord } from '../records/record.js'
import { reasonOf, successorOf } from '../records/tombstone.js'
import { dataOf, type Entry, readEntries } from './entries.js'
import { bytes, count, duration } from './format.js'
import { EXIT, type ExitCode, UsageError } from './io.js'
import { factsOf } from './list.js'
import { table } from './table.js'
import type { Target } from './target.js'
import type { Terminal } from './terminal.js'

export interface ShowOptions {
  /** Whether to print the values. */
  values?: true
  /** Whether to print the record. */
  bytes?: true
}

/** What was found, in the form of the output for programs. */
type Facts = Record<string, unknown>

interface Content {
  data?: Dictionary
  /** Why it cannot be decoded. */
  reason?: string
}

const BYTES_IN_LINE = 32
const PAIR = [{ head: '' }, { head: '' }]

export async function show(
  target: Target,
  terminal: Terminal,
  handle: string,
  options: ShowOptions
): Promise<ExitCode> {
  if (!isHandle(handle))
    throw new UsageError('this is no handle of a session: pass its session.id, which has 43 characters')
  const [entry] = await readEntries(target, [handle])
  if (entry === undefined) {
    terminal.fail(`no session has the handle ${handle}: it has ended, or --prefix is another one`)
    return EXIT.problems
  }
  const expiresIn = await target.leftOf(handle)
  const content = entry.state === 'living' ? await contentOf(target, entry.record) : {}
  const facts: Facts = { ...describe(target, entry), expiresIn, ...(content.reason && content) }
  if (terminal.json) await printJson(terminal, entry, facts, content, options)
  else await print(terminal, entry, facts, content, options)
  return content.data === undefined ? EXIT.problems : EXIT.ok
}

function describe(target: Target, entry: Entry): Facts {
  const { handle, state } = entry
  if (entry.state === 'broken' || entry.state === 'foreign') return { handle, state, reason: entry.reason }
  const { record } = entry
  if (entry.state === 'tombstone') {
    const reason = reasonOf(record)
    return reason === undefined ? { handle, state, movedTo: successorOf(record) } : { handle, state, reason }
  }
  const { counter, idleTimeout } = record.header
  return {
    ...factsOf(target, entry),
    state,
    payloadBytes: record.payload.length,
    commits: counter,
    idleTimeout
  }
}

async function contentOf(target: Target, record: SessionRecord): Promise<Content> {
  try {
    return { data: await dataOf(target, record) }
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error
    return { reason: error.message }
  }
}

function keysOf(data: Dictionary): { key: string; type: string }[] {
  return Object.entries(data).map(([key, value]) => ({ key, type: typeName(value) }))
}

async function printJson(
  terminal: Terminal,
  entry: Entry,
  facts: Facts,
  { data }: Content,
  options: ShowOptions
): Promise<void> {
  let values: unknown
  if (options.values && data !== undefined) {
    await superjson.load?.()
    values = JSON.parse(String(superjson.encode(data)))
  }
  await terminal.printJson({
    ...facts,
    keys: data && keysOf(data),
    values,
    record: options.bytes && 'record' in entry ? entry.record.bytes.toString('hex') : undefined
  })
}

async function print(
  terminal: Terminal,
  entry: Entry,
  facts: Facts,
  { data }: Content,
  options: ShowOptions
): Promise<void> {
  const rows = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [terminal.paint('dim', name), readable(name, value)])
  await terminal.print(table(PAIR, rows, false))
  if (data !== undefined) {
    const keys = keysOf(data).map(({ key, type }) => [keyName(key), type])
    await terminal.print(`\n${table([{ head: 'key' }, { head: 'type' }], keys)}`)
  }
  if (options.values && data !== undefined) {
    const text = inspect(data, {
      depth: 20,
      customInspect: false,
      maxArrayLength: null,
      maxStringLength: null
    })
    await terminal.print(`\n${text.split('\n').map(visible).join('\n')}`)
  }
  if (options.bytes && 'record' in entry) await terminal.print(`\n${hexOf(entry.record.bytes)}`)
}

function readable(name: string, value: unknown): string {
  if (name === 'expiresIn') return Number(value) < 0 ? 'never' : duration(Number(value))
  if (name === 'idleTimeout') return duration(Number(value) * 1000)
  if (name.toLowerCase().endsWith('bytes')) return `${bytes(Number(value))} (${count(Number(value))})`
  return visible(String(value))
}

function hexOf(record: Buffer): string {
  const lines: string[] = []
  for (let at = 0; at < record.length; at += BYTES_IN_LINE) {
    const hex = record.toString('hex', at, at + BYTES_IN_LINE).replace(/.{8}/g, '$& ')
    lines.push(`${String(at).padStart(6)}  ${hex.trim()}`)
  }
  return lines.join('\n')
}
