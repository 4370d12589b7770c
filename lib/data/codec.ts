// Between the data of a session and the payload of its record: the serializers, and the bounds around them.
import type { Dictionary, Serializer } from '../../serializers/serializer.js'
import { EncodeError, TooLargeError, TooManyError } from '../errors.js'
import { recordBytes, UnsealedRecord } from '../records/record.js'
import { Budget, isEqual } from './equal.js'
import { keyName, keyNames } from './key-names.js'
import { isDictionary, OverweightError, Scale } from './weight.js'

/** Why a payload cannot be decoded; the message holds nothing of it. */
export class PayloadError extends Error {}

/** Data as it is to be stored. */
export interface Encoded {
  record: UnsealedRecord
  /** The tag of the serializer that encoded it: the writer's, or that of the record that is there. */
  tag: number
  /** The top-level keys that the writer cannot keep, so that the record's own serializer goes on. */
  keys: readonly string[]
}

export class Codec {
  readonly #byTag: Map<number, Serializer>
  readonly #loading = new Map<Serializer, Promise<void>>()
  readonly #loaded = new Set<Serializer>()
  /** The serializer that new payloads are written with. */
  readonly writer: Serializer
  readonly #maxRecordBytes: number

  /** @param readers All serializers whose records are read; of two with one tag the later one counts. */
  constructor(writer: Serializer, readers: Iterable<Serializer>, maxRecordBytes: number) {
    this.writer = writer
    this.#byTag = new Map([...readers, writer].map((serializer) => [serializer.tag, serializer]))
    this.#maxRecordBytes = maxRecordBytes
  }

  /** The name of the serializer of this tag, the writer's if there is none. */
  nameOf(tag: number): string {
    return (this.#byTag.get(tag) ?? this.writer).name
  }

  /** Whether payloads of this tag can be decoded at once; if not, await `load` first. */
  isReady(tag: number): boolean {
    const serializer = this.#byTag.get(tag)
    return serializer === undefined || this.#loaded.has(serializer)
  }

  /** Loads what the serializer of this tag needs; concurrent calls load once. */
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

  /** What one request may spend on comparing and merging sessions of this size. */
  newBudget(): Budget {
    return Budget.forRecords(this.#maxRecordBytes)
  }

  /**
   * A record with the payload of this data.
   * @param tag Another serializer than the writer, to compare with what that one wrote.
   * @throws {EncodeError} naming the keys that the serializer refuses, with their types.
   * @throws {TooLargeError} naming size, limit and the largest keys.
   * @throws {TooManyError} naming what there is too much of, and the largest keys.
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
   * A record in place of one that another serializer wrote. The writer encodes it, unless that would lose what the
   * other serializer keeps: then that one does.
   * @param tag The serializer of the record that is there.
   * @throws {EncodeError | TooLargeError | TooManyError} as `encode`.
   */
  encodeLike(data: Dictionary, tag: number): Encoded {
    const { writer } = this
    const own = this.#byTag.get(tag) ?? writer
    const byOwn = own === writer ? undefined : this.#roundTrip(data, own)
    if (byOwn === undefined) return { record: this.encode(data), tag: writer.tag, keys: [] }
    const byWriter = this.#roundTrip(data, writer)
    const keys = byWriter ? this.#lost(data, byWriter.back, byOwn.back) : this.#refusedKeys(data, writer)
    if (byWriter !== undefined && keys.length === 0) {
      return { record: byWriter.record, tag: writer.tag, keys }
    }
    return { record: byOwn.record, tag, keys }
  }

  /**
   * @throws {PayloadError} when it cannot be decoded, or decodes to more than may be stored. What the serializer says of
   * it may quote it, and is dropped.
   */
  decode(tag: number, payload: Uint8Array): Dictionary {
    const serializer = this.#byTag.get(tag)
    if (serializer === undefined) throw new PayloadError(`no serializer has its tag ${tag}`)
    const size = recordBytes(payload.length)
    if (size > this.#maxRecordBytes) {
      throw new PayloadError(`it has ${size} bytes, maxRecordBytes is ${this.#maxRecordBytes}`)
    }
    let data: unknown
    try {
      data = serializer.decode(payload)
    } catch {
      throw new PayloadError(`serializer ${serializer.name} refuses its payload`)
    }
    if (!isDictionary(data))
      throw new PayloadError(`serializer ${serializer.name} finds no object in its payload`)
    // JSON brings it back as a key like others. Whoever copies the data would change a prototype.
    if (Object.hasOwn(data, '__proto__')) throw new PayloadError('it has the key __proto__')
    // Before anybody compares or copies it: a kilobyte may decode to a graph that doubles at every level.
    try {
      new Scale(this.#maxRecordBytes).weigh(data)
    } catch (error) {
      throw new PayloadError(`it decodes to ${(error as OverweightError).message}`)
    }
    return data
  }

  // Weighed first: a graph with shared parts can take exponentially long to encode.
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
    // Such as more than may be decoded, or a reference to a function that is not there.
    if (scale.isUncertain && record.length <= this.#maxRecordBytes) {
      this.decode(serializer.tag, record.payload)
    }
    return record
  }

  // What comes back; `undefined` for what cannot be stored.
  #roundTrip(data: Dictionary, { tag }: Serializer) {
    try {
      const record = this.encode(data, tag)
      return { record, back: this.decode(tag, record.payload) }
    } catch {
      return undefined
    }
  }

  // The keys that are neither as they were nor as the other serializer brings them back, or too much to compare.
  #lost(data: Dictionary, back: Dictionary, other: Dictionary): string[] {
    const budget = this.newBudget()
    return Object.keys(data).filter((key) => {
      try {
        return !isEqual(back[key], data[key], budget) && !isEqual(back[key], other[key], budget)
      } catch {
        return true
      }
    })
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

  // By their weight, in bytes where that is no effort: a session far beyond its limit is not encoded again for a message.
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

  // For a message: of many keys, or of keys that share what is large, as many as take no longer than a few sessions.
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

/** How many keys a message about size names. */
const NAMED = 3
/** How many keys are tried one by one to find those that a serializer refuses. */
const MAX_TRIED = 500
const SESSIONS_WEIGHED = 4
/** What weighing a key costs at least, in bytes that could be weighed meanwhile. */
const KEY_WEIGHED = 16

// What is nested too deep is refused by its key, as what a serializer has no word for.
function isTooMuch(error: unknown): error is OverweightError {
  return error instanceof OverweightError && error.what !== 'levels'
}

/** What a person calls the type of this value: `Map`, `Date`, `string`, `null`. It never fails, and shows no value. */
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return typeof value
  try {
    // Of the prototype: a key `constructor` of the value itself is data, and so is a static method `name`.
    const type: unknown = Object.getPrototypeOf(value)?.constructor
    const name = typeof type === 'function' ? type.name : undefined
    return typeof name === 'string' && name !== '' ? keyName(name) : 'object'
  } catch {
    // A revoked proxy, or a getter that throws.
    return 'object'
  }
}
