// What the store holds under the keys of sessions, page by page.
import type { Buffer } from 'node:buffer'
import { ForeignKeyError } from '../errors.js'
import { FIRST_BYTE, NotARecordError, type SessionRecord, tryRecord } from '../records/record.js'
import { openRecords } from '../sessions/access.js'
import { handlesIn } from '../sessions/all.js'
import type { Target } from './target.js'

export type Entry = Living | Tombstone | Broken | Foreign

export interface Living {
  state: 'living'
  handle: string
  record: SessionRecord
}
interface Tombstone {
  state: 'tombstone'
  handle: string
  record: SessionRecord
}
/** A record of this package that cannot be opened. */
interface Broken {
  state: 'broken'
  handle: string
  reason: string
}
/** Something else under such a key. */
interface Foreign {
  state: 'foreign'
  handle: string
  reason: string
}

export function entryOf(handle: string, bytes: Buffer): Entry {
  const record = tryRecord(bytes)
  if (record instanceof NotARecordError) {
    return { state: bytes[0] === FIRST_BYTE ? 'broken' : 'foreign', handle, reason: record.message }
  }
  return { state: record.header.moved ? 'tombstone' : 'living', handle, record }
}

/** @param handles At most a page of them. */
export async function readEntries({ context }: Target, handles: readonly string[]): Promise<Entry[]> {
  const { records } = openRecords(context)
  const entries = await Promise.all(
    handles.map(async (handle): Promise<Entry[]> => {
      try {
        const bytes = await records.read(handle)
        return bytes === undefined ? [] : [entryOf(handle, bytes)]
      } catch (error) {
        if (!(error instanceof ForeignKeyError)) throw error
        return [{ state: 'foreign', handle, reason: 'its key holds another type than a string' }]
      }
    })
  )
  return entries.flat()
}

/** Every entry; one that is written meanwhile may be left out, and one may come twice. */
export async function* pagesOf(target: Target): AsyncGenerator<Entry[], void> {
  const { store } = openRecords(target.context)
  for await (const handles of handlesIn(store, target.context.prefix)) {
    yield await readEntries(target, handles)
  }
}

/**
 * The data of a record.
 * @throws {PayloadError} if it cannot be decoded
 */
export async function dataOf({ context }: Target, { header, payload }: SessionRecord) {
  if (!context.codec.isReady(header.tag)) await context.codec.load(header.tag)
  return context.codec.decode(header.tag, payload)
}
