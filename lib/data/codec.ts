// Turns session data into payloads and back, with the serializers and their limits.
import { Buffer } from 'node:buffer'
import { json } from '../../serializers/json.js'
import { type Dictionary, OWN_TAGS, type Serializer } from '../../serializers/serializer.js'
import { EncodeError, TooLargeError, TooManyError } from '../errors.js'
import { type Header, recordBytes, UnsealedRecord } from '../records/record.js'
import { Budget, isEqual } from './equal.js'
import { keyName, keyNames } from './key-names.js'
import { PayloadError } from './payload-error.js'
import { isDictionary, OverweightError, Scale } from './weight.js'

/** The seam for the part that gives the application's data a version. */
export interface Versions {
  /** The version of the data that this process stores. */
  readonly version: number
  /**
   * Takes decoded data of a stored version to what a request sees. Data of a later version stays as it is.
   * @throws {PayloadError}
   */
  read(data: Dictionary, version: number): Dictionary
}

/** Data ready to store. */
export interface Encoded {
  record: UnsealedRecord
  /** The tag of the serializer that encoded it: the writer, or the serializer of the stored record. */
  tag: number
  /** The top-level keys that the writer cannot keep, which is why the serializer of the stored record was used. */
  keys: readonly string[]
}

/** What the codec reads of a record. */
export interface Stored {
  readonly header: Pick<Header, 'tag' | 'schemaVersion'>
  readonly payload: Uint8Array
}

export class Codec {
  readonly #byTag: Map<number, Serializer>
  readonly #loading = new Map<Serializer, Promise<void>>()
  readonly #loaded = new Set<Serializer>()
  /** The serializer of new records. */
  readonly writer: Serializer
  readonly #maxRecordBytes: number

  /** @param readers All serializers whose records can be read. If two have the same tag, the later one is used. */
  constructor(
    writer: Serializer,
    readers: Iterable<Serializer>,
    maxRecordBytes: number,
    /** Undefined without the option `schema`. */
    readonly versions?: Versions
  ) {
    this.writer = writer
    this.#byTag = new Map([...readers, writer].map((serializer) => [serializer.tag, serializer]))
    this.#maxRecordBytes = maxRecordBytes
  }

