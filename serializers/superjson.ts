// superjson: JSON with a note of the types it has no word for, and of objects that occur twice.
import { Buffer } from 'node:buffer'
import type { SuperJSON } from 'superjson'
import { type Serializer, textOf } from './serializer.js'

let instance: SuperJSON

export const superjson: Serializer = {
  name: 'superjson',
  tag: 2,
  async load() {
    const { SuperJSON } = await import('superjson')
    // dedupe: an object graph with shared parts would otherwise grow exponentially.
    instance = new SuperJSON({ dedupe: true })
    instance.registerCustom(
      { isApplicable: isBinary, serialize: binaryToText, deserialize: textToBinary },
      'binary'
    )
  },
  encode: (data) => Buffer.from(instance.stringify(data)),
  decode(bytes) {
    const document = JSON.parse(textOf(bytes))
    if (!Object.hasOwn(document, 'json')) throw new TypeError('not superjson')
    // Its own form of typed arrays can ask for gigabytes in 90 bytes. We write binary data as base64 (below).
    if (JSON.stringify(document.meta?.values ?? null).includes('["typed-array",')) {
      throw new TypeError('a typed array of unbounded length')
    }
    return instance.deserialize(document, { inPlace: true })
  }
}

const binaryTypes = {
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
type Binary = InstanceType<(typeof binaryTypes)[keyof typeof binaryTypes]>

function isBinary(value: unknown): value is Binary {
  return (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) && value.constructor.name in binaryTypes
}

function binaryToText(value: Binary): [string, string] {
  const bytes = ArrayBuffer.isView(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : Buffer.from(value)
  return [value.constructor.name, bytes.toString('base64')]
}

function textToBinary([name, text]: [string, string]): Binary {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64')).buffer
  if (name === 'ArrayBuffer') return bytes
  if (name === 'Buffer') return Buffer.from(bytes)
  if (!Object.hasOwn(binaryTypes, name)) throw new TypeError('an unknown type of binary data')
  return new binaryTypes[name as 'Uint8Array'](bytes)
}
