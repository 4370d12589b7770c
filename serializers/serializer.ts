// The interface of a serializer, which turns session data into bytes and back.
import { Buffer, isAscii, isUtf8, transcode } from 'node:buffer'

/** The data of one session. Its top-level keys are the keys of the session. */
export type Dictionary = Record<string, unknown>

/**
 * Encodes session data. Custom serializers implement the same interface.
 *
 * Every record holds the tag of the serializer that wrote it, so any process can read it. Never give a tag to another
 * format while records of the old one exist.
 * @example
 * const v8: Serializer = {
 *   name: 'v8',
 *   tag: 32,
 *   encode: (data) => serialize(deserialize(serialize(data))), // v8 writes decoded arrays differently from fresh ones
 *   decode(bytes) {
 *     const reader = new DefaultDeserializer(new Uint8Array(bytes)) // v8 returns views of its input
 *     reader.readHeader()
 *     const data = reader.readValue()
 *     try {
 *       reader.readRawBytes(1)
 *     } catch {
 *       return data
 *     }
 *     throw new TypeError('bytes after the end') // v8.deserialize ignores them
 *   }
 * }
 */
export interface Serializer {
  /** The name in error messages and log lines. */
  readonly name: string
  /** A unique integer: 1 to 31 are reserved for this package, 32 to 255 are for custom serializers. */
  readonly tag: number
  /**
   * Whether the plugin refuses an object that contains itself, instead of calling `encode`. Set it if `encode` would
   * recurse until the stack overflows.
   * @default false
   */
  readonly refusesCycles?: boolean
  /** Optional. Awaited once before the first use, for example to import a library on demand. */
  load?(): Promise<void>
  /**
   * Encodes `data` without changing it. Data that was decoded and not changed since must give the same bytes again;
   * different bytes count as a change and are stored. It is not called if enumerable properties show no change.
   * @returns A string, stored in UTF-8, or bytes that stay valid until the next call.
   * @throws on values that it cannot encode.
   */
  encode(data: Dictionary): Uint8Array | string
  /**
   * Returns the data that `encode` was given. Keeps no view of `bytes`: its `buffer` would hold the whole record.
   * @param bytes A copy for this call alone, so that no other session can be read in its `buffer`.
   * @throws on bytes that `encode` does not produce, also after the end, in bounded time and memory: others may write to
   * the database.
   */
  decode(bytes: Uint8Array): Dictionary
}

/** Tags up to this one belong to the serializers of this package. */
export const OWN_TAGS = 31

/**
 * Maximum entries of all Maps and Sets of one session; each Map or Set counts as one more. Anyone can find numbers
 * whose hashes collide: a Set of 30,000 of them takes a second to build, one of 4,096 takes 20 ms.
 */
export const MAX_ENTRIES = 2_048

/** Maximum Errors, regular expressions and URLs in one session. They cost more to create than other values. */
export const MAX_COSTLY = 1_024

/** Maximum nesting of objects. */
export const MAX_DEPTH = 1_024

/** From this many bytes on, transcoding takes less time than decoding. */
const LONG = 2_048

/** Parses a JSON object in UTF-8. Throws on anything after its end. */
export function objectOf(bytes: Uint8Array): Dictionary {
  const text = textOf(bytes)
  // JSON.parse ignores white space.
  if (!text.endsWith('}')) throw new TypeError('bytes after the end')
  return JSON.parse(text)
}

/** Decodes UTF-8. Throws on invalid bytes instead of replacing them. */
export function textOf(bytes: Uint8Array): string {
  const buffer =
    bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // Node transcodes long texts beyond ASCII faster than it decodes them.
  if (bytes.length >= LONG && !isAscii(bytes) && isUtf8(bytes)) {
    return transcode(buffer, 'utf8', 'utf16le').toString('utf16le')
  }
  const text = buffer.toString()
  // U+FFFD replaces invalid bytes, but valid text may contain it as well.
  if (text.includes('\uFFFD') && !isUtf8(bytes)) throw new TypeError('not UTF-8')
  return text
}
