// What stays under an id for a while after its session has moved or ended. It has no data.
import { Buffer } from 'node:buffer'
import { followed, type Header, newNonce, type SessionRecord, UnsealedRecord } from './record.js'

/** Seconds by which the clocks of two processes may differ. */
const MAX_SKEW = 10
/**
 * Added to what happened, if the tombstone outlives its grace period. `touchedAt` is then when that is over by every
 * clock, and `idleTimeout` how long the tombstone remains after it.
 */
const WATCHED = 4

/** What happened to the session. Earlier versions write only `moved`, and take all of them for it. */
const HAPPENED = {
  /** It has a new id. The payload is the new handle, as bytes. */
  moved: 0,
  /** The same, but it has dropped data: somebody else may have signed in. */
  replaced: 1,
  /** It has ended. The payload is the reason, as text. */
  ended: 2
} as const

/**
 * @param keepsData Whether the session keeps all of its data.
 * @param grace Seconds for which requests with the old id may be in flight.
 * @param window Seconds after that in which the old id counts as replayed, if it comes back.
 */
export function movedTo(
  successor: string,
  keepsData: boolean,
  header: Header,
  grace: number,
  window: number | undefined
): SessionRecord {
  const happened = keepsData ? HAPPENED.moved : HAPPENED.replaced
  const now = Date.now()
  return new UnsealedRecord(Buffer.from(successor, 'base64url')).seal({
    ...followed(header),
    moved: true,
    lifetime: undefined,
    binding: undefined,
    ...(window === undefined
      ? { tag: happened, touchedAt: now, idleTimeout: grace }
      : { tag: happened | WATCHED, touchedAt: now + (grace + MAX_SKEW) * 1000, idleTimeout: window })
  })
}

/** When a tombstone that outlives its grace period expires; `undefined` for other records. */
export function watchedUntil(header: Header): number | undefined {
  return isWatched(header) ? header.touchedAt + header.idleTimeout * 1000 : undefined
}

/** Whether a request with this id was sent after the grace period, by whatever clock. */
export function isReplayed({ header }: SessionRecord): boolean {
  return isWatched(header) && Date.now() > header.touchedAt
}

function isWatched({ moved, tag }: Header): boolean {
  return moved && (tag & WATCHED) !== 0
}

/** @param lifetime In seconds. */
export function endedBecause(reason: string, lifetime: number): SessionRecord {
  const now = Date.now()
  return new UnsealedRecord(reason).seal({
    tag: HAPPENED.ended,
    permanent: false,
    lifetime: undefined,
    moved: true,
    schemaVersion: 0,
    createdAt: now,
    counter: 1,
    nonce: newNonce(),
    earlier: [],
    touchedAt: now,
    idleTimeout: lifetime
  })
}

/** The handle to which the session has moved. Tombstones of version 0.1.0 do not name it. */
export function successorOf({ payload }: SessionRecord): string | undefined {
  return payload.length === 0 ? undefined : payload.toString('base64url')
}

/** Whether the session that has moved has all of its data. */
export function keepsData({ header }: SessionRecord): boolean {
  return (header.tag & ~WATCHED) === HAPPENED.moved
}

/** Why the session of this record has ended, if it has. */
export function reasonOf({ header, payload }: SessionRecord): string | undefined {
  return header.moved && header.tag === HAPPENED.ended ? payload.toString() : undefined
}
