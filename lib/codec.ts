// Between the data of a session and the payload of its record: the serializers, and the bounds around them.
import type { Dictionary, Serializer } from '../serializers/serializer.js'
import { EncodeError, keyName, TooLargeError } from './errors.js'
import { recordBytes, UnsealedRecord } from './record.js'

/** Why a payload cannot be decoded; the message holds nothing of it. */
export class PayloadError extends Error {}

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

  /**
   * A record with the payload of this data.
   * @param tag Another serializer than the writer, to compare with what that one wrote.
   * @throws {EncodeError} naming the keys that the serializer refuses, with their types.
   * @throws {TooLargeError} naming size, limit and the largest keys.
   */
  encode(data: Dictionary, tag = this.writer.tag): UnsealedRecord {
    const serializer = this.#byTag.get(tag) ?? this.writer
    const record = this.#encode(data, serializer)
    if (record === undefined) throw this.#tooLarge(`more than ${this.#maxRecordBytes}`, data, serializer)
    if (record.length > this.#maxRecordBytes) throw this.#tooLarge(String(record.length), data, serializer)
    return record
  }

  /** @throws {PayloadError} when it cannot be decoded; what the serializer says of it may quote it, and is dropped. */
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
    return data
  }

  // `undefined`: so large that nobody should try. A graph with shared parts can take exponentially long to encode,
  // so its weight is taken first.
  #encode(data: Dictionary, serializer: Serializer): UnsealedRecord | undefined {
    try {
      if (weigh(data, this.#maxRecordBytes, new Set()) < 0) return undefined
      return new UnsealedRecord(serializer.encode(data))
    } catch {
      const keys = Object.entries(data)
      const refused = keys.filter(([key, value]) => !this.#accepts({ [key]: value }, serializer))
      const named = refused.length > 0 ? refused : keys
      throw new EncodeError(
        serializer.name,
        named.map(([key, value]) => `${key} (${typeName(value)})`).join(', ')
      )
    }
  }

  #accepts(data: Dictionary, serializer: Serializer): boolean {
    try {
      return weigh(data, this.#maxRecordBytes, new Set()) < 0 || serializer.encode(data) !== undefined
    } catch {
      return false
    }
  }

  #tooLarge(size: string, data: Dictionary, serializer: Serializer): Error {
    const largest = Object.entries(data)
      .map(([key, value]) => ({
        key,
        bytes: this.#encode({ [key]: value }, serializer)?.payload.length ?? Infinity
      }))
      .sort((a, b) => b.bytes - a.bytes || a.key.localeCompare(b.key))
      .slice(0, 3)
      .map(({ key, bytes }) => `${key} (${bytes === Infinity ? `more than ${this.#maxRecordBytes}` : bytes})`)
    return new TooLargeError(size, this.#maxRecordBytes, largest.join(', '))
  }
}

function isDictionary(value: unknown): value is Dictionary {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
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

const MAX_DEPTH = 2_000

// What remains of a budget of bytes after these values, each as often as it occurs; below 0 when it is spent.
// A byte for every value, and the length of texts and binary data: no encoding takes less. A value inside itself
// counts once: to take cycles or to refuse them is the serializer's business. What is shared counts each time, also
// where the serializer would store it once: another one may have to write it tomorrow.
function weigh(value: unknown, budget: number, ancestors: Set<object>): number {
  if (typeof value === 'string') return budget - value.length
  if (typeof value !== 'object' || value === null) return budget - 1
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return budget - value.byteLength
  if (ancestors.has(value) || ('toJSON' in value && typeof value.toJSON === 'function')) return budget - 1
  if (ancestors.size === MAX_DEPTH) throw new RangeError('nested too deep')
  ancestors.add(value)
  let left = budget - 1
  if (isDictionary(value)) {
    // Most of a session is dictionaries: lists of their values would take longer than all else here.
    for (const key in value) {
      left = weigh(value[key], left, ancestors)
      if (left < 0) break
    }
  } else {
    for (const inner of valuesOf(value)) {
      left = weigh(inner, left, ancestors)
      if (left < 0) break
    }
  }
  ancestors.delete(value)
  return left
}

function valuesOf(value: object): Iterable<unknown> {
  if (value instanceof Map) return [...value].flat()
  // A list with gaps counts as long as it is: JSON writes every gap.
  return value instanceof Set || Array.isArray(value) ? value : Object.values(value)
}
