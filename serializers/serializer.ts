// The interface of a serializer: what turns the data of a session into bytes, and back.
import { Buffer, isUtf8 } from 'node:buffer'

/** The data of one session: an object whose top-level keys are the keys of the session. */
export type Dictionary = Record<string, unknown>

/**
 * Encodes the data of sessions. A user's own serializer implements this very interface.
 *
 * The tag is written into every record, so that any process finds the serializer that wrote it: a tag, once
 * used, belongs to its format for as long as records of it live.
 */
export interface Serializer {
  /** The name, as in error messages and in the option `serializer`. */
  readonly name: string
  /** 1 to 255, and unique; 1 to 31 belong to this package, 32 to 255 to its users. */
  readonly tag: number
  /** Whether an object inside itself is refused before `encode`, which would go round until the stack is full. */
  readonly refusesCycles?: boolean
  /** Awaited once before the first use, if there is one: the place to import a library on demand. */
  load?(): Promise<void>
  /**
   * Bytes that nobody changes before the next call, or a text, which is stored in UTF-8. Does not change `data`. Throws on
   * what it cannot encode. Data that was decoded, and not changed since, gives the same bytes again: other bytes count
   * as a change, and are stored.
   */
  encode(data: Dictionary): Uint8Array | string
  /**
   * The data that `encode` was given. Throws on bytes that are not its own, in bounded time and memory:
   * they come from a database that others may write to. Keeps no view of `bytes`, which may be a slice of
   * a buffer that is shared with other sessions.
   */
  decode(bytes: Uint8Array): Dictionary
}

/**
 * How many entries the Maps and Sets of one session hold in all, themselves included. Anybody can find numbers whose
 * hashes collide: a Set of 30,000 of them takes a second to build, one of 4,096 takes 20 ms.
 */
export const MAX_ENTRIES = 2_048

/** How many Errors, regular expressions and URLs one session holds: each costs more to create than others to read. */
export const MAX_COSTLY = 1_024

/** How many levels of objects lie within each other. */
export const MAX_DEPTH = 1_024

/** The text that these bytes are in UTF-8; throws where they are not, rather than replace what is damaged. */
export function textOf(bytes: Uint8Array): string {
  const buffer =
    bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = buffer.toString()
  // What stands for damaged bytes may as well have been there.
  if (text.includes('\uFFFD') && !isUtf8(bytes)) throw new TypeError('not UTF-8')
  return text
}