  /** The name of the serializer with this tag, or of the writer if there is none. */
  nameOf(tag: number): string {
    return (this.#byTag.get(tag) ?? this.writer).name
  }

  /** Whether payloads with this tag can be decoded now. If not, await `load` first. */
  isReady(tag: number): boolean {
    const serializer = this.#byTag.get(tag)
    return serializer === undefined || this.#loaded.has(serializer)
  }

  /** Loads what the serializer with this tag needs. Concurrent calls load it once. */
  async load(tag: number): Promise<void> {
    const serializer = this.#byTag.get(tag)
    if (serializer === undefined) return
    let loading = this.#loading.get(serializer)
    if (loading === undefined) {
      loading = Promise.resolve(serializer.load?.())
      this.#loading.set(serializer, loading)
    }
    await loading
    this.#loaded.add(serializer)
  }

  /** Whether nothing but JSON.stringify encodes the data of a record with this tag. */
  isJson(tag = this.writer.tag): boolean {
    return this.writer === json && this.#byTag.get(tag) === json
  }

  /** What one request may spend on comparing and merging. */
  newBudget(): Budget {
    return Budget.forRecords(this.#maxRecordBytes)
  }

  /**
   * Encodes data into a record without a header.
   * @param tag Selects a serializer other than the writer, to compare with a record of that serializer.
   * @throws {EncodeError} naming the keys that the serializer refuses, and their types
   * @throws {TooLargeError} naming size, limit and the largest keys
   * @throws {TooManyError} naming what exceeds its limit, and the largest keys
   */
  encode(data: Dictionary, tag = this.writer.tag): UnsealedRecord {
    const serializer = this.#byTag.get(tag) ?? this.writer
    let record: UnsealedRecord
    try {
      record = this.#encode(data, serializer)
    } catch (error) {
      if (isTooMuch(error)) throw this.#tooMuch(error, data, serializer)
      throw this.#refusal(data, serializer)
    }
    if (record.length > this.#maxRecordBytes) throw this.#tooLarge(String(record.length), data, serializer)
    return record
  }

  /**
   * Encodes data to replace a record that another serializer may have written. Uses the writer, unless the writer would
   * lose values that the other serializer keeps.
   * @param tag The serializer of the stored record.
   * @throws {EncodeError | TooLargeError | TooManyError} like `encode`
   */
  encodeLike(data: Dictionary, tag: number): Encoded {
    const { writer } = this
    const own = this.#byTag.get(tag) ?? writer
    const byOwn = own === writer ? undefined : this.#roundTrip(data, own)
    if (byOwn === undefined) return { record: this.encode(data), tag: writer.tag, keys: [] }
    const byWriter = this.#roundTrip(data, writer)
    const keys = byWriter
      ? lost(data, byWriter.back, byOwn.back, this.newBudget())
      : this.#refusedKeys(data, writer)
    if (byWriter !== undefined && keys.length === 0) {
      return { record: byWriter.record, tag: writer.tag, keys }
    }
    return { record: byOwn.record, tag, keys }
  }

  /**
   * The data of a record, as a request sees it. Its serializer must be loaded.
   * @throws {PayloadError}
   */
  open({ header: { tag, schemaVersion }, payload }: Stored): Dictionary {
    const data = this.decode(tag, payload)
    return this.versions === undefined ? data : this.versions.read(data, schemaVersion)
  }

  /** The version of the data that `open` returns. Data stored without a version has version 1. */
  versionOf({ schemaVersion }: Pick<Header, 'schemaVersion'>): number {
    return Math.max(schemaVersion, this.versions?.version ?? 1)
  }

  /**
   * @throws {PayloadError} if the payload cannot be decoded, or decodes to more than may be stored. It replaces the
   * serializer's error, which may quote the payload.
   */
  decode(tag: number, payload: Uint8Array): Dictionary {
    const serializer = this.#byTag.get(tag)
    if (serializer === undefined) throw new PayloadError(`no serializer has its tag ${tag}`)
    const size = recordBytes(payload.length)
    if (size > this.#maxRecordBytes) {
      throw new PayloadError(
        `it has ${size} bytes, maxRecordBytes is ${this.#maxRecordBytes} (raise it to read this session)`
      )
    }
    let data: unknown
    try {
      data = serializer.decode(tag > OWN_TAGS ? ownCopy(payload) : payload)
    } catch {
      throw new PayloadError(
        `serializer ${serializer.name} cannot decode its payload (damaged, or written by another program)`
      )
    }
    if (!isDictionary(data))
      throw new PayloadError(`serializer ${serializer.name} finds no object in its payload`)
    // JSON decodes it like any other key, but code that copies the data would change a prototype.
    if (Object.hasOwn(data, '__proto__')) throw new PayloadError('it has the key __proto__')
    // Before the data is compared or copied: a kilobyte may decode to a graph that doubles in size at every level.
    try {
      new Scale(this.#maxRecordBytes).weigh(data)
    } catch (error) {
      throw new PayloadError(`it decodes to ${(error as OverweightError).message}`)
    }
    return data
  }

  // Weighs first, because a graph with shared parts can take exponential time to encode.
  #encode(data: Dictionary, serializer: Serializer): UnsealedRecord {
    const scale = new Scale(this.#maxRecordBytes)
    scale.weigh(data)
    if (scale.isCyclic && serializer.refusesCycles) throw new TypeError('an object inside itself')
    const encoded: unknown = serializer.encode(data)
    if (encoded instanceof Promise) {
      encoded.catch(() => {})
      throw new TypeError('encode() must not be async')
    }
    const record = new UnsealedRecord(encoded as Uint8Array | string)
    // It may have written more than decode() accepts, or a reference to a function that it left out.
    if (scale.isUncertain && record.length <= this.#maxRecordBytes) {
      this.decode(serializer.tag, record.payload)
    }
    return record
  }

  // The record and the data that it decodes to; `undefined` if the data cannot be stored.
  #roundTrip(data: Dictionary, { tag }: Serializer) {
    try {
      const record = this.encode(data, tag)
      return { record, back: this.decode(tag, record.payload) }
    } catch {
      return undefined
    }
  }

  #refusal(data: Dictionary, serializer: Serializer): Error {
    const refused = this.#refusedKeys(data, serializer)
    const named = refused.length > 0 ? refused : Object.keys(data)
    const list = keyNames(named, (key) => `${keyName(key)} (${typeName(data[key])})`)
    return new EncodeError(serializer.name, list)
  }

  #refusedKeys(data: Dictionary, serializer: Serializer): string[] {
    return this.#weights(data)
      .slice(0, MAX_TRIED)
      .map(({ key }) => key)
      .filter((key) => {
        try {
          this.#encode({ [key]: data[key] }, serializer)
          return false
        } catch (error) {
          return !isTooMuch(error)
        }
      })
  }

  #tooMuch({ what, limit }: OverweightError, data: Dictionary, serializer: Serializer): Error {
    if (what === 'bytes') return this.#tooLarge(`more than ${limit}`, data, serializer)
    return new TooManyError(limit, what, this.#largest(data, serializer))
  }

  #tooLarge(size: string, data: Dictionary, serializer: Serializer): Error {
    return new TooLargeError(size, this.#maxRecordBytes, this.#largest(data, serializer))
  }

  // Sorted by weight. Gives exact bytes only if the session is not far beyond the limit, since that encodes it again.
  #largest(data: Dictionary, serializer: Serializer): string {
    const weights = this.#weights(data).sort((a, b) => b.bytes - a.bytes)
    const all = weights.reduce((sum, { bytes }) => sum + bytes, 0)
    const sizes = weights.slice(0, 2 * NAMED).map(({ key, bytes, excess }) => {
      if (excess !== undefined) return { key, bytes, text: excess }
      const size = all < 2 * this.#maxRecordBytes ? this.#sizeOf({ [key]: data[key] }, serializer) : undefined
      return { key, bytes: size ?? bytes, text: size === undefined ? `about ${bytes}` : String(size) }
    })
    return sizes
      .sort((a, b) => b.bytes - a.bytes || a.key.localeCompare(b.key))
      .slice(0, NAMED)
      .map(({ key, text }) => `${keyName(key)} (${text})`)
      .join(', ')
  }

