// Weighs session data before encoding and after decoding. The size of a record alone does not bound its cost.
import { types } from 'node:util'
import { type Dictionary, MAX_COSTLY, MAX_DEPTH, MAX_ENTRIES } from '../../serializers/serializer.js'

/** Data that exceeds a limit. */
export class OverweightError extends Error {
  /** @param what What exceeds the limit, as a plural for messages: `'bytes'`, `'values'`, … */
  constructor(
    readonly what: string,
    readonly limit: number
  ) {
    super(`more than ${limit} ${what}`)
  }
}

/** The limit allows one value per 4 bytes, for example a digit and a separator. */
const BYTES_PER_VALUE = 4
/** The limit allows one object per 8 bytes. Real sessions have larger objects on average. */
const BYTES_PER_OBJECT = 8
/** This many values or objects are always allowed. */
const FEW = 1_024
/** Limits the sum of the levels of all values, because superjson writes the path of each annotated value. */
const LEVELS_PER_BYTE = 16
const FEW_LEVELS = 1_048_576
/** Keys may be longer than the record, because msgpack writes the keys of similar objects once. */
const KEYS = 4

/**
 * Weighs values against the limits of one record:
 * - bytes: one per value, plus the length of strings and binary data. No encoding takes less.
 * - values: one per 4 bytes of the limit.
 * - objects, lists and values of types that JSON lacks: one per 8 bytes of the limit.
 * - entries of Maps and Sets; Errors, regular expressions and URLs: fixed numbers.
 * - nesting of objects, and the sum of the levels of all values.
 *
 * A value inside itself counts once, because the serializer decides whether to accept cycles. A shared object counts
 * each time, because a later deployment may use a serializer that stores it each time.
 */
export class Scale {
  readonly #limit: number
  readonly #maxValues: number
  readonly #maxObjects: number
  readonly #maxLevels: number
  /** The objects that contain the value. A list: the limit of all levels also limits the searches in it. */
  readonly #ancestors: object[] = []
  #bytes = 0
  #values = 0
  #objects = 0
  #entries = 0
  #costly = 0
  #keys = 0
  #levels = 0
  /**
   * Whether some value has its own `toJSON` or is a function or symbol. Only decoding shows what the serializer stores.
   */
  isUncertain = false
  /** Whether an object contains itself. */
  isCyclic = false

  /** @param limit The size of a record, in bytes. */
  constructor(limit: number) {
    this.#limit = limit
    this.#maxLevels = Math.max(FEW_LEVELS, limit * LEVELS_PER_BYTE)
    this.#maxValues = Math.max(FEW, Math.floor(limit / BYTES_PER_VALUE))
    this.#maxObjects = Math.max(FEW, Math.floor(limit / BYTES_PER_OBJECT))
  }

  /** The bytes that any encoding takes at least. */
  get bytes(): number {
    return this.#bytes
  }

  /** The same with the keys of all objects, which JSON repeats. */
  get bytesWithKeys(): number {
    return this.#bytes + this.#keys
  }

  /** @throws {OverweightError} */
  weigh(value: unknown): void {
    if (isPlain(value)) {
      this.#addPlain(1, plainBytes(value))
      return
    }
    this.#addValues(1)
    if (typeof value === 'object' && value !== null) {
      this.#addBytes(1)
      this.#addObject()
      this.#weighObject(value)
    } else {
      this.#addBytes(typeof value === 'bigint' ? bytesOf(value) : 1)
      if (value !== null) this.#addObject()
      if (typeof value === 'function' || typeof value === 'symbol') this.isUncertain = true
    }
  }

  // Sessions consist mostly of dictionaries and lists, so these come first.
  #weighObject(value: object): void {
    const isDictionaryOrList = isDictionary(value) || Array.isArray(value)
    if (!isDictionaryOrList && this.#isWeighedWhole(value)) return
    if (this.#ancestors.includes(value)) {
      this.isCyclic = true
      return
    }
    // Not `'toJSON' in value`, which takes longer than the rest of a small object.
    const { toJSON } = value as { toJSON?: unknown }
    if (typeof toJSON === 'function') {
      if (toJSON !== Date.prototype.toJSON) this.isUncertain = true
      return
    }
    if (this.#ancestors.length === MAX_DEPTH) throw new OverweightError('levels', MAX_DEPTH)
    this.#ancestors.push(value)
    if (Array.isArray(value)) for (const item of value) this.weigh(item)
    else if (isDictionaryOrList) this.#weighDictionary(value as Dictionary)
    else this.#weighOther(value)
    this.#ancestors.pop()
  }

  #isWeighedWhole(value: object): boolean {
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) this.#addBytes(value.byteLength)
    else if (value instanceof URL) this.#addCostly()
    else return false
    return true
  }

  // `Object.values()` would take longer than everything else here, and a call for each plain value twice as long.
  #weighDictionary(value: Dictionary): void {
    let count = 0
    let bytes = 0
    for (const key in value) {
      this.#keys += key.length
      const item = value[key]
      const hasTooManyKeys = this.#keys > KEYS * this.#limit
      if (isPlain(item) && !hasTooManyKeys) {
        count++
        bytes += plainBytes(item)
        continue
      }
      this.#addPlain(count, bytes)
      count = bytes = 0
      if (hasTooManyKeys) throw new OverweightError('characters of keys', KEYS * this.#limit)
      this.weigh(item)
    }
    this.#addPlain(count, bytes)
  }

  #weighOther(value: object): void {
    if (types.isMap(value)) {
      this.#addEntries(value.size)
      for (const [key, item] of value) {
        this.weigh(key)
        this.weigh(item)
      }
    } else if (types.isSet(value)) {
      this.#addEntries(value.size)
      for (const item of value) this.weigh(item)
    } else {
      if (value instanceof Error) {
        this.#addCostly()
        for (const part of [value.name, value.message, value.cause]) this.weigh(part)
      } else if (types.isRegExp(value)) {
        this.#addCostly()
        this.weigh(value.source)
      }
      for (const item of Object.values(value)) this.weigh(item)
    }
  }

  #addPlain(count: number, bytes: number): void {
    // Bytes are known even if there are too many values.
    this.#bytes += bytes
    this.#addValues(count)
    this.#addBytes(0)
  }

  #addValues(count: number): void {
    this.#values += count
    if (this.#values > this.#maxValues) throw new OverweightError('values', this.#maxValues)
    this.#levels += count * this.#ancestors.length
    if (this.#levels > this.#maxLevels) throw new OverweightError('levels in all', this.#maxLevels)
  }

  #addBytes(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > this.#limit) throw new OverweightError('bytes', this.#limit)
  }

  #addObject(): void {
    if (++this.#objects > this.#maxObjects) throw new OverweightError('objects', this.#maxObjects)
  }

  #addEntries(size: number): void {
    this.#entries += 1 + size
    if (this.#entries > MAX_ENTRIES) throw new OverweightError('entries of Maps and Sets', MAX_ENTRIES)
  }

  #addCostly(): void {
    if (++this.#costly > MAX_COSTLY) throw new OverweightError('Errors, RegExps and URLs', MAX_COSTLY)
  }
}

/** Whether JSON has this value, which is not an object or null. */
function isPlain(value: unknown): value is string | number | boolean {
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  return typeof value === 'string' || typeof value === 'boolean'
}

function plainBytes(value: string | number | boolean): number {
  return typeof value === 'string' ? value.length : 1
}

function bytesOf(value: bigint): number {
  return BigInt.asIntN(64, value) === value ? 1 : value.toString(16).length >> 1
}

export function isDictionary(value: unknown): value is Dictionary {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
