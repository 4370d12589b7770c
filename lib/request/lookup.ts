// Finds what the cookies of a request lead to: one living session, none, or several.
import type { ReceivedId, RequestCookies } from '../cookies/session-id.js'
import type { Codec } from '../data/codec.js'
import { isTooOld, type Lifetimes } from '../records/expiry.js'
import { NotARecordError, type SessionRecord, tryRecord } from '../records/record.js'
import type { Records } from '../records/records.js'
import { isReplayed, keepsData, reasonOf, successorOf } from '../records/tombstone.js'

/** How many tombstones to follow from an old id to the current one. */
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
  /** The handle of the new id, if the tombstone names it. */
  successor: string | undefined
  /** Whether it is known to have all of its data. */
  keepsData: boolean
}
interface Undecodable {
  state: 'undecodable'
  received: ReceivedId
  reason: string
}
export interface Missing {
  state: 'missing'
  received: ReceivedId
  /** The handle that replaced this id, if it comes back after its grace period. */
  replacedBy?: string | undefined
}
export interface Ambiguous {
  state: 'ambiguous'
  handles: readonly string[]
}

/** Finds the one living session among these ids; if there is none, the one under the id that was offered. */
export function find(
  cookies: RequestCookies,
  records: Records,
  context: LookupContext
): Promise<Found | Ambiguous> {
  const { ids } = cookies
  const isCookieToo = ids.some(({ handle }) => handle === cookies.next?.handle)
  const next = isCookieToo ? undefined : cookies.next
  const [only] = ids
  if (only !== undefined && ids.length === 1 && next === undefined) return lookUp(only, records, context)
  return findAmong({ ids, next }, records, context)
}

async function findAmong(
  { ids, next }: Pick<RequestCookies, 'ids' | 'next'>,
  records: Records,
  context: LookupContext
): Promise<Found | Ambiguous> {
  const found: Found[] = []
  for (const id of ids) found.push(await lookUp(id, records, context))
  const living = found.filter(({ state }) => state === 'living')
  if (living.length > 1) {
    return { state: 'ambiguous', handles: living.map(({ received }) => received.handle) }
  }
  const [chosen] = living
  if (chosen !== undefined) return chosen
  const moved = found.find(({ state }) => state === 'moved')
  const offered = next && (await follow(next, moved, records, context))
  if (offered?.state === 'living') return offered
  // The session that has moved has ended meanwhile.
  const ended = offered?.state === 'missing' ? moved : undefined
  // A request in flight is no replay, even if the browser still has an older cookie beside it.
  const unusable = found.find((each) => each.state !== 'missing' && each !== ended)
  const replayed = found.find((each) => each.state === 'missing' && each.replacedBy !== undefined)
  return unusable ?? replayed ?? { state: 'missing', received: (ids[0] ?? next) as ReceivedId }
}

// An id that was offered earlier must not undo a logout, or a login that came after the offer. So it counts only if the
// tombstones lead to it. Without a tombstone, only an id that is known to have replaced the old one counts.
async function follow(
  next: ReceivedId,
  moved: Found | undefined,
  records: Records,
  context: LookupContext
): Promise<Found | undefined> {
  let at = moved
  if (at === undefined && next.isOffered === true) return undefined
  for (let steps = 0; at !== undefined; steps++) {
    if (at.state !== 'moved' || at.successor === undefined || steps === MAX_STEPS) return undefined
    if (at.successor === next.handle) break
    at = await lookUp({ ...next, handle: at.successor }, records, context)
  }
  return lookUp(next, records, context)
}

/** Reads what the store holds under this id, and loads the serializer of a living record. */
export async function lookUp(received: ReceivedId, records: Records, context: LookupContext): Promise<Found> {
  const bytes = await records.read(received.handle)
  const found = meaningOf(bytes, received, records, context)
  if (found.state !== 'living') return found
  const { codec } = context
  const { tag } = found.record.header
  if (!codec.isReady(tag)) await codec.load(tag)
  return found
}

function meaningOf(
  bytes: Buffer | undefined,
  received: ReceivedId,
  records: Records,
  { lifetimes }: LookupContext
): Found {
  if (bytes === undefined) {
    records.unknownIds++
    return { state: 'missing', received }
  }
  const record = tryRecord(bytes)
  if (record instanceof NotARecordError) return { state: 'undecodable', received, reason: record.message }
  const { header } = record
  if (header.moved) {
    const reason = reasonOf(record)
    if (reason !== undefined) {
      records.endedBecause = reason || undefined
      return { state: 'missing', received }
    }
    if (isReplayed(record)) return { state: 'missing', received, replacedBy: successorOf(record) }
    // Whatever its time, since clocks may differ.
    return { state: 'moved', received, successor: successorOf(record), keepsData: keepsData(record) }
  }
  if (isTooOld(header, lifetimes, Date.now())) return { state: 'missing', received }
  return { state: 'living', received, record }
}
