// Reads the msgpack that `msgpack.ts` writes, and nothing else.
//
// msgpackr's decoder shares its tables with the whole process. It finds an error named `valueOf` on Object.prototype.
// A structure named `bin` slows down every later record, and all c1 bytes decode to the same object.
// It also compiles a function for each structure. This reader keeps no state between records.
import { Buffer } from 'node:buffer'
import { MAX_COSTLY, MAX_DEPTH, MAX_ENTRIES } from './serializer.js'

/**
 * Takes time and memory linear in the number of bytes.
 * @throws if `msgpack.ts` does not write such bytes, or if they exceed the limits of `serializer.ts`.
 */
export function read(bytes: Uint8Array): unknown {
  return new Reader(bytes).read()
}

/** The extension types of msgpackr. A value follows, or bytes of the extension's own format. */
const UNDEFINED = 0
const BIGINT = 0x42
const ERROR = 0x65
const STRUCTURE = 0x72
const SET = 0x73
const BINARY = 0x74
const REGEXP = 0x78
const TIMESTAMP = 0xff

const ERRORS = new Map(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((type) => [
    type.name,
    type
  ])
)
/** By type code. Buffers have a separate token. */
const BINARIES = [
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array],
  ...[Float32Array, Float64Array, BigInt64Array, BigUint64Array]
] as const
const ARRAY_BUFFER = 16
const DATA_VIEW = 17

class Reader {
  readonly #bytes: Buffer
  readonly #view: DataView
  /** The keys of objects, by the token that refers to them. */
  readonly #structures = new Map<number, string[]>()
  #at = 0
  #depth = 0
  #entries = 0
  #costly = 0

  constructor({ buffer, byteOffset, byteLength }: Uint8Array) {
    this.#bytes = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
    this.#view = new DataView(buffer, byteOffset, byteLength)
  }

