// The bytes under one key. A header of fixed size, which a Redis script can compare and patch in place, comes first.
// The payload follows, exactly as the serializer returned it, then what binds the session to a device, and the nonces of
// earlier commits. Numbers are big-endian.
//
//   offset  0  1 byte   0xF5, which starts no text and no other common format
//           1  1        version of this layout: 1 without nonces of earlier commits, 2 with them, 3 with a binding
//           2  1        tag of the serializer that wrote the payload; of a tombstone, what happened to the session
//           3  1        flags: 1 permanent, 2 moved (a tombstone), 4 idleTimeout is the lifetime that the session has asked
//                       for, 8 sealed (lib/encryption/sealed-record.ts: the rest is encrypted); the upper four bits count
//                       the earlier commits
//           4  4        schema version of the application's data (0: unused)
//           8  6        createdAt
//          14  4        revision: counter, +1 for every committed change
//          18  4        revision: nonce, random for every committed change, so no two are alike
//          22  6        revision: touchedAt
//          28  4        revision: idleTimeout
//          32           the payload
//                       in layout 3: the binding, and its length in 2 bytes
//                       nonces of the commits before this one, newest first, 4 bytes each
import { Buffer } from 'node:buffer'
import type { Lineage } from './lineage.js'

const LAYOUT = 1
const LAYOUT_WITH_EARLIER = 2
const LAYOUT_WITH_BINDING = 3
const PERMANENT = 1
const OWN_LIFETIME = 4
const EARLIER_SHIFT = 4
export const HEADER_BYTES = 32
const NONCE_BYTES = 4
/** The length of a binding, after it. */
const LENGTH_BYTES = 2
/** Maximum earlier commits in a record. A write whose answer was lost is recognised until this many commits follow. */
export const MAX_EARLIER = 8
const NONCES = 2 ** 32
/** A revision ends with the idle timeout. */
const IDLE_BYTES = 4

/** The first byte of every record. It starts no text and no other common format. */
export const FIRST_BYTE = 0xf5
/** A tombstone has this bit set in the byte at this offset. */
export const TOMBSTONE = { offset: 3, bit: 2 } as const
/** A sealed record has this bit set in the byte at this offset. */
export const SEALED = { offset: 3, bit: 8 } as const
/** The position of the revision in a record, in bytes. It identifies the last commit and touch; stores compare it. */
export const REVISION = { offset: 14, length: 18 } as const
/** The position of the bytes that a touch overwrites: `touchedAt` and `idleTimeout`. */
export const TOUCH = { offset: 22, length: 10 } as const

/** How long a session lives, as far as it decides for itself. */
export interface Duration {
  /** Whether it outlives the browser. */
  permanent: boolean
  /** The idle timeout that it has asked for, in seconds; `undefined` if the options decide. */
  lifetime: number | undefined
}

/** The options decide. */
export const DEFAULT_DURATION: Duration = { permanent: false, lifetime: undefined }

/** The header of a record. Instants are epoch milliseconds. */
export interface Header extends Lineage, Duration {
  /** Tag of the serializer that wrote the payload, 1 to 255. Of a tombstone, one of `HAPPENED`. */
  tag: number
  /** Whether this is a tombstone: the session has moved to a new id. */
  moved: boolean
  schemaVersion: number
  createdAt: number
  touchedAt: number
  /** Seconds that this session may stay unused. */
  idleTimeout: number
  /** What binds the session to a device, as `lib/device-bound` writes it. A new id ends it. */
  binding?: Buffer | undefined
}

/** A record: its bytes and its parsed header. */
export class SessionRecord {
  readonly bytes: Buffer
  readonly header: Header
  #payload: Buffer | undefined

  constructor(bytes: Buffer, header: Header) {
    this.bytes = bytes
    this.header = header
  }

  /** 18 bytes. Compare them only for equality. */
  get revision(): Buffer {
    return revisionOf(this.bytes)
  }

  get payload(): Buffer {
    this.#payload ??= this.#findPayload()
    return this.#payload
  }

  #findPayload(): Buffer {
    const { bytes } = this
    if (bytes[1] === LAYOUT) return bytes.subarray(HEADER_BYTES)
    const end = bytes.length - ((bytes[3] ?? 0) >> EARLIER_SHIFT) * NONCE_BYTES
    return bytes.subarray(HEADER_BYTES, bytes[1] === LAYOUT_WITH_BINDING ? startOfBinding(bytes, end) : end)
  }
}

