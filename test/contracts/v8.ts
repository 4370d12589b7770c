// A serializer as a user of the package would write it, to run the contract over.
import { deserialize, serialize } from 'node:v8'
import type { Dictionary, Serializer } from '../../serializers/serializer.js'

export const v8: Serializer = {
  name: 'v8',
  tag: 32,
  // Twice: lists that were decoded are written in another way than others, and the session would count as changed.
  encode: (data) => serialize(deserialize(serialize(data))),
  // A copy: binary values that it decodes are views of what it is given.
  decode: (bytes): Dictionary => deserialize(new Uint8Array(bytes))
}