  #sizeOf(data: Dictionary, serializer: Serializer): number | undefined {
    try {
      return this.#encode(data, serializer).payload.length
    } catch {
      return undefined
    }
  }

  // For messages only. Stops once it has weighed a few sessions' worth, since keys may be many or share a large object.
  #weights(data: Dictionary): { key: string; bytes: number; excess: string | undefined }[] {
    const weights = []
    let left = SESSIONS_WEIGHED * this.#maxRecordBytes
    for (const key of Object.keys(data)) {
      const scale = new Scale(this.#maxRecordBytes)
      let excess: string | undefined
      try {
        scale.weigh(data[key])
      } catch (error) {
        if (isTooMuch(error)) excess = error.message
      }
      weights.push({ key, bytes: excess === undefined ? scale.bytesWithKeys : Infinity, excess })
      left -= KEY_WEIGHED + scale.bytes
      if (left < 0) break
    }
    return weights
  }
}

// The keys whose values equal neither the original nor what the other serializer returns. If a value is too large to
// compare, its key is one of them.
function lost(data: Dictionary, back: Dictionary, other: Dictionary, budget: Budget): string[] {
  return Object.keys(data).filter((key) => {
    try {
      return !isEqual(back[key], data[key], budget) && !isEqual(back[key], other[key], budget)
    } catch {
      return true
    }
  })
}

/** Maximum keys that a message about size names. */
const NAMED = 3
/** Maximum keys to encode one by one to find those that a serializer refuses. */
const MAX_TRIED = 500
const SESSIONS_WEIGHED = 4
/** The minimum cost of weighing a key, in bytes that could be weighed in the same time. */
const KEY_WEIGHED = 16

// For serializers of others. The payload is a slice of what came from the network, or of Node's pool of small Buffers:
// a view of it that a serializer hands out would show other sessions in its `buffer`.
function ownCopy(payload: Uint8Array): Buffer {
  return Buffer.from(new Uint8Array(payload).buffer)
}

// Too much nesting is reported like a type that the serializer refuses: by key.
function isTooMuch(error: unknown): error is OverweightError {
  return error instanceof OverweightError && error.what !== 'levels'
}

/** The type of a value for messages: `Map`, `Date`, `string`, `null`. Never throws and never shows the value. */
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return typeof value
  try {
    // From the prototype: an own key `constructor` is data. A static `name` may be anything.
    const type: unknown = Object.getPrototypeOf(value)?.constructor
    const name = typeof type === 'function' ? type.name : undefined
    return typeof name === 'string' && name !== '' ? keyName(name) : 'object'
  } catch {
    // A revoked proxy, or a getter that throws.
    return 'object'
  }
}
