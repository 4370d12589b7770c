// The bytes kept under one key: a header of fixed size that a script in Redis can compare and patch in place,
// then the payload, exactly what the serializer returned. All numbers are big-endian.
//
//   offset  0  1 byte   0xF5, with which no text and no other common format starts
//           1  1        version of this layout
//           2  1        tag of the serializer that wrote the payload
//           3  1        flags: 1 permanent, 2 moved
//           4  4        schema version of the application's data (0: not used)
//           8  6        createdAt
//          14  4        revision: counter, +1 with every committed change
//          18  4        revision: nonce, random with every committed change, so that no two look alike
//          22  6        revision: touchedAt
//          28  4        revision: idleTimeout
//          32           the payload
import { Buffer } from 'node:buffer'

const MAGIC = 0xf5
const LAYOUT = 1
const PERMANENT = 1
const MOVED = 2
const HEADER_BYTES = 32
const NONCES = 2 ** 32

/** Where the revision stands in a record, in bytes: a store compares it as it is, the last commit and the last touch. */
export const REVISION = { offset: 14, length: 18 } as const
/** Where a touch patches a record, in bytes: touchedAt and idleTimeout. */
export const TOUCH = { offset: 22, length: 10 } as const

/** Names one committed change of a session, among those of a history that a failover has cut off too. */
export interface Commit {
  /** Counts the committed changes; starts at 1. */
  counter: number
  nonce: number
}

/** The header of a record. Instants are epoch milliseconds. */
export interface Header extends Commit {
  /** Tag of the serializer that wrote the payload, 1 to 255; 0 in a record without data. */
  tag: number
  permanent: boolean
  /** Nothing but the mark that this session went on under a new id. */
  moved: boolean
  schemaVersion: number
  createdAt: number
  touchedAt: number
  /** Seconds that this session may stay untouched. */
  idleTimeout: number
}

/** A record: its bytes, and what stands in them. */
export class SessionRecord {
  readonly bytes: Buffer
  readonly header: Header

  constructor(bytes: Buffer, header: Header) {
    this.bytes = bytes
    this.header = header
  }

  /** 18 bytes, to compare only. */
  get revision(): Buffer {
    return revisionOf(this.bytes)
  }

  get payload(): Buffer {
    return this.bytes.subarray(HEADER_BYTES)
  }
}

/** Why some bytes are no record of ours; the message holds nothing of them. */
export class NotARecordError extends Error {}

export function openRecord(bytes: Uint8Array): SessionRecord {
  const record = view(bytes)
  if (record[0] !== MAGIC) throw new NotARecordError('it is not a record of this package')
  if (record[1] !== LAYOUT)
    throw new NotARecordError(`its layout version ${record[1] ?? 'is missing'} is unknown`)
  if (record.length < HEADER_BYTES) throw new NotARecordError('its header is cut off')
  const flags = record.readUInt8(3)
  // A later version may encrypt or compress the payload: this one must not take that for data.
  if ((flags & ~(PERMANENT | MOVED)) !== 0) throw new NotARecordError(`its flags ${flags} are unknown`)
  return new SessionRecord(record, {
    tag: record.readUInt8(2),
    permanent: (flags & PERMANENT) !== 0,
    moved: (flags & MOVED) !== 0,
    schemaVersion: record.readUInt32BE(4),
    createdAt: record.readUIntBE(8, 6),
    counter: record.readUInt32BE(14),
    nonce: record.readUInt32BE(18),
    touchedAt: record.readUIntBE(22, 6),
    idleTimeout: record.readUInt32BE(28)
  })
}

export function newNonce(): number {
  return Math.floor(Math.random() * NONCES)
}

/** A record that has its payload already, and room for its header: a payload is written only once. */
export class UnsealedRecord {
  readonly #bytes: Buffer

  /** @param payload A text stands for its bytes in UTF-8. */
  constructor(payload: Uint8Array | string) {
    const isText = typeof payload === 'string'
    this.#bytes = Buffer.allocUnsafe(HEADER_BYTES + (isText ? Buffer.byteLength(payload) : payload.length))
    if (isText) this.#bytes.write(payload, HEADER_BYTES)
    else this.#bytes.set(payload, HEADER_BYTES)
  }

  get payload(): Buffer {
    return this.#bytes.subarray(HEADER_BYTES)
  }

  /** How many bytes the record takes. */
  get length(): number {
    return this.#bytes.length
  }

  /** Once only: the bytes are those of the record from then on. */
  seal(header: Header): SessionRecord {
    const bytes = this.#bytes
    bytes[0] = MAGIC
    bytes[1] = LAYOUT
    bytes[2] = header.tag
    bytes[3] = (header.permanent ? PERMANENT : 0) | (header.moved ? MOVED : 0)
    bytes.writeUInt32BE(header.schemaVersion, 4)
    bytes.writeUIntBE(header.createdAt, 8, 6)
    bytes.writeUInt32BE(header.counter, 14)
    bytes.writeUInt32BE(header.nonce, 18)
    bytes.writeUIntBE(header.touchedAt, 22, 6)
    bytes.writeUInt32BE(header.idleTimeout, 28)
    return new SessionRecord(bytes, header)
  }
}

/** The part of this record that a touch writes at `TOUCH.offset`. */
export function touchOf(record: Buffer): Buffer {
  return record.subarray(TOUCH.offset, TOUCH.offset + TOUCH.length)
}

/** The revision of a record: 18 bytes, equal only after the same commit and touch. */
export function revisionOf(bytes: Uint8Array): Buffer {
  return view(bytes).subarray(REVISION.offset, REVISION.offset + REVISION.length)
}

/** Whether these bytes say only that the session went on under a new id. */
export function isMark(bytes: Uint8Array): boolean {
  return bytes[0] === MAGIC && ((bytes[3] ?? 0) & MOVED) !== 0
}

/** How many bytes a record takes whose payload takes this many. */
export function recordBytes(payloadBytes: number): number {
  return HEADER_BYTES + payloadBytes
}

function view(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) return bytes
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
