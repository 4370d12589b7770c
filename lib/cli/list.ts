// `list`: one line for each session. It shows names and times, and nothing of the data.
import { expiresAt } from '../records/expiry.js'
import { type Entry, type Living, pagesOf, readEntries } from './entries.js'
import { bytes, duration, iso } from './format.js'
import { EXIT, type ExitCode } from './io.js'
import { type Column, table } from './table.js'
import type { Target } from './target.js'
import type { Terminal } from './terminal.js'
import { noIndex } from './user.js'

const COLUMNS: readonly Column[] = [
  { head: 'session', width: 43 },
  { head: 'age', isNumber: true, width: 8 },
  { head: 'unused', isNumber: true, width: 8 },
  { head: 'ends in', isNumber: true, width: 8 },
  { head: 'permanent', width: 9 },
  { head: 'serializer', width: 10 },
  { head: 'schema', isNumber: true, width: 6 },
  { head: 'size', isNumber: true, width: 8 }
]
export async function list(
  target: Target,
  terminal: Terminal,
  { user }: { user?: string }
): Promise<ExitCode> {
  let isFirst = true
  for await (const page of user === undefined ? pagesOf(target) : pagesOfUser(target, user)) {
    const living = page.filter((entry) => entry.state === 'living')
    if (terminal.json) {
      for (const entry of living) await terminal.printJson(factsOf(target, entry))
    } else if (living.length > 0) {
      const rows = living.map((entry) => rowOf(target, entry))
      const text = table(COLUMNS, rows, isFirst)
      await terminal.print(text)
      isFirst = false
    }
  }
  if (user !== undefined && isFirst && !terminal.json) terminal.note(noIndex(target))
  return EXIT.ok
}

async function* pagesOfUser(target: Target, user: string): AsyncGenerator<Entry[], void> {
  const sessions = await target.sessions.of(user)
  yield await readEntries(
    target,
    sessions.map(({ id }) => id)
  )
}

/** What a header tells, for programs. Instants are texts as in ISO 8601. */
export function factsOf({ context, serializerOf }: Target, { handle, record }: Living) {
  const { header } = record
  return {
    handle,
    createdAt: iso(header.createdAt),
    lastUsedAt: iso(header.touchedAt),
    expiresAt: iso(expiresAt(header, context.lifetimes)),
    permanent: header.permanent,
    serializer: serializerOf(header.tag),
    schemaVersion: header.schemaVersion,
    bytes: record.bytes.length
  }
}

function rowOf({ context, serializerOf }: Target, { handle, record }: Living): string[] {
  const { header } = record
  const now = Date.now()
  return [
    handle,
    duration(now - header.createdAt),
    duration(now - header.touchedAt),
    duration(expiresAt(header, context.lifetimes) - now),
    header.permanent ? 'yes' : '',
    serializerOf(header.tag),
    String(header.schemaVersion),
    bytes(record.bytes.length)
  ]
}
