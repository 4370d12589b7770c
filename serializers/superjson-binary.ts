// Binary data in superjson as its type and base64. The library writes a list of numbers, and reads one of any length:
// a record of 90 bytes can make it allocate gigabytes.
import { Buffer } from 'node:buffer'

const types = {
  ArrayBuffer,
  Buffer,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView
} as const
type Binary = InstanceType<(typeof types)[keyof typeof types]>

/** The custom type that superjson registers under the name `binary`. */
export const binary = {
  isApplicable: (value: unknown): value is Binary =>
    ArrayBuffer.isView(value) || value instanceof ArrayBuffer,

  serialize(value: Binary): [string, string] {
    const { name } = value.constructor
    // A subclass, for example: only what can be read back is stored.
    if (!Object.hasOwn(types, name)) throw new TypeError('unknown type of binary data')
    const bytes = ArrayBuffer.isView(value)
      ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      : Buffer.from(value)
    return [name, bytes.toString('base64')]
  },

  deserialize([name, text]: [string, unknown]): Binary {
    if (typeof text !== 'string') throw new TypeError('binary data that is not a string')
    const bytes = Uint8Array.from(Buffer.from(text, 'base64')).buffer
    // Buffer.from() ignores what follows the end.
    if (text.length !== 4 * Math.ceil(bytes.byteLength / 3)) throw new TypeError('not base64')
    if (name === 'ArrayBuffer') return bytes
    if (name === 'Buffer') return Buffer.from(bytes)
    if (!Object.hasOwn(types, name)) throw new TypeError('unknown type of binary data')
    return new types[name as 'Uint8Array'](bytes)
  }
}
