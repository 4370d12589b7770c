// Where the cookies of a request lead: to one living session, to none, or to several.
import type { Buffer } from 'node:buffer'
import type { ReceivedId, RequestCookies } from '../cookies/session-id.js'
import type { Codec } from '../data/codec.js'
import { isTooOld, type Lifetimes } from '../records/expiry.js'
import { NotARecordError, openRecord, type SessionRecord } from '../records/record.js'
import type { Records } from '../records/records.js'

/** How many ids later a browser may be that comes with an old one. */
const MAX_STEPS = 4

export interface LookupContext {
  codec: Codec
  lifetimes: Lifetimes
}

/** What the store holds under an id. */
export type Found = Living | Moved | Undecodable | Missing
export interface Living {
  state: 'living'
  received: ReceivedId
  record: SessionRecord
}
interface Moved {
  state: 'moved'
  received: ReceivedId
  /** The handle under which the session goes on, if the tombstone names it. */
  successor: string | undefined
}
interface Undecodable {
  state: 'undecodable'
  received: ReceivedId
  reason: string
}
interface Missing {
  state: 'missing'
  received: ReceivedId
}
interface Ambiguous {
  state: 'ambiguous'
  handles: readonly string[]
}

/** The one living session that the cookies lead to. If none of the ids does, the one that the browser was offered. */
export async function find(
  { ids, next }: RequestCookies,
  records: Records,
  context: LookupContext
): Promise<Found | Ambiguous> {
  const found: Found[] = []
  for (const id of ids) found.push(await look(id, records, context))
  const living = found.filter(({ state }) => state === 'living')
  if (living.length > 1) {
    return { state: 'ambiguous', handles: living.map(({ received }) => received.handle) }
  }
  const [chosen] = living
  if (chosen !== undefined) return chosen
  const offered = next && (await follow(next, found, records, context))
  if (offered?.state === 'living') return offered
  const unusable = found.find(({ state }) => state !== 'missing')
  return unusable ?? { state: 'missing', received: (ids[0] ?? next) as ReceivedId }
}

// A logout, or a login that has overtaken it, must not be undone by an id that was offered before: tombstones say whose
// place it took. Without any, only what is known to have replaced the other id counts.
async function follow(
  next: ReceivedId,
  found: readonly Found[],
  records: Records,
  context: LookupContext
): Promise<Found | undefined> {
  let at = found.find(({ state }) => state === 'moved')
  if (at === undefined && next.isOffered === true) return undefined
  for (let steps = 0; at !== undefined; steps++) {
    if (at.state !== 'moved' || at.successor === undefined || steps === MAX_STEPS) return undefined
    if (at.successor === next.handle) break
    at = await look({ ...next, handle: at.successor }, records, context)
  }
  return look(next, records, context)
}

/** What the store holds under this id; its serializer is ready then. */
export async function look(received: ReceivedId, records: Records, context: LookupContext): Promise<Found> {
  const { codec, lifetimes } = context
  const bytes = await records.read(received.handle, received.seen)
  if (bytes === undefined) return { state: 'missing', received }
  const record = open(bytes)
  if (record instanceof NotARecordError) return { state: 'undecodable', received, reason: record.message }
  const { header } = record
  // Whatever its time: clocks may differ.
  if (header.moved) return { state: 'moved', received, successor: successorOf(record) }
  if (isTooOld(header, lifetimes, Date.now())) return { state: 'missing', received }
  if (!codec.isReady(header.tag)) await codec.load(header.tag)
  return { state: 'living', received, record }
}

// A tombstone of version 0.1.0 does not say.
function successorOf({ payload }: SessionRecord): string | undefined {
  return payload.length === 0 ? undefined : payload.toString('base64url')
}

function open(bytes: Buffer): SessionRecord | NotARecordError {
  try {
    return openRecord(bytes)
  } catch (error) {
    return error as NotARecordError
  }
}
