// What stays under an id for a while after its session has moved or ended. It has no data.
import { Buffer } from 'node:buffer'
import { followed, type Header, newNonce, type SessionRecord, UnsealedRecord } from './record.js'

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
 * @param lifetime In seconds.
 */
export function movedTo(
  successor: string,
  keepsData: boolean,
  header: Header,
  lifetime: number
): SessionRecord {
  return new UnsealedRecord(Buffer.from(successor, 'base64url')).seal({
    ...followed(header),
    tag: keepsData ? HAPPENED.moved : HAPPENED.replaced,
    moved: true,
    lifetime: undefined,
    binding: undefined,
    touchedAt: Date.now(),
    idleTimeout: lifetime
  })
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
  return header.tag === HAPPENED.moved
}

/** Why the session of this record has ended, if it has. */
export function reasonOf({ header, payload }: SessionRecord): string | undefined {
  return header.moved && header.tag === HAPPENED.ended ? payload.toString() : undefined
}