  read(): unknown {
    const value = this.#value()
    if (this.#at !== this.#bytes.length) throw new TypeError('bytes after the value')
    return value
  }

  #value(): unknown {
    const token = this.#uint(1)
    if (token < 0x40) return token
    if (token < 0x80) return this.#object(token)
    if (token < 0x90) return this.#map(token - 0x80)
    if (token < 0xa0) return this.#list(token - 0x90)
    if (token < 0xc0) return this.#text(token - 0xa0)
    if (token >= 0xe0) return token - 0x100
    switch (token) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return Buffer.from(this.#copy(this.#uint(1 << (token - 0xc4))))
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(1 << (token - 0xc7)))
      case 0xcb:
        return this.#view.getFloat64(this.#take(8))
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (token - 0xcc))
      case 0xcf:
        return this.#view.getBigUint64(this.#take(8))
      case 0xd0:
        return this.#view.getInt8(this.#take(1))
      case 0xd1:
        return this.#view.getInt16(this.#take(2))
      case 0xd2:
        return this.#view.getInt32(this.#take(4))
      case 0xd3:
        return this.#view.getBigInt64(this.#take(8))
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (token - 0xd4))
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (token - 0xd9)))
      case 0xdc:
      case 0xdd:
        return this.#list(this.#uint(2 << (token - 0xdc)))
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (token - 0xde)))
      default:
        throw new TypeError(`no value starts with byte ${token}`)
    }
  }

  // ---------------------------------------------------------------- bytes

  /** Consumes this many bytes and returns their offset. */
  #take(length: number): number {
    const at = this.#at
    this.#at += length
    if (this.#at > this.#bytes.length) throw new RangeError('truncated')
    return at
  }

  #uint(length: number): number {
    return this.#bytes.readUIntBE(this.#take(length), length)
  }

  /** A copy, because the input may be a slice of a buffer that holds other sessions. */
  #copy(length: number): ArrayBuffer {
    const at = this.#take(length)
    return Uint8Array.prototype.slice.call(
      new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length)
    ).buffer as ArrayBuffer
  }

  #text(length: number): string {
    const at = this.#take(length)
    return this.#bytes.toString('utf8', at, at + length)
  }

  // ---------------------------------------------------------------- containers

  // A list grows as its values are read. Each takes at least one byte, so a forged length allocates nothing.
  #list(length: number): unknown[] {
    const list: unknown[] = []
    this.#descend()
    for (let n = 0; n < length; n++) list.push(this.#value())
    this.#depth--
    return list
  }

  #map(size: number): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>()
    this.#addEntries(size)
    this.#descend()
    for (let n = 0; n < size; n++) map.set(this.#value(), this.#value())
    this.#depth--
    return map
  }

  #set(): Set<unknown> {
    const list = this.#value()
    if (!Array.isArray(list)) throw new TypeError('a Set that is not a list')
    this.#addEntries(list.length)
    return new Set(list)
  }

  #object(token: number): Record<string, unknown> {
    const keys = this.#structures.get(token)
    if (keys === undefined) throw new TypeError('an object without a structure')
    const object: Record<string, unknown> = {}
    this.#descend()
    for (const key of keys) object[key] = this.#value()
    this.#depth--
    return object
  }

  // Defines the keys that a token refers to, then reads the first object with these keys.
  #structure(token: number): Record<string, unknown> {
    const keys = this.#value()
    if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) throw new TypeError('no keys')
    // Like msgpackr: assigning `__proto__` would set the prototype.
    this.#structures.set(
      token,
      keys.map((key) => (key === '__proto__' ? '__proto_' : key))
    )
    return this.#object(token)
  }

  #descend(): void {
    if (++this.#depth > MAX_DEPTH) throw new RangeError('nested too deeply')
  }

  #addEntries(size: number): void {
    this.#entries += 1 + size
    if (this.#entries > MAX_ENTRIES) throw new RangeError('too many entries')
  }

  // ---------------------------------------------------------------- other types

  #extension(length: number): unknown {
    const type = this.#uint(1)
    const end = this.#at + length
    if (type === BINARY) return this.#binary(this.#uint(1), length - 1)
    if (type === BIGINT) return this.#bigint(length)
    if (type === TIMESTAMP) return this.#date(length)
    const data = this.#uint(1)
    if (this.#at !== end) throw new TypeError('wrong length of an extension')
    if (type === STRUCTURE && data >= 0x40 && data < 0x80) return this.#structure(data)
    if (data !== 0) throw new TypeError('unknown extension')
    if (type === UNDEFINED) return undefined
    if (type === SET) return this.#set()
    if (type === ERROR) return this.#error()
    if (type === REGEXP) return this.#regexp()
    throw new TypeError('unknown extension')
  }

  #binary(code: number, length: number): unknown {
    const buffer = this.#copy(length)
    if (code === ARRAY_BUFFER) return buffer
    if (code === DATA_VIEW) return new DataView(buffer)
    const type = BINARIES[code]
    if (type === undefined) throw new TypeError('unknown type of binary data')
    return new type(buffer)
  }

  #bigint(length: number): bigint {
    const at = this.#take(length)
    return BigInt.asIntN(8 * length, BigInt(`0x${this.#bytes.toString('hex', at, at + length)}`))
  }

  // The three timestamp formats of msgpack. msgpackr adds one of a single byte for an invalid Date.
  #date(length: number): Date {
    const at = this.#take(length)
    const view = this.#view
    if (length === 1) return new Date(Number.NaN)
    if (length === 4) return new Date(view.getUint32(at) * 1000)
    if (length === 8) {
      const high = view.getUint32(at)
      return dateOf((high & 3) * 2 ** 32 + view.getUint32(at + 4), high >>> 2)
    }
    if (length === 12) return dateOf(Number(view.getBigInt64(at + 4)), view.getUint32(at))
    throw new TypeError('wrong length of a timestamp')
  }

  // Name, message, cause. A visitor may have chosen the name, so the lookup must not reach a prototype.
  #error(): Error {
    const [name, message, cause] = this.#parts()
    const type = ERRORS.get(name as string)
    const error = new (type ?? Error)(
      typeof message === 'string' ? message : '',
      cause === undefined ? {} : { cause }
    )
    if (type === undefined && typeof name === 'string') error.name = name
    return error
  }

  #regexp(): RegExp {
    const [source, flags] = this.#parts()
    if (typeof source !== 'string' || typeof flags !== 'string') throw new TypeError('not a RegExp')
    return new RegExp(source, flags)
  }

  #parts(): unknown[] {
    if (++this.#costly > MAX_COSTLY) throw new RangeError('too many Errors or regular expressions')
    const parts = this.#value()
    if (!Array.isArray(parts)) throw new TypeError('an Error or regular expression without parts')
    return parts
  }
}

function dateOf(seconds: number, nanoseconds: number): Date {
  return new Date(seconds * 1000 + nanoseconds / 1_000_000)
}