/** Bytes that are not a record of this package. The message quotes nothing of them. */
export class NotARecordError extends Error {}

const LATER = 'perhaps written by a later version of this package'
const NO_KEYS = 'it is sealed, and the option encryption is not set (set it to the keys that seal)'

/** Why sealed records could not be opened. */
const refusals = new WeakMap<Uint8Array, string>()

/** `openRecord` refuses this sealed record with this reason. */
export function refuse(sealed: Buffer, reason: string): Buffer {
  refusals.set(sealed, reason)
  return sealed
}

/** @throws {NotARecordError} */
export function openRecord(bytes: Uint8Array): SessionRecord {
  const record = view(bytes)
  if (record[0] !== FIRST_BYTE) throw new NotARecordError('it is not a record of this package')
  const layout = record[1]
  if (layout !== LAYOUT && layout !== LAYOUT_WITH_EARLIER && layout !== LAYOUT_WITH_BINDING)
    throw new NotARecordError(`its layout version ${layout ?? '(missing)'} is unknown (${LATER})`)
  if (record.length < HEADER_BYTES) throw new NotARecordError('its header is truncated')
  const flags = record.readUInt8(3)
  if (isSealed(record)) throw new NotARecordError(refusals.get(bytes) ?? NO_KEYS)
  const count = layout === LAYOUT ? 0 : flags >> EARLIER_SHIFT
  // Unknown flags: a later version may have compressed the payload.
  const known = PERMANENT | TOMBSTONE.bit | OWN_LIFETIME | (count << EARLIER_SHIFT)
  if (count > MAX_EARLIER || (flags & ~known) !== 0)
    throw new NotARecordError(`its flags ${flags} are unknown (${LATER})`)
  const end = record.length - count * NONCE_BYTES
  const isBound = layout === LAYOUT_WITH_BINDING
  if (end < HEADER_BYTES + (isBound ? LENGTH_BYTES : 0)) throw new NotARecordError('its end is truncated')
  const start = isBound ? startOfBinding(record, end) : end
  if (start < HEADER_BYTES) throw new NotARecordError('its end is truncated')
  const idleTimeout = record.readUInt32BE(28)
  return new SessionRecord(record, {
    tag: record.readUInt8(2),
    permanent: (flags & PERMANENT) !== 0,
    lifetime: (flags & OWN_LIFETIME) === 0 ? undefined : idleTimeout,
    moved: (flags & TOMBSTONE.bit) !== 0,
    schemaVersion: record.readUInt32BE(4),
    createdAt: record.readUIntBE(8, 6),
    counter: record.readUInt32BE(14),
    nonce: record.readUInt32BE(18),
    touchedAt: record.readUIntBE(22, 6),
    idleTimeout,
    earlier: count === 0 ? NONE : earlierOf(record, count),
    ...(isBound && { binding: record.subarray(start, end - LENGTH_BYTES) })
  })
}

/** The same, with the reason in place of the record. */
export function tryRecord(bytes: Uint8Array): SessionRecord | NotARecordError {
  try {
    return openRecord(bytes)
  } catch (error) {
    if (error instanceof NotARecordError) return error
    throw error
  }
}

/** @param end Where the nonces begin. */
function startOfBinding(bytes: Buffer, end: number): number {
  return end - LENGTH_BYTES - bytes.readUInt16BE(end - LENGTH_BYTES)
}

const NONE: readonly number[] = []

function earlierOf(record: Buffer, count: number): number[] {
  const earlier: number[] = []
  for (let at = record.length - count * NONCE_BYTES; at < record.length; at += NONCE_BYTES) {
    earlier.push(record.readUInt32BE(at))
  }
  return earlier
}

export function newNonce(): number {
  return Math.floor(Math.random() * NONCES)
}

/** The header of the commit after this one. */
export function followed(header: Header): Header {
  const { counter, nonce } = header
  const earlier = [nonce]
  for (const each of header.earlier) if (earlier.length < MAX_EARLIER) earlier.push(each)
  return { ...header, counter: (counter + 1) >>> 0, nonce: newNonce(), earlier }
}

