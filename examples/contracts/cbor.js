// A serializer on cbor-x. Its test is cbor.test.js.
import { addExtension, Encoder } from 'cbor-x'

function refuse() {
  throw new TypeError('an Error is no session data')
}

// cbor-x writes errors that it cannot read, such as one with the name `valueOf`.
addExtension({ Class: Error, tag: 40_500, encode: refuse, decode: refuse })
const cbor = new Encoder({ useRecords: false })

/** @type {import('fastify-ioredis-session').Serializer} */
export const serializer = {
  name: 'cbor',
  tag: 33,
  // cbor-x recurses until the stack overflows.
  refusesCycles: true,
  encode: (data) => cbor.encode(data),
  // Copy first: cbor-x returns binary values as views of its input. Of a Buffer, since it returns what it is given.
  decode: (bytes) => cbor.decode(Buffer.from(new Uint8Array(bytes).buffer))
}
