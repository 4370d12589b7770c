// A serializer as a user of the package would write it, to run the contract over.
import { DefaultDeserializer, deserialize, serialize } from 'node:v8'
import type { Dictionary, Serializer } from '../../serializers/serializer.js'

const v8: Serializer = {
  name: 'v8',
  tag: 32,
  // Encode twice: v8 writes a decoded array differently from a fresh one, so an unchanged session would look modified.
  encode: (data) => serialize(deserialize(serialize(data))),
  // Copy first: v8 returns binary values as views of its input, whose `buffer` holds the whole record.
  decode(bytes): Dictionary {
    const reader = new DefaultDeserializer(new Uint8Array(bytes))
    reader.readHeader()
    const data = reader.readValue()
    try {
      reader.readRawBytes(1)
    } catch {
      return data // as it must be: nothing is left
    }
    throw new TypeError('bytes after the end') // v8.deserialize ignores them
  }
}

export default v8