/** A record with its payload but no header yet. It has room for both, so the payload is copied only once. */
export class UnsealedRecord {
  readonly #bytes: Buffer
  /** The bytes of header and payload. */
  readonly length: number

  /** @param payload A string is encoded in UTF-8. */
  constructor(payload: Uint8Array | string) {
    const isText = typeof payload === 'string'
    this.length = HEADER_BYTES + (isText ? Buffer.byteLength(payload) : payload.length)
    this.#bytes = Buffer.allocUnsafe(this.length + MAX_EARLIER * NONCE_BYTES)
    if (isText) this.#bytes.write(payload, HEADER_BYTES)
    else this.#bytes.set(payload, HEADER_BYTES)
  }

  get payload(): Buffer {
    return this.#bytes.subarray(HEADER_BYTES, this.length)
  }

  /** Call it once: the record uses the same memory. */
  seal(header: Header): SessionRecord {
    const { binding, earlier } = header
    const bytes = this.#take(binding, earlier.length * NONCE_BYTES)
    bytes[0] = FIRST_BYTE
    bytes[1] =
      binding !== undefined ? LAYOUT_WITH_BINDING : earlier.length === 0 ? LAYOUT : LAYOUT_WITH_EARLIER
    bytes[2] = header.tag
    bytes[3] =
      (header.permanent ? PERMANENT : 0) |
      (header.moved ? TOMBSTONE.bit : 0) |
      (header.lifetime === undefined ? 0 : OWN_LIFETIME) |
      (earlier.length << EARLIER_SHIFT)
    bytes.writeUInt32BE(header.schemaVersion, 4)
    bytes.writeUIntBE(header.createdAt, 8, 6)
    bytes.writeUInt32BE(header.counter, 14)
    bytes.writeUInt32BE(header.nonce, 18)
    bytes.writeUIntBE(header.touchedAt, 22, 6)
    bytes.writeUInt32BE(header.idleTimeout, 28)
    let at = bytes.length - earlier.length * NONCE_BYTES
    for (const nonce of earlier) at = bytes.writeUInt32BE(nonce, at)
    return new SessionRecord(bytes, header)
  }

  // Its own memory has room for everything except a binding.
  #take(binding: Buffer | undefined, room: number): Buffer {
    if (binding === undefined) {
      return room === MAX_EARLIER * NONCE_BYTES ? this.#bytes : this.#bytes.subarray(0, this.length + room)
    }
    const end = this.length + binding.length
    const bytes = Buffer.allocUnsafe(end + LENGTH_BYTES + room)
    bytes.set(this.#bytes.subarray(0, this.length))
    bytes.set(binding, this.length)
    bytes.writeUInt16BE(binding.length, end)
    return bytes
  }
}

/** The bytes that a touch writes at `TOUCH.offset`. */
export function touchOf(record: Buffer): Buffer {
  return record.subarray(TOUCH.offset, TOUCH.offset + TOUCH.length)
}

/** The revision of a record: 18 bytes that identify its last commit and touch. */
export function revisionOf(bytes: Uint8Array): Buffer {
  return view(bytes).subarray(REVISION.offset, REVISION.offset + REVISION.length)
}

/** Whether this record is a tombstone: the session has moved to a new id. A store's `end()` does not remove it. */
export function isTombstone(bytes: Uint8Array): boolean {
  return bytes[0] === FIRST_BYTE && ((bytes[TOMBSTONE.offset] ?? 0) & TOMBSTONE.bit) !== 0
}

/** Whether this record is sealed: what follows its header is encrypted. */
export function isSealed(bytes: Uint8Array): boolean {
  return bytes[0] === FIRST_BYTE && ((bytes[SEALED.offset] ?? 0) & SEALED.bit) !== 0
}

/** Whether this record may stay unused for less time than the one with this revision. */
export function isShorter(bytes: Uint8Array, revision: Uint8Array): boolean {
  const [next, last] = [revisionOf(bytes), view(revision)]
  return Buffer.compare(next.subarray(-IDLE_BYTES), last.subarray(-IDLE_BYTES)) < 0
}

/** The bytes of a record with a payload of this many bytes. */
export function recordBytes(payloadBytes: number): number {
  return HEADER_BYTES + payloadBytes
}

/** The same bytes as a Buffer. */
export function view(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
